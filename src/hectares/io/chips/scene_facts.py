"""What the scenes of a catalog are, and whether they fit each other: opened once, before hours of work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hectares.core.grid import same_grid
from hectares.errors import BandError, CatalogError, GridError, InputError
from hectares.io.catalog import Catalog, CatalogScene
from hectares.io.chips.cutting import CuttingRule, SceneCutter
from hectares.monitor import Monitor, Problem, track

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class SceneFacts:
    """What the check of a scene found."""

    shape: tuple[int, int]
    bands: tuple[str, ...]
    dtype: str
    gsd_m: float | None
    depths: tuple[int | None, ...]
    """Bits that the values of each band use, None for floats."""


def check_scenes(catalog: Catalog, rule: CuttingRule, monitor: Monitor) -> list[SceneFacts]:
    """Open every scene and label and compare them, before hours of work; raise one error for all that is wrong."""
    facts: list[SceneFacts] = []
    wrong: list[InputError] = []
    for scene in track(catalog.scenes, monitor, "checking scenes"):
        try:
            facts.append(_check_scene(scene, catalog, rule))
        except InputError as error:
            wrong.append(error)
    if wrong:
        said = [f"{error}{again}" for error, again in _said_once(wrong)]
        listed = "\n".join(said[:_SHOWN])
        more = f"\n... and {len(said) - _SHOWN} more" if len(said) > _SHOWN else ""
        raise (wrong[0] if len(wrong) == 1 else CatalogError(f"{len(wrong)} scenes cannot be used:\n{listed}{more}"))
    first = facts[0]
    for scene, fact in zip(catalog.scenes, facts, strict=True):
        if (fact.bands, fact.dtype) != (first.bands, first.dtype):
            raise BandError(
                f"{scene.image}: has {len(fact.bands)} bands of {fact.dtype} ({', '.join(fact.bands)}), but "
                f"{catalog.scenes[0].image} has {len(first.bands)} of {first.dtype} ({', '.join(first.bands)}); "
                "choose bands that all scenes have with --bands"
            )
        if fact.depths != first.depths:
            raise BandError(
                f"{scene.image}: uses {_depths(fact)} bits a value, {catalog.scenes[0].image} {_depths(first)}; "
                "give all scenes of a catalog the same depth"
            )
    _compare_gsd(catalog, facts, monitor)
    return facts


def _said_once(wrong: Sequence[InputError]) -> list[tuple[InputError, str]]:
    """Give the first of errors that say the same of different files, and how many more there are."""
    same: dict[str, list[InputError]] = {}
    for error in wrong:
        same.setdefault(str(error).partition(": ")[2], []).append(error)
    return [(e[0], f" (and {len(e) - 1} more scenes alike)" if len(e) > 1 else "") for e in same.values()]


def _depths(fact: SceneFacts) -> str:
    return ", ".join("no" if d is None else str(d) for d in fact.depths)


def _check_scene(scene: CatalogScene, catalog: Catalog, rule: CuttingRule) -> SceneFacts:
    if scene.label is None:
        raise CatalogError(f"{scene.image}: has no label; training needs one for every scene")
    with SceneCutter(scene, catalog, rule) as cutter:
        _compare_grids(scene, cutter)
        return SceneFacts(
            cutter.grid.shape,
            cutter.image.bands,
            cutter.dtype.name,
            cutter.gsd_m,
            cutter.image.depths,
        )


def _compare_grids(scene: CatalogScene, cutter: SceneCutter) -> None:
    grid, label_grid = cutter.image.grid, cutter.label.grid if cutter.label else None
    if label_grid is None or scene.label is None:
        return
    if label_grid.shape != grid.shape:
        raise GridError(
            f"{scene.label.path}: is {label_grid.shape[0]} x {label_grid.shape[1]} px, its image {scene.image.name} "
            f"is {grid.shape[0]} x {grid.shape[1]}; bring the label onto the grid of the image"
        )
    if grid.is_georeferenced and label_grid.is_georeferenced and not same_grid(grid, label_grid):
        raise GridError(
            f"{scene.label.path}: lies elsewhere than its image {scene.image.name} ({label_grid.crs} "
            f"{label_grid.bounds} against {grid.crs} {grid.bounds}); bring the label onto the grid of the image"
        )


def _compare_gsd(catalog: Catalog, facts: Sequence[SceneFacts], monitor: Monitor) -> None:
    known = [(f.gsd_m, s) for f, s in zip(facts, catalog.scenes, strict=True) if f.gsd_m is not None]
    if not known:
        return
    (low, finest), (high, coarsest) = min(known, key=lambda k: k[0]), max(known, key=lambda k: k[0])
    if high > 1.25 * low:
        what = f"has pixels of {high:.3g} m, {finest.image.name} of {low:.3g} m"
        remedy = "the network learns both sizes; resample the scenes if that is not meant"
        monitor.problem(Problem(str(coarsest.image), what, remedy))
