"""The service put together: folder, queue, requests, pages, and the guard before them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Sequence

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from hectares import __version__
from hectares.config.serve import ServeConfig
from hectares.errors import ConfigError, HectaresError, ResourceError
from hectares.service.answers import JobAnswers
from hectares.service.api import Desk, Turns, api
from hectares.service.data_root import DataRoot
from hectares.service.guard import LOCAL_NAMES, Guard, Rules
from hectares.service.map_view import MapViews
from hectares.service.pages import pages
from hectares.service.runner import KeptError, QueueFullError, Runner
from hectares.view.service_page import door_page

_DESCRIPTION = """From satellite image to hectares, over the folder of this service.

Send the token that is printed where the service was started as `Authorization: Bearer TOKEN`."""
_STATUS = {QueueFullError: 503, KeptError: 409, ResourceError: 507, ConfigError: 400}


def build_app(
    root: DataRoot, program: Sequence[str], config: ServeConfig, token: str, *, key: str | None = None
) -> ASGIApp:
    """Put the service together; its queue works from the start of the application to its end.

    `program` is what a command line of this package begins with; `key` opens the page once, as the token does.
    """
    runner = Runner(root, program, config)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        root.remove_leftovers()
        runner.start()
        try:
            yield
        finally:
            runner.stop()

    app = FastAPI(
        title="hectares", version=__version__, description=_DESCRIPTION, lifespan=lifespan,
        docs_url=None, redoc_url=None, openapi_url=None,
    )  # fmt: skip
    app.state.desk = Desk(root, runner, config, Turns(), MapViews(root), JobAnswers(runner, root))
    app.state.operations = api.routes
    app.include_router(api)
    app.include_router(pages)
    app.add_exception_handler(HTTPException, _tell_refusal)
    app.add_exception_handler(RequestValidationError, _tell_invalid)
    app.add_exception_handler(HectaresError, _tell_error)
    app.add_exception_handler(FileNotFoundError, _tell_gone)
    return Guard(app, rules_of(config, token, key), door_page())


def rules_of(config: ServeConfig, token: str, key: str | None = None) -> Rules:
    """Give what the guard lets in."""
    return Rules(
        token,
        cookie=f"hectares-{config.port}",
        names=(*LOCAL_NAMES, *config.called),
        any_address=not config.is_local,
        max_upload=config.max_upload_mb * 10**6,
        key=key,
    )


async def _tell_refusal(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse({"message": error.detail}, error.status_code, error.headers)


async def _tell_invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return JSONResponse({"message": f"{where}: {re.sub(r'[^ -~]', '?', str(first['msg']))}"}, 422)


async def _tell_gone(_: Request, __: Exception) -> JSONResponse:
    return JSONResponse({"message": "it was moved or deleted just now; load the page again"}, 404)


async def _tell_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HectaresError)
    desk: Desk = request.app.state.desk
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 422)
    headers = {"Retry-After": "60"} if status == 503 else None
    return JSONResponse({"message": desk.root.plainly(str(error))}, status, headers)
