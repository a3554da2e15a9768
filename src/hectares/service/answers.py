"""What is known, as the records of the API."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from pathlib import Path

from hectares.core.legend import hex_color
from hectares.errors import HectaresError
from hectares.io.artefact import read_artefact
from hectares.service.data_root import DataRoot, Scene, Segmenter
from hectares.service.job import Job, State
from hectares.service.models import ClassArea, FileAnswer, JobAnswer, LandClassAnswer, SceneAnswer, SegmenterAnswer
from hectares.service.runner import Runner
from hectares.service.steps import FILES, MAP, finished_files
from hectares.view.place import place_line

_MOST_HELD = 500


def scene_answer(scene: Scene, *, is_sent: bool) -> SceneAnswer:
    """Tell of a scene."""
    height, width = scene.grid.shape
    gsd = max(scene.grid.gsd) if scene.grid.is_georeferenced else None
    return SceneAnswer(
        id=scene.id, name=scene.name, width=width, height=height, bands=list(scene.bands), gsd_m=gsd,
        place=place_line(scene.grid), bytes=scene.bytes, sent=is_sent,
    )  # fmt: skip


def segmenter_answer(found: Segmenter) -> SegmenterAnswer:
    """Tell of a segmenter."""
    classes = [LandClassAnswer(name=c.name, color=hex_color(c.color)) for c in found.classes]
    return SegmenterAnswer(
        id=found.id, name=found.name, summary=found.summary, bands=list(found.bands), gsd_m=found.gsd_m,
        classes=classes, license=found.license,
    )  # fmt: skip


class JobAnswers:
    """Tells of jobs; areas of finished maps are read once."""

    def __init__(self, runner: Runner, root: DataRoot) -> None:
        """Take what there is to tell of."""
        self._runner, self._root = runner, root
        self._areas: dict[tuple[str, int], list[ClassArea]] = {}
        self._lock = threading.Lock()

    def of(self, job: Job) -> JobAnswer:
        """Tell of a job."""
        folder = self._runner.folder(job)
        progress = self._runner.progress(job)
        files = finished_files(folder)
        remaining = None if progress is None else progress.remaining_s
        percent = (
            min(99.0, 100.0 * progress.share) if progress is not None else (100.0 if job.state is State.DONE else 0.0)
        )
        return JobAnswer(
            id=job.id, state=job.state, scene_id=job.scene_id, scene=job.scene, segmenter_id=job.segmenter_id,
            segmenter=job.segmenter, created=job.created, place_in_queue=self._runner.place(job),
            step="" if progress is None else progress.words, percent=round(percent, 1),
            remaining_s=None if remaining is None else round(remaining, 1), message=job.message,
            problems=list(job.problems), has_map=MAP in files, areas=self._areas_of(job, folder, files),
            files=_file_answers(folder, files),
        )  # fmt: skip

    def _areas_of(self, job: Job, folder: Path, files: list[str]) -> list[ClassArea]:
        """Give the classes of a map with their areas, the largest first."""
        key = (job.id, len(files))
        if MAP not in files:
            return []
        with self._lock:
            if key in self._areas:
                return self._areas[key]
        try:
            found = _read_areas(folder, self._root.decode("legend", folder / MAP).answer)
        except HectaresError:
            found = []
        with self._lock:
            if len(self._areas) > _MOST_HELD:
                self._areas.clear()
            self._areas[key] = found
        return found


def _file_answers(folder: Path, names: list[str]) -> list[FileAnswer]:
    found = []
    for name in names:
        with contextlib.suppress(FileNotFoundError):  # deleted since it was listed
            found.append(FileAnswer(name=name, what=FILES[name][1], bytes=(folder / name).stat().st_size))
    return found


def _read_areas(folder: Path, legend: Sequence[tuple[str, str]]) -> list[ClassArea]:
    table = folder / "areas.json"
    if not table.is_file():
        return [ClassArea(name=name, color=color, area_ha=None, share=None) for name, color in legend]
    rows = {row["class_name"]: row for row in read_artefact(table, "areas")["total"]}
    found = [
        ClassArea(name=name, color=color, area_ha=rows[name]["area_ha"], share=rows[name]["share"])
        for name, color in legend
        if name in rows
    ]
    return sorted(found, key=lambda area: -(area.area_ha or 0.0))
