"""Class maps to the file that a contest takes, and the check of such a file.

What is written is read back as strictly as the contest would. What a submission lacks, like images without a map, is
told and does not stop the work.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from hectares.config.contest import ContestConfig
from hectares.core.colors import Color
from hectares.errors import ArtefactError, ConfigError, InputError
from hectares.formats.registry import find_format
from hectares.io.contests import crowdai, dstl, inria, isprs, spacenet
from hectares.io.contests.map_objects import ObjectRules
from hectares.io.contests.submission import Fault, MapEntry, refuse_own_faults
from hectares.io.outputs import resolve, staged_file, staged_folder
from hectares.io.scene_values import RANGE_SUFFIX
from hectares.monitor import QUIET, Monitor, Problem

CONTESTS: Mapping[str, str] = {
    "crowdai": "crowdAI mapping challenge: COCO results (.json), score and run lengths of each building",
    "spacenet": "SpaceNet buildings: a table (.csv) of polygons in pixels with their confidence",
    "inria": "Inria aerial image labeling: 0/255 pictures of the test tiles (.zip or a folder)",
    "dstl": "DSTL feature detection: a table (.csv) of multipolygons in the degrees of grid_sizes.csv",
    "isprs": "ISPRS Potsdam and Vaihingen: pictures in the colors of the benchmark (.zip or a folder)",
}
_SUFFIXES = {"crowdai": ".json", "spacenet": ".csv", "dstl": ".csv"}
_PICTURES = ("inria", "isprs")
_MAPS = {".tif", ".tiff", ".png"}
_USED = {
    "crowdai": {"scores", "template", "rename", "min_px", "simplify_px", "shapes"},
    "spacenet": {"scores", "template", "rename", "min_px", "simplify_px"},
    "inria": {"rename"},
    "dstl": {"template", "grid_sizes", "rename", "min_px", "simplify_px", "against"},
    "isprs": {"rename"},
}
_MOST_TOLD = 20


@dataclass(frozen=True)
class Submission:
    """A file of a contest, as it was read."""

    path: Path
    contest: str
    items: int
    """Predictions, buildings, pictures, or classes of images with an area."""
    faults: tuple[Fault, ...]
    jaccard: tuple[dstl.ClassJaccard, ...] = ()
    """Of classes 1 to 10, with `against`."""
    compared: tuple[str, ...] = ()
    """Images that both tables have."""

    @property
    def is_good(self) -> bool:
        """True if the contest would take it."""
        return not self.faults


def write_contest(
    contest: str,
    maps: Sequence[str | Path],
    out: str | Path,
    config: ContestConfig,
    *,
    overwrite: bool = False,
    monitor: Monitor = QUIET,
) -> Submission:
    """Write class maps as the submission of a contest, and check it as `check_contest` does.

    A folder stands for the maps in it. The names of maps tell which image they are of.
    Raises ConfigError for names that tell nothing, LegendError if the classes of a map are not those of the contest.
    """
    _refuse_unused(contest, config, checking=False)
    target = resolve(out)
    packed = target.suffix.lower() == ".zip"
    _refuse_suffix(contest, target)
    paths = _list_maps(maps)
    entries = [MapEntry(path, score) for path, score in zip(paths, _list_scores(paths, config), strict=True)]
    inputs = [*paths, *(e.scores for e in entries if e.scores is not None)]
    write, check = _writer(contest, entries, config, monitor, packed=packed), _checker(contest, config)
    staged: AbstractContextManager[Path]
    if contest in _PICTURES and not packed:
        first = isprs.picture_name(paths[0]) if contest == "isprs" else inria.picture_name(paths[0])
        staged = staged_folder(target, overwrite=overwrite, inputs=inputs, ours=first)
    else:
        staged = staged_file(target, overwrite=overwrite, inputs=inputs)
    with staged as work:
        if config.scores is None and contest in {"crowdai", "spacenet"}:
            what = "no scores are given, so that every object gets 1, and the contest takes them in any order"
            monitor.problem(Problem(str(target), what, "give those of `predict --scores` with --scores"))
        write(work)
        faults, count = check(work)
        refuse_own_faults(target, faults)
    for fault in faults[:_MOST_TOLD]:
        monitor.problem(Problem(f"{target}, {fault.place}", fault.found, f"the contest wants {fault.expected}"))
    return Submission(target, contest, count, tuple(faults))


def check_contest(contest: str, path: str | Path, config: ContestConfig, *, monitor: Monitor = QUIET) -> Submission:
    """Check the file of a contest: every fault with its place, what was found and what is expected.

    With `against`, a DSTL submission is compared with reference or another submission.
    """
    _refuse_unused(contest, config, checking=True)
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: there is no such file")
    faults, count = _checker(contest, config)(path)
    jaccard: Sequence[dstl.ClassJaccard] = ()
    images: Sequence[str] = ()
    if config.against is not None and not any(not f.incomplete for f in faults):
        jaccard, images = dstl.compare_areas(path, Path(config.against), monitor)
    return Submission(path, contest, count, tuple(faults), tuple(jaccard), tuple(images))


# --- What is asked for ------------------------------------------------------------------------------------


def _refuse_unused(contest: str, config: ContestConfig, *, checking: bool) -> None:
    if contest not in CONTESTS:
        raise ConfigError(f"{contest!r} is no contest that is known; known: {', '.join(CONTESTS)}")
    used = _USED[contest] & ({"template", "grid_sizes", "against"} if checking else _USED[contest] - {"against"})
    default = ContestConfig()
    for name in ContestConfig.__dataclass_fields__:
        if getattr(config, name) != getattr(default, name) and name not in used:
            flag = f"--{name.replace('_', '-')}"
            when = " with --check" if checking else " without --check" if name == "against" else ""
            raise ConfigError(f"{flag} has no effect for {contest}{when}; leave it out")
    if contest == "dstl" and not checking and config.grid_sizes is None:
        raise ConfigError("dstl needs the extents of the images: name grid_sizes.csv with --grid-sizes")


def _refuse_suffix(contest: str, target: Path) -> None:
    wanted = _SUFFIXES.get(contest)
    if wanted is not None and target.suffix.lower() != wanted:
        raise ArtefactError(f"{target}: the file of {contest} ends in {wanted}; name it so")
    if wanted is None and target.suffix.lower() not in {"", ".zip"}:
        raise ArtefactError(f"{target}: {contest} takes pictures: name a .zip, or a folder")


def _list_maps(maps: Sequence[str | Path]) -> list[Path]:
    found: list[Path] = []
    for path in map(Path, maps):
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if _is_map(p))
            if not inside:
                raise InputError(f"{path}: holds no map (.tif or .png)")
            found += inside
        else:
            found.append(path)
    if not found:
        raise ConfigError("a submission needs at least one class map")
    return found


def _is_map(path: Path) -> bool:
    """Tell the maps of a folder from what lies beside them: pictures of labels, and rasters of what is out of range."""
    if path.name.startswith(".") or path.name.endswith(RANGE_SUFFIX) or path.suffix.lower() not in _MAPS:
        return False
    return path.suffix.lower() != ".png" or not path.with_suffix(".tif").is_file()


def _list_scores(maps: Sequence[Path], config: ContestConfig) -> list[Path | None]:
    if config.scores is None:
        return [None] * len(maps)
    scores = Path(config.scores)
    if not scores.is_dir():
        if len(maps) > 1:
            raise ConfigError(f"--scores {scores}: is one file for {len(maps)} maps; give the folder of their scores")
        return [scores]
    paths = [scores / f"{path.stem}.tif" for path in maps]
    missing = [p for p in paths if not p.is_file()]
    if missing:
        raise InputError(
            f"{missing[0]}: there are no scores of this map ({len(missing)} of {len(maps)} maps have none); write them "
            "with `predict --scores`"
        )
    return list(paths)


# --- One contest or the other -----------------------------------------------------------------------------


def _writer(
    contest: str, entries: Sequence[MapEntry], config: ContestConfig, monitor: Monitor, *, packed: bool
) -> Callable[[Path], object]:
    renamed, template = config.renamed(), None if config.template is None else Path(config.template)
    rules = ObjectRules(config.min_px, config.simplify_px)

    def write(work: Path) -> object:
        if contest == "crowdai":
            images = None if template is None else crowdai.read_images(template)
            return crowdai.write_crowdai(work, entries, renamed, images, monitor, shapes=config.shapes, rules=rules)
        if contest == "spacenet":
            return spacenet.write_spacenet(work, entries, renamed, monitor, rules=rules)
        if contest == "dstl":
            rows = None if template is None else dstl.read_template(template)
            extents = dstl.read_extents(Path(config.grid_sizes or ""))
            return dstl.write_dstl(work, entries, _classes(), renamed, extents, rows, monitor, rules=rules)
        with tempfile.TemporaryDirectory() as folder:
            scratch = Path(folder) / "picture.tif"
            if contest == "inria":
                return inria.write_inria(work, scratch, entries, renamed, monitor, packed=packed)
            return isprs.write_isprs(work, scratch, entries, renamed, _colors(), monitor, packed=packed)

    return write


def _checker(contest: str, config: ContestConfig) -> Callable[[Path], tuple[list[Fault], int]]:
    template = None if config.template is None else Path(config.template)

    def check(path: Path) -> tuple[list[Fault], int]:
        if contest == "crowdai":
            return crowdai.check_crowdai(path, None if template is None else crowdai.read_images(template))
        if contest == "spacenet":
            return spacenet.check_spacenet(path, None if template is None else spacenet.read_ids(template))
        if contest == "inria":
            return inria.check_inria(path)
        if contest == "isprs":
            return isprs.check_isprs(path, _colors(), _tiles())
        extents = None if config.grid_sizes is None else dstl.read_extents(Path(config.grid_sizes))
        return dstl.check_dstl(path, extents, None if template is None else dstl.read_template(template))

    return check


def _classes() -> dict[str, int]:
    """Give the numbers of the classes of DSTL by name."""
    legend = find_format("dstl").legend
    assert legend is not None  # the layout describes it
    return {c.name: c.code for c in legend.classes if c.code}


def class_names() -> dict[int, str]:
    """Give the names of the classes of DSTL by number."""
    return {number: name for name, number in _classes().items()}


def _colors() -> dict[str, Color]:
    legend = find_format("potsdam").legend
    assert legend is not None  # the layout describes it
    return {c.name: c.color for c in legend.classes}


def _tiles() -> list[str]:
    """Give the names of the pictures of all test tiles of ISPRS."""
    potsdam = [f"top_potsdam_{tile}_class.tif" for tile in find_format("potsdam").splits["test"]]
    return potsdam + [f"top_mosaic_09cm_{area}_class.tif" for area in find_format("vaihingen").splits["test"]]
