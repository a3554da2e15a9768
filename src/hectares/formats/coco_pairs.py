"""Images of COCO files and the files on disk, brought together by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hectares.config.source import SourceConfig
from hectares.errors import CatalogError
from hectares.formats.listing import list_files
from hectares.io.catalog import CatalogScene, CocoLabel, ImageFile
from hectares.io.shapes.coco import CocoFile, read_coco
from hectares.monitor import Monitor, Problem

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".jp2")
_SHOWN = 10


@dataclass(frozen=True)
class CocoPart:
    """A COCO file and the folder that its file names start from."""

    file: CocoFile
    folder: Path
    prefix: str = ""
    """Stands before the names of its images in scene ids, which may repeat in other parts."""
    split: str | None = None
    complete: bool = True
    """True if every file of the folder should be listed."""


def open_part_file(path: Path, config: SourceConfig, monitor: Monitor) -> CocoFile:
    """Read a COCO file, and refuse or report its broken annotations."""
    file = read_coco(path)
    if not config.skip_bad:
        file.refuse(file.faults)
    lost = [fault for fault in file.faults if fault.image is None]
    if lost:  # those of an image are reported with its label
        what = f"{len(lost)} annotation(s) belong nowhere: {_few(lost)}"
        monitor.problem(Problem(str(path), what, "they are left out", "incomplete"))
    if not file.images:
        raise CatalogError(f"{path}: lists no images")
    return file


def files_below(folder: Path) -> dict[str, Path]:
    """Give the image files below a folder by relative path, with slashes and the suffix in small letters."""
    found = {}
    for path in list_files(folder):
        name = spelled(path.relative_to(folder).as_posix())
        if name.endswith(SUFFIXES):
            found[name] = path
    return found


def spelled(name: str) -> str:
    """Give a file name with the suffix in small letters.

    >>> spelled("north/A.JPG")
    'north/A.jpg'
    """
    stem, dot, suffix = name.rpartition(".")
    return f"{stem}{dot}{suffix.lower()}"


def pair_images(
    parts: Sequence[CocoPart],
    files: Mapping[Path, Mapping[str, Path]],
    config: SourceConfig,
    monitor: Monitor,
    *,
    bands: tuple[str, ...] | None = None,
    gsd_m: float | None = None,
) -> tuple[CatalogScene, ...]:
    """Give a scene for each image that is listed and on disk; `files` are those of each folder of a part.

    Raises CatalogError naming the images of either side that the other lacks, unless they may be left out.
    """
    scenes: list[CatalogScene] = []
    missing: list[str] = []
    for part in parts:
        on_disk = files[part.folder]
        for image in part.file.images:
            path = on_disk.get(spelled(image.file_name))
            if path is None:
                missing.append(f"{image.file_name} of {part.file.path}")
                continue
            name = part.prefix + PurePosixPath(image.file_name).with_suffix("").as_posix()
            label = CocoLabel(part.file.path, image.id)
            scenes.append(CatalogScene(name, (ImageFile(path, bands),), label, name, part.split, gsd_m))
    extra = [str(path) for folder, listed in _listed(parts).items() for path in _unlisted(listed, files[folder])]
    _report(missing, extra, [str(p.file.path) for p in parts], config, monitor)
    twice = [name for name, count in Counter(s.id for s in scenes).items() if count > 1]
    if twice:
        where = " and ".join(str(s.image) for s in scenes if s.id == twice[0])
        raise CatalogError(f"{where}: both are {twice[0]!r}; the names of images, without suffix, must differ")
    if not scenes:
        raise CatalogError(f"{parts[0].file.path}: none of its images is on disk below {parts[0].folder}")
    return tuple(sorted(scenes, key=lambda s: s.id))


def _listed(parts: Iterable[CocoPart]) -> dict[Path, set[str]]:
    """Names that are listed for each folder, by all of its files together; none if one lists only some."""
    partial = {part.folder for part in parts if not part.complete}
    listed: dict[Path, set[str]] = {}
    for part in parts:
        if part.folder not in partial:
            listed.setdefault(part.folder, set()).update(spelled(image.file_name) for image in part.file.images)
    return listed


def _unlisted(listed: set[str], on_disk: Mapping[str, Path]) -> list[Path]:
    """Files on disk that lie beside listed ones but are not."""
    places = {name.rpartition("/")[0] for name in listed}
    return [path for name, path in on_disk.items() if name not in listed and name.rpartition("/")[0] in places]


def _report(
    missing: Sequence[str], extra: Sequence[str], paths: Sequence[str], config: SourceConfig, monitor: Monitor
) -> None:
    wrong = [f"{len(missing)} listed image(s) are not on disk: {_few(missing)}"] if missing else []
    wrong += [f"{len(extra)} image(s) on disk are not listed: {_few(extra)}"] if extra else []
    if not wrong:
        return
    where = " and ".join(paths[:2]) + (f" and {len(paths) - 2} more" if len(paths) > 2 else "")
    if not config.allow_unmatched:
        raise CatalogError(f"{where}: {'; '.join(wrong)}; complete them, or leave them out with --allow-unmatched")
    for what in wrong:
        monitor.problem(Problem(where, what, "they are left out", "incomplete"))


def _few(items: Sequence[object]) -> str:
    more = f", ... and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(map(str, items[:_SHOWN])) + more
