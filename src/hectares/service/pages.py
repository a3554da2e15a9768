"""The pages that people open: where maps are made, a map, and what programs may ask."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from hectares import __version__
from hectares.service.api import At, Desk
from hectares.service.decoding import Decoded
from hectares.service.map_view import MAP_LAYER, SCENE_LAYER, MapView
from hectares.service.steps import MAP
from hectares.view.service_page import Operation, asset, operations_page, start_page

pages = APIRouter(include_in_schema=False)
_KINDS = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
}
_TILE = re.compile(r"(\d{1,6})-(\d{1,6})\.(js|jpg)", re.ASCII)
_NOTHING = "there is no such page"


@pages.get("/")
def start(desk: At) -> HTMLResponse:
    """Give the page on which maps are made."""
    return HTMLResponse(start_page(desk.root.path.name, __version__))


@pages.get("/assets/{name}")
def load_asset(name: str) -> Response:
    """Give a script or a style of the page."""
    body = asset(name)
    if body is None:
        raise HTTPException(404, _NOTHING)
    return Response(body, media_type=_KINDS[PurePosixPath(name).suffix])


@pages.get("/api/openapi.json")
def describe(request: Request) -> JSONResponse:
    """Give the schema of the API."""
    return JSONResponse(request.app.openapi())


@pages.get("/api")
def list_operations(request: Request) -> HTMLResponse:
    """List what programs may ask."""
    found = [
        Operation(method, route.path, (route.description or "").split("\n")[0], ", ".join(map(str, route.tags)))
        for route in request.app.state.operations
        if isinstance(route, APIRoute)
        for method in sorted(route.methods or ())
    ]
    return HTMLResponse(operations_page(found, __version__))


# --- A map ------------------------------------------------------------------------------------------------


@pages.get("/maps/{job_id}/")
async def show_map(job_id: str, desk: At) -> Response:
    """Give the page of a map."""
    return _file(await _view(desk, job_id), "index.html")


@pages.get("/maps/{job_id}/page/{name}")
async def load_map_file(job_id: str, name: str, desk: At) -> Response:
    """Give a script or a style of the page of a map."""
    return _file(await _view(desk, job_id), f"page/{name}")


@pages.get("/maps/{job_id}/tiles/{layer}/{level}/{name}")
async def load_tile(job_id: str, layer: str, level: int, name: str, desk: At) -> Response:
    """Give a tile of the map as codes, or one of its scene as a picture."""
    job, square = desk.mapped(job_id), _TILE.fullmatch(name)
    if square is None or (layer, square[3]) not in {(MAP_LAYER, "js"), (SCENE_LAYER, "jpg")}:
        raise HTTPException(404, _NOTHING)
    place = level, int(square[1]), int(square[2])
    if layer == MAP_LAYER:
        own = "{}/{}/{}-{}".format(layer, *place)  # the page knows it by the address it has asked for
        found = await desk.turns.run(desk.root.decode, "map_tile", desk.runner.folder(job) / MAP, own, *place)
        return _tile(found, _KINDS[".js"])
    view = await _view(desk, job_id)
    if view.scene is None or not desk.root.holds(view.scene):
        raise HTTPException(404, _NOTHING)
    found = await desk.turns.run(desk.root.decode, "scene_tile", view.scene, *place)
    return _tile(found, found.answer)  # whatever it is called


async def _view(desk: Desk, job_id: str) -> MapView:
    job = desk.mapped(job_id)
    return await desk.turns.run(desk.views.of, job, desk.runner.folder(job))


def _file(view: MapView, name: str) -> Response:
    if name not in view.files:
        raise HTTPException(404, _NOTHING)
    return Response(view.files[name], media_type=_KINDS[PurePosixPath(name).suffix])


def _tile(found: Decoded, kind: str) -> Response:
    if found.answer is None:
        raise HTTPException(404, _NOTHING)
    return Response(found.body, media_type=kind)
