"""The steps of a job: which command makes which file, and how much of the work each is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hectares.service.job import Job

MAP, AREAS, POLYGONS, REPORT = "map.tif", "areas.csv", "polygons.gpkg", "report.html"
FILES = {
    MAP: ("image/tiff", "the map: a GeoTIFF with a legend"),
    "map.qml": ("application/xml", "its style, which QGIS loads by itself if it lies beside the map"),
    AREAS: ("text/csv", "hectares of each class, as a table"),
    "areas.json": ("application/json", "the same, with how they were measured"),
    POLYGONS: ("application/geopackage+sqlite3", "the map as polygons: a GeoPackage"),
    REPORT: ("text/html", "a report on one page, which opens anywhere"),
}
"""What can be downloaded, with its media type and what it is."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a job."""

    words: str
    """What it does, for people."""
    args: tuple[str, ...]
    target: str
    """The file of its result that takes its name last: if it is there, the step is done."""
    share: float
    """Its share of the time, roughly."""


def steps_of(job: Job, folder: str, threads: int | None = None) -> Sequence[Step]:
    """Give the commands of a job, in order; all paths are below the folder of the service, where they run.

    >>> job = Job("a", 0.0, "s", "in/s.tif", "g", "g", "builtin:town", placed=False)
    >>> [" ".join(step.args) for step in steps_of(job, "results/a")]  # no place: neither areas nor polygons
    ['predict builtin:town ./in/s.tif results/a/map.tif', 'report results/a/map.tif ./in/s.tif results/a/report.html']
    """
    scene, made = f"./{job.scene}", {name: f"{folder}/{name}" for name in (MAP, AREAS, POLYGONS, REPORT)}
    own = () if threads is None else ("--threads", str(threads))
    steps = [Step("mapping", ("predict", job.run, scene, made[MAP], *own), MAP, 0.8)]
    gsd = () if job.placed or job.gsd_m is None else ("--gsd-m", f"{job.gsd_m:g}")
    areas: tuple[str, ...] = ()
    if job.placed or gsd:
        areas = (made[AREAS],)
        steps.append(Step("measuring areas", ("measure", made[MAP], made[AREAS], *gsd), "areas.png", 0.05))
    if job.placed:
        steps.append(Step("drawing polygons", ("vectorize", made[MAP], made[POLYGONS]), "polygons.json", 0.1))
    steps.append(Step("writing the report", ("report", made[MAP], scene, *areas, made[REPORT]), REPORT, 0.05))
    return steps


def finished_files(folder: Path) -> list[str]:
    """Give the files of a job that are there."""
    return [name for name in FILES if (folder / name).is_file()]
