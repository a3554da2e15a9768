"""Catalog and legend to chips: pixels, band statistics and splits that do not leak."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.config.prepare import PrepareConfig
from hectares.core.bands import BandStatsCounter
from hectares.core.grid import same_grid
from hectares.core.legend import IGNORE
from hectares.core.sampling import SPLITS, block_of, split_groups
from hectares.core.scene import Chip
from hectares.core.window import Window, chip_windows
from hectares.errors import BandError, CatalogError, GridError, InputError
from hectares.formats.registry import find_format
from hectares.io.artefact import dump_json, fingerprint, save_csv, sha256_file, stamp
from hectares.io.catalog import Catalog, CatalogScene, catalog_json, read_catalog, read_legend
from hectares.io.chips import INDEX_COLUMNS, KIND, ChipRecord, ChipStore, ChipWriter, open_chips
from hectares.io.labels import LabelFile
from hectares.io.outputs import staged_folder
from hectares.io.raster import RasterFile, open_raster
from hectares.monitor import QUIET, Monitor, Problem, track

_SHOWN = 20


def prepare_source(
    layout: str,
    source: Path,
    out: Path,
    config: PrepareConfig,
    *,
    overwrite: bool = False,
    monitor: Monitor = QUIET,
) -> ChipStore:
    """Cut chips from a data set in a known layout; see `hectares formats`."""
    reader = find_format(layout).reader()
    legend = None if config.legend is None else read_legend(config.legend)
    catalog = reader(source, legend=legend, allow_unmatched=config.allow_unmatched, monitor=monitor)
    return prepare_catalog(catalog, out, config, overwrite=overwrite, monitor=monitor)


def prepare_chips(
    catalog: str | Path,
    out: str | Path,
    config: PrepareConfig,
    *,
    overwrite: bool = False,
    monitor: Monitor = QUIET,
) -> ChipStore:
    """Cut chips from the scenes of a `catalog.json`."""
    return prepare_catalog(read_catalog(Path(catalog)), Path(out), config, overwrite=overwrite, monitor=monitor)


def prepare_catalog(
    catalog: Catalog, out: Path, config: PrepareConfig, *, overwrite: bool = False, monitor: Monitor = QUIET
) -> ChipStore:
    """Cut chips, count classes, measure band statistics on the training pixels, and store all in a folder.

    Every scene is checked before the first chip is cut. Memory is that of one chip.
    Raises CatalogError, GridError, BandError or LegendError naming the scenes that do not fit.
    """
    catalog = replace(catalog, scenes=catalog.scenes[: config.limit])
    facts = check_scenes(catalog, config, monitor)
    plan = _plan_windows(catalog, facts, config, monitor)
    inputs = [path for s in catalog.scenes for path in (s.image, s.label) if path is not None]
    with staged_folder(out, overwrite=overwrite, inputs=inputs, ours="chips.json") as work:
        content = _cut(catalog, facts, plan, config, work, monitor)
        final = out.resolve()
        (work / "legend.json").write_text(dump_json(catalog.legend.to_json(), indent=1) + "\n")
        (work / "catalog.json").write_text(dump_json(catalog_json(catalog, final), indent=1) + "\n")
        (work / "chips.json").write_text(dump_json(content, indent=1) + "\n")
    return open_chips(out)


@dataclass(frozen=True, slots=True)
class _SceneFacts:
    """What the check of a scene found."""

    shape: tuple[int, int]
    bands: tuple[str, ...]
    dtype: str
    gsd_m: float | None


# --- Check ------------------------------------------------------------------------------------------------


def check_scenes(catalog: Catalog, config: PrepareConfig, monitor: Monitor) -> list[_SceneFacts]:
    """Open every scene and label and compare them, before hours of work; raise one error for all that is wrong."""
    facts: list[_SceneFacts] = []
    wrong: list[InputError] = []
    for scene in track(catalog.scenes, monitor, "checking scenes"):
        try:
            facts.append(_check_scene(scene, catalog, config))
        except InputError as error:
            wrong.append(error)
    if wrong:
        listed = "\n".join(str(e) for e in wrong[:_SHOWN])
        more = f"\n... and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise (wrong[0] if len(wrong) == 1 else CatalogError(f"{len(wrong)} scenes cannot be used:\n{listed}{more}"))
    first = facts[0]
    for scene, fact in zip(catalog.scenes, facts, strict=True):
        if (fact.bands, fact.dtype) != (first.bands, first.dtype):
            raise BandError(
                f"{scene.image}: has {len(fact.bands)} bands of {fact.dtype} ({', '.join(fact.bands)}), but "
                f"{catalog.scenes[0].image} has {len(first.bands)} of {first.dtype} ({', '.join(first.bands)}); "
                "choose bands that all scenes have with --bands"
            )
    _compare_gsd(catalog, facts, monitor)
    return facts


def _check_scene(scene: CatalogScene, catalog: Catalog, config: PrepareConfig) -> _SceneFacts:
    if scene.label is None:
        raise CatalogError(f"{scene.image}: has no label; training needs one for every scene")
    label = LabelFile(scene.label, catalog.legend, by=config.label_by)
    label.close()
    with _open_image(scene, config) as image:
        grid = image.grid
        if label.grid.shape != grid.shape:
            raise GridError(
                f"{scene.label}: is {label.grid.shape[0]} x {label.grid.shape[1]} px, its image {scene.image.name} "
                f"is {grid.shape[0]} x {grid.shape[1]}; bring the label onto the grid of the image"
            )
        if grid.is_georeferenced and label.grid.is_georeferenced and not same_grid(grid, label.grid):
            raise GridError(
                f"{scene.label}: lies elsewhere than its image {scene.image.name} ({label.grid.crs} "
                f"{label.grid.bounds} against {grid.crs} {grid.bounds}); bring the label onto the grid of the image"
            )
        gsd = sum(grid.gsd) / 2 if grid.is_georeferenced else None
        return _SceneFacts(grid.shape, image.bands, image.facts.dtype, gsd)


def _compare_gsd(catalog: Catalog, facts: Sequence[_SceneFacts], monitor: Monitor) -> None:
    known = [(f.gsd_m, s) for f, s in zip(facts, catalog.scenes, strict=True) if f.gsd_m is not None]
    if not known:
        return
    (low, finest), (high, coarsest) = min(known, key=lambda k: k[0]), max(known, key=lambda k: k[0])
    if high > 1.25 * low:
        what = f"has pixels of {high:.3g} m, {finest.image.name} of {low:.3g} m"
        remedy = "the network learns both sizes; resample the scenes if that is not meant"
        monitor.problem(Problem(str(coarsest.image), what, remedy))


def _open_image(scene: CatalogScene, config: PrepareConfig) -> RasterFile:
    names = None if config.band_names is None else [n.strip() for n in config.band_names.split(",")]
    return open_raster(scene.image, bands=config.bands, names=names)


# --- Split ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Planned:
    """A window of a scene and the split it belongs to."""

    window: Window
    split: str
    group: str


def _plan_windows(
    catalog: Catalog, facts: Sequence[_SceneFacts], config: PrepareConfig, monitor: Monitor
) -> list[list[_Planned]]:
    """Give the windows of each scene, each with its split."""
    stride = config.stride_px or config.chip_px
    windows = [chip_windows(f.shape, chip_px=config.chip_px, stride_px=stride, edge=config.edge) for f in facts]
    kind = _split_kind(catalog, config)
    if kind == "block":
        planned = _split_blocks(catalog, facts, windows, config)
        crossing = sum(map(len, windows)) - sum(map(len, planned))
        if crossing:
            what = f"{crossing} chip(s) cross a border of blocks"
            monitor.problem(
                Problem("chips", what, "they are left out; a --block-px that is a multiple of chips avoids it")
            )
        return planned
    splits = _split_scenes(catalog, config, kind)
    return [
        [_Planned(w, split, scene.group) for w in ws]
        for scene, split, ws in zip(catalog.scenes, splits, windows, strict=True)
    ]


def _split_kind(catalog: Catalog, config: PrepareConfig) -> str:
    """Resolve `auto`: what the source says, else whole groups, else blocks within scenes."""
    if config.split != "auto":
        return config.split
    if all(s.split for s in catalog.scenes):
        return "official"
    return "group" if len({s.group for s in catalog.scenes}) >= 3 else "block"


def _split_scenes(catalog: Catalog, config: PrepareConfig, kind: str) -> list[str]:
    if kind == "official":
        lacking = [s.id for s in catalog.scenes if s.split is None]
        if lacking:
            raise CatalogError(f"scene {lacking[0]!r} has no split in the source; use --split group or a CSV")
        return [s.split for s in catalog.scenes if s.split]
    if kind == "group":
        return split_groups([s.group for s in catalog.scenes], _fractions(config), config.seed)
    return _splits_from_csv(Path(kind), catalog)


def _fractions(config: PrepareConfig) -> dict[str, float]:
    rest = 1 - config.val_share - config.test_share
    return {"train": rest, "val": config.val_share, "test": config.test_share}


def _splits_from_csv(path: Path, catalog: Catalog) -> list[str]:
    """Splits from a CSV with the columns scene or group, and split."""
    if not path.is_file():
        raise CatalogError(f"{path}: there is no such split file")
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        columns = set(reader.fieldnames or ())
        rows = list(reader)
    key = "scene" if "scene" in columns else "group"
    if not {key, "split"} <= columns:
        raise CatalogError(f"{path}: has the columns {', '.join(sorted(columns))}; expected scene (or group) and split")
    given = {row[key].strip(): row["split"].strip() for row in rows}
    bad = [(name, split) for name, split in given.items() if split not in SPLITS]
    if bad:
        raise CatalogError(f"{path}: {key} {bad[0][0]!r} has split {bad[0][1]!r}; expected {', '.join(SPLITS)}")
    names = [s.id if key == "scene" else s.group for s in catalog.scenes]
    lacking = sorted({n for n in names if n not in given})
    if lacking:
        raise CatalogError(f"{path}: names no split for {key} {', '.join(lacking[:5])}")
    return [given[n] for n in names]


def _split_blocks(
    catalog: Catalog, facts: Sequence[_SceneFacts], windows: list[list[Window]], config: PrepareConfig
) -> list[list[_Planned]]:
    """Cut scenes into square blocks and give whole blocks to the splits; chips across a border are left out."""
    block_px = config.block_px or 4 * config.chip_px
    keys: dict[str, None] = {}
    placed: list[list[tuple[Window, str]]] = []
    for scene, ws in zip(catalog.scenes, windows, strict=True):
        inside = [(w, block_of(w, block_px)) for w in ws]
        named = [(w, f"{scene.id}@{b[0]},{b[1]}") for w, b in inside if b is not None]
        keys |= dict.fromkeys(name for _, name in named)
        placed.append(named)
    if len(keys) < sum(share > 0 for share in _fractions(config).values()):
        raise CatalogError(
            f"{len(catalog.scenes)} scene(s) of up to {max(max(f.shape) for f in facts)} px give only {len(keys)} "
            f"block(s) of {block_px} px; give a smaller --block-px (at least --chip-px)"
        )
    blocks = [name for named in placed for _, name in named]
    split_of = dict(zip(blocks, split_groups(blocks, _fractions(config), config.seed), strict=True))
    return [[_Planned(w, split_of[name], name) for w, name in named] for named in placed]


# --- Cut --------------------------------------------------------------------------------------------------


def _cut(
    catalog: Catalog,
    facts: Sequence[_SceneFacts],
    plan: Sequence[Sequence[_Planned]],
    config: PrepareConfig,
    work: Path,
    monitor: Monitor,
) -> dict[str, Any]:
    inputs = {s.id: sha256_file(s.image) for s in catalog.scenes}
    _refuse_copies(inputs, plan)
    first = facts[0]
    counter = BandStatsCounter(first.bands)
    pixels = {split: np.zeros(len(catalog.legend), np.int64) for split in SPLITS}
    records: list[ChipRecord] = []
    skipped = Counter[str]()
    with ExitStack() as stack:
        writers = {
            split: stack.enter_context(
                ChipWriter(work / split, bands=len(first.bands), chip_px=config.chip_px, dtype=np.dtype(first.dtype))
            )
            for split in sorted({p.split for planned in plan for p in planned})
        }
        for scene, planned in track(list(zip(catalog.scenes, plan, strict=True)), monitor, "cutting chips"):
            for item, chip, label in _read_scene(scene, catalog, config, planned):
                labelled = int((label != IGNORE).sum())
                if labelled == 0 or labelled < config.min_labelled * label.size:
                    skipped["unlabelled" if labelled == 0 else "mostly unlabelled"] += 1
                    continue
                pixels[item.split] += np.bincount(label.ravel(), minlength=256)[: len(catalog.legend)]
                if item.split == "train":
                    counter.add(chip.image, chip.valid)
                number = writers[item.split].count
                writers[item.split].append(chip, label)
                records.append(ChipRecord(item.split, number, scene.id, item.window, item.group, labelled))
    save_csv(work / "index.csv", INDEX_COLUMNS, (r.row for r in records))
    counts = {split: sum(r.split == split for r in records) for split in SPLITS}
    expected = {split for split, share in _fractions(config).items() if share > 0}
    _complain(counts, expected, pixels, skipped, catalog, monitor)
    files = {p.relative_to(work).as_posix(): sha256_file(p) for p in sorted(work.rglob("*.npy"))}
    known_gsd = [f.gsd_m for f in facts if f.gsd_m is not None]
    return {
        **stamp(KIND, config=asdict(config), inputs=inputs),
        "bands": first.bands,
        "dtype": first.dtype,
        "chip_px": config.chip_px,
        "gsd_m": float(np.median(known_gsd)) if known_gsd else None,
        "legend": catalog.legend.to_json(),
        "stats": counter.result().to_json(),
        "counts": counts,
        "class_pixels": {split: dict(zip(catalog.legend.names, n, strict=True)) for split, n in pixels.items()},
        "skipped": dict(skipped),
        "files": files,
        "fingerprint": fingerprint(files),
    }


def _refuse_copies(inputs: Mapping[str, str], plan: Sequence[Sequence[_Planned]]) -> None:
    """Refuse one image under two names in two splits: scores on it would be scores on training pixels."""
    seen: dict[str, tuple[str, set[str]]] = {}
    for (scene, digest), planned in zip(inputs.items(), plan, strict=True):
        splits = {p.split for p in planned}
        earlier, others = seen.setdefault(digest, (scene, splits))
        if earlier != scene and len(splits | others) > 1:
            raise CatalogError(
                f"scenes {earlier!r} and {scene!r} are the same image in the splits "
                f"{', '.join(sorted(splits | others))}; put them into one group, or remove one"
            )


def _read_scene(
    scene: CatalogScene, catalog: Catalog, config: PrepareConfig, planned: Sequence[_Planned]
) -> Iterator[tuple[_Planned, Chip, NDArray[np.uint8]]]:
    """Read the chips of a scene with their labels; a pixel that was not observed has no label."""
    assert scene.label is not None  # checked by check_scenes
    label_file = LabelFile(scene.label, catalog.legend, by=config.label_by, nearest=config.nearest)
    image: RasterFile
    with _open_image(scene, config) as image:
        for item in planned:
            chip = image.read(item.window)
            label = label_file.read(item.window)
            label[~chip.valid] = IGNORE
            yield item, chip, label
    label_file.close()


def _complain(
    counts: dict[str, int],
    expected: set[str],
    pixels: dict[str, NDArray[np.int64]],
    skipped: Counter[str],
    catalog: Catalog,
    monitor: Monitor,
) -> None:
    """Say what will hurt later: no chips, missing splits, classes that are nowhere in training."""
    if not counts["train"]:
        raise CatalogError("no training chip has a labelled pixel; check the legend, the labels and the split")
    for split in sorted(expected - {"train"}):
        if not counts[split]:
            what = f"the split {split!r} has no chips"
            monitor.problem(Problem("chips", what, "scores on it will not be possible; choose another --split"))
    for name, seen in zip(catalog.legend.names, pixels["train"], strict=True):
        if not seen:
            what = f"class {name!r} has no pixel in the training split"
            monitor.problem(Problem("chips", what, "it cannot be learned; choose another --split or --seed"))
    for why, number in skipped.items():
        monitor.problem(Problem("chips", f"{number} chip(s) are {why}", "they are left out"))
