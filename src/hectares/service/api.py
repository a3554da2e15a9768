"""The requests that programs, and the page, may make: JSON in, JSON and files out, everything by id."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import FileResponse
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from hectares import __version__
from hectares.config.serve import ServeConfig
from hectares.errors import HectaresError
from hectares.service.answers import JobAnswers, scene_answer, segmenter_answer
from hectares.service.data_root import SUFFIXES, DataRoot, Scene
from hectares.service.decoding import Decoded
from hectares.service.job import Job, is_id
from hectares.service.map_view import MapViews
from hectares.service.models import (
    Fault,
    JobAnswer,
    JobList,
    JobRequest,
    RefusedFile,
    SceneAnswer,
    SceneList,
    SegmenterAnswer,
    Status,
)
from hectares.service.runner import Runner
from hectares.service.steps import FILES, MAP
from hectares.service.uploads import take_upload

T = TypeVar("T")
_PREVIEW_PX = 320
_MOST_PREVIEWS = 200


class Turns:
    """Lets a few pieces of heavy work run at once, and turns away what would wait too long."""

    def __init__(self, at_once: int = 3, waiting: int = 64) -> None:
        """Set the numbers."""
        self._free, self._most, self._now = asyncio.Semaphore(at_once), at_once + waiting, 0

    async def run(self, work: Callable[..., T], *args: object) -> T:
        """Do work in a thread. Raises HTTPException if too much waits already."""
        if self._now >= self._most:
            raise HTTPException(503, "too much is asked at once; try again", headers={"Retry-After": "1"})
        self._now += 1
        try:
            async with self._free:
                return await run_in_threadpool(work, *args)
        finally:
            self._now -= 1


@dataclass
class Desk:
    """What the requests work with."""

    root: DataRoot
    runner: Runner
    config: ServeConfig
    turns: Turns
    views: MapViews
    answers: JobAnswers
    previews: dict[tuple[str, int], Decoded | HectaresError] = field(default_factory=dict)
    previewing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def job(self, job_id: str) -> Job:
        """Give a job. Raises HTTPException for an unknown id."""
        job = self.runner.job(job_id) if is_id(job_id) else None
        if job is None:
            raise HTTPException(404, "there is no map of that id")
        return job

    def mapped(self, job_id: str) -> Job:
        """Give a job whose map is there. Raises HTTPException for any other."""
        job = self.job(job_id)
        if not (self.runner.folder(job) / MAP).is_file():
            raise HTTPException(404, "the map is not there yet")
        return job

    def scene(self, scene_id: str) -> Scene:
        """Give a scene. Raises HTTPException for an unknown id, or one whose file leads out of the folder."""
        scene = self.root.scene(scene_id)
        if scene is None or not self.root.holds(scene.path):
            raise HTTPException(404, "there is no scene of that id; it may have been moved")
        return scene


def desk_of(request: Request) -> Desk:
    """Give what the requests work with."""
    desk: Desk = request.app.state.desk
    return desk


At = Annotated[Desk, Depends(desk_of)]
_FAULTS: dict[int | str, dict[str, Any]] = {
    code: {"model": Fault, "description": words}
    for code, words in {
        401: "Without the token.",
        403: "From another site, or by another name.",
        404: "There is no such thing.",
        409: "It is in use, or not ours to delete.",
        422: "A file or a value is refused.",
        503: "Too much waits; try again.",
    }.items()
}
_by_token = HTTPBearer(auto_error=False, description="The guard before the application looks at it; here it is told.")
api = APIRouter(prefix="/api", responses=_FAULTS, dependencies=[Depends(_by_token)])


# --- The service and its folder ---------------------------------------------------------------------------


@api.get("/status", tags=["service"])
def read_status(desk: At) -> Status:
    """Tell version, room and limits."""
    free = shutil.disk_usage(desk.root.path).free / 1e6
    return Status(
        version=__version__, folder=desk.root.path.name, free_mb=round(free),
        max_upload_mb=desk.config.max_upload_mb, suffixes=list(SUFFIXES),
    )  # fmt: skip


@api.get("/scenes", tags=["scenes"])
def list_scenes(desk: At) -> SceneList:
    """List the scenes of the folder."""
    scenes, refused, is_cut = desk.root.scenes()
    faults = [RefusedFile(name=r.name, message=r.message) for r in refused]
    return SceneList(
        scenes=[scene_answer(s, is_sent=desk.root.is_sent(s)) for s in scenes], refused=faults, is_cut=is_cut
    )


@api.post(
    "/scenes",
    tags=["scenes"],
    status_code=201,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
    responses={413: {"model": Fault}, 415: {"model": Fault}, 507: {"model": Fault}},
)
async def upload_scene(
    request: Request, desk: At, name: Annotated[str, Query(min_length=1, max_length=255, description="File name.")]
) -> SceneAnswer:
    """Send a scene: the file itself is the body of the request."""
    scene = await take_upload(request, desk.root, name, desk.config.min_free_mb)
    return scene_answer(scene, is_sent=True)


@api.delete("/scenes/{scene_id}", tags=["scenes"], status_code=204)
def delete_scene(scene_id: str, desk: At) -> None:
    """Delete a scene that was sent; scenes that lie elsewhere in the folder are not touched, and maps stay."""
    desk.runner.delete_scene(desk.scene(scene_id))


@api.get("/scenes/{scene_id}/preview", tags=["scenes"], response_class=Response)
async def preview_scene(scene_id: str, desk: At) -> Response:
    """Give a small picture of a scene."""
    scene = await run_in_threadpool(desk.scene, scene_id)
    key = (scene.id, scene.path.stat().st_mtime_ns)
    async with desk.previewing:  # one after the other, so that a page of many does not hold up a map
        if key not in desk.previews:
            while len(desk.previews) >= _MOST_PREVIEWS:
                desk.previews.pop(next(iter(desk.previews)))
            desk.previews[key] = await desk.turns.run(_preview, desk.root, scene)
        found = desk.previews[key]
    if isinstance(found, HectaresError):
        raise found
    if found.answer is None:
        raise HTTPException(404, "the scene has no valid pixel")
    return Response(found.body, media_type=found.answer)


def _preview(root: DataRoot, scene: Scene) -> Decoded | HectaresError:
    """Give a picture, or why there is none: that is remembered as well, since to find out may take half a minute."""
    try:
        return root.decode("preview", scene.path, _PREVIEW_PX)
    except HectaresError as error:
        return error


@api.get("/segmenters", tags=["segmenters"])
def list_segmenters(desk: At) -> list[SegmenterAnswer]:
    """List what maps can be made with."""
    return [segmenter_answer(s) for s in desk.root.segmenters()]


# --- Maps -------------------------------------------------------------------------------------------------


@api.get("/jobs", tags=["maps"])
def list_jobs(desk: At) -> JobList:
    """List all maps, the newest first, with how far they are."""
    return JobList(jobs=[desk.answers.of(j) for j in desk.runner.jobs()], unreadable=desk.runner.unreadable)


@api.post("/jobs", tags=["maps"], status_code=201, responses={507: {"model": Fault}})
def submit_job(asked: JobRequest, desk: At) -> JobAnswer:
    """Ask for a map of a scene; it waits in the queue until its turn comes."""
    scene = desk.scene(asked.scene)
    segmenter = desk.root.segmenter(asked.segmenter)
    if segmenter is None:
        raise HTTPException(404, "there is no segmenter of that id; it may have been moved")
    return desk.answers.of(desk.runner.submit(scene, segmenter, asked.gsd_m))


@api.get("/jobs/{job_id}", tags=["maps"])
def read_job(job_id: str, desk: At) -> JobAnswer:
    """Tell of one map."""
    return desk.answers.of(desk.job(job_id))


@api.post("/jobs/{job_id}/cancel", tags=["maps"])
def cancel_job(job_id: str, desk: At) -> JobAnswer:
    """Stop a map after the step under way; what is finished of it is kept for another try."""
    return desk.answers.of(desk.runner.cancel(desk.job(job_id)))


@api.post("/jobs/{job_id}/retry", tags=["maps"], responses={507: {"model": Fault}})
def retry_job(job_id: str, desk: At) -> JobAnswer:
    """Put a map that failed or was stopped into the queue again; it goes on from where it stood."""
    return desk.answers.of(desk.runner.retry(desk.job(job_id)))


@api.delete("/jobs/{job_id}", tags=["maps"], status_code=204)
def delete_job(job_id: str, desk: At) -> None:
    """Delete a map that is done, failed or stopped, with all its files; its scene stays."""
    job = desk.job(job_id)
    desk.runner.delete(job)
    desk.views.forget(job)


@api.get("/jobs/{job_id}/files/{name}", tags=["maps"], response_class=FileResponse)
def download_file(job_id: str, name: str, desk: At) -> FileResponse:
    """Download a file of a map, by one of the names in its `files`."""
    job = desk.job(job_id)
    if name not in FILES:
        raise HTTPException(404, f"there is no file of that name; expected one of {', '.join(FILES)}")
    path = desk.runner.folder(job) / name
    if not path.is_file() or not desk.root.holds(path):
        raise HTTPException(404, f"{name} is not there yet")
    stem, dot, suffix = name.partition(".")
    saved = f"{job.id}{dot}{suffix}" if stem == "map" else f"{job.id}-{name}"
    return FileResponse(path, media_type=FILES[name][0], filename=saved)


@api.get("/jobs/{job_id}/preview", tags=["maps"], response_class=Response)
async def preview_map(job_id: str, desk: At) -> Response:
    """Give a small picture of a map in the colors of its legend, as PNG; nodata is clear."""
    job = desk.mapped(job_id)
    found = await desk.turns.run(desk.root.decode, "map_picture", desk.runner.folder(job) / MAP, _PREVIEW_PX)
    return Response(found.body, media_type=found.answer)


@api.get("/jobs/{job_id}/tiles/{z}/{x}/{y}.png", tags=["maps"], response_class=Response)
async def read_web_tile(job_id: str, z: int, x: int, y: int, desk: At) -> Response:
    """Give a map tile (Web Mercator, XYZ, 256 px) in the colors of the legend, for other programs; nodata is clear."""
    job = desk.mapped(job_id)
    found = await desk.turns.run(desk.root.decode, "web_tile", desk.runner.folder(job) / MAP, z, x, y)
    if found.answer is None:
        raise HTTPException(404, "there is no such tile")
    return Response(found.body, media_type=found.answer)
