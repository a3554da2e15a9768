"""Catalog and legend to chips: pixels, band statistics and splits that do not leak.

Three passes: every scene is opened and compared with the others; every window is given its split; then the chips
are cut, scene by scene, so that a stopped run goes on after its last whole scene.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.config.prepare import PrepareConfig
from hectares.core.bands import BandPlan, BandStats
from hectares.core.chip_plan import Leaks, Plan, PlannedChip, SceneOutline, SplitRule, find_leaks, plan_chips
from hectares.core.examples import choose_examples
from hectares.core.indices import split_indices
from hectares.core.legend import IGNORE
from hectares.core.sampling import SPLITS
from hectares.core.window import Window, chip_windows
from hectares.errors import CatalogError, ConfigError
from hectares.formats.listing import refuse_among_data
from hectares.formats.registry import find_format
from hectares.io.artefact import dump_json, fingerprint, save_json, sha256_file, stamp
from hectares.io.catalog import Catalog, catalog_json
from hectares.io.chips.copies import settle_copies, shared_images
from hectares.io.chips.cutting import CuttingRule, SceneCutter, named_bands
from hectares.io.chips.frames import ChipShape
from hectares.io.chips.index import ChipRecord
from hectares.io.chips.scene_facts import SceneFacts, check_scenes
from hectares.io.chips.store import KIND, ChipStore, open_chips
from hectares.io.chips.tally import ChipTally
from hectares.io.chips.writer import ChipWriter
from hectares.io.outputs import resumable_folder
from hectares.io.scene_contract import hash_scene
from hectares.io.split_lists import read_splits
from hectares.monitor import QUIET, Monitor, Problem, track
from hectares.view.class_chart import draw_class_shares
from hectares.view.label_sheet import LabelExample, draw_examples

_EXAMPLES = 8
_M2_PER_HA = 1e4
_SHOWN = 3


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
    if config.align:
        if layout != "dstl":
            raise ConfigError(f"--align measures shifts between the images of dstl; the layout {layout} has none")
        from hectares.formats.dstl import measure_shifts

        measure_shifts(source, find_format(layout), config, monitor)
    catalog = find_format(layout).read(source, replace(config, limit=None), monitor)  # cut below, with its splits
    refuse_among_data(out, source, catalog)
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
    return prepare_source("catalog", Path(catalog), Path(out), config, overwrite=overwrite, monitor=monitor)


def prepare_catalog(
    catalog: Catalog, out: Path, config: PrepareConfig, *, overwrite: bool = False, monitor: Monitor = QUIET
) -> ChipStore:
    """Cut chips, count classes, measure band statistics on the training pixels, and store all in a folder.

    Every scene is checked before the first chip is cut. Memory is that of one chip. A run that was stopped goes
    on when it is repeated. Raises CatalogError, GridError, BandError or LegendError naming what does not fit.
    """
    names = config.names
    catalog = replace(
        catalog,
        scenes=tuple(named_bands(s, names) for s in catalog.scenes),
        rules=replace(catalog.rules, multilabel=catalog.rules.multilabel or config.multilabel),
    )
    if config.split not in {"auto", "official", "group", "block", "kfold", "ratio", "counts"}:
        catalog = read_splits(Path(config.split), catalog)
    catalog = catalog.first(config.limit)
    rule = CuttingRule(_band_plan(config), config.edge, config.resize_px, catalog.rules.multilabel)
    facts = check_scenes(catalog, rule, monitor)
    images = {f.path for s in catalog.scenes for f in s.images}
    inputs = {s.id: hash_scene([f.path for f in s.images]) for s in track(catalog.scenes, monitor, "hashing scenes")}
    labels = fingerprint([sha256_file(p) for p in sorted({p for s in catalog.scenes for p in s.files} - images)])
    head = stamp(KIND, config=config.settings(), inputs=inputs) | {
        "labels_sha256": labels,
        "legend": catalog.legend.to_json(),
        "rules": asdict(catalog.rules),
        "scenes_sha256": _fingerprint_scenes(catalog),
    }
    protected = [path for s in catalog.scenes for path in s.files]
    protected += [p for p in (config.legend, config.aoi, Path(config.split)) if p is not None and p.exists()]
    with resumable_folder(out, dump_json(head), overwrite=overwrite, inputs=protected, ours="chips.json") as work:
        plan = settle_copies(catalog, inputs, _plan(catalog, facts, config, rule, monitor), config.copies, monitor)
        leaks = asdict(_report_leaks(plan, monitor))
        leaks["shared_images"] = shared_images(catalog, plan)
        content = _cut(catalog, facts, plan, config, rule, work, monitor)
        final = out.resolve()
        for name, record in (("legend", catalog.legend.to_json()), ("catalog", catalog_json(catalog, final))):
            save_json(work / f"{name}.json", record)
            content["files"][f"{name}.json"] = sha256_file(work / f"{name}.json")
        content = head | content | {"leaks": leaks}
        save_json(work / "chips.json", content)
        _draw(ChipStore(work, content, catalog.legend, BandStats.from_json(content["stats"])), monitor)
    return open_chips(out)


def _draw(store: ChipStore, monitor: Monitor) -> None:
    """Draw what to look at before training: how much there is of each class, and examples with their labels."""
    monitor.progress("drawing", 0, 1)
    pixels = {s: list(n.values()) for s, n in store.content["class_pixels"].items() if store.counts[s]}
    to_ha = None if store.gsd_m is None else store.gsd_m**2 / _M2_PER_HA
    area = None if to_ha is None else {s: [p * to_ha for p in n] for s, n in pixels.items()}
    draw_class_shares(pixels, store.legend, store.folder / "classes.png", area, labelled_px=store.labelled_px)
    reader, records = store.chips("train"), store.records("train")
    examples = []
    for n in choose_examples(store.class_counts("train"), _EXAMPLES):
        chip, w = reader.read(n), records[n].window
        place = f"row {w.row}, col {w.col}"
        examples.append(LabelExample(records[n].scene, place, chip.image, chip.valid, chip.label))
    draw_examples(examples, store.legend, store.stats.names, store.folder / "examples.png")
    monitor.progress("drawing", 1, 1)


def _fingerprint_scenes(catalog: Catalog) -> str:
    """Give one hash for what a catalog says of its scenes, wherever their files lie."""
    named = ((s, [replace(f, path=Path(f.path.name)) for f in s.images]) for s in catalog.scenes)
    return fingerprint([[s.id, s.group, s.split, s.gsd_m, [asdict(f) for f in files]] for s, files in named])


def _band_plan(config: PrepareConfig) -> BandPlan:
    return BandPlan(config.bands, split_indices(config.indices or ""), config.reflectance_scale, config.harmonize)


# --- Plan -------------------------------------------------------------------------------------------------


def _plan(
    catalog: Catalog, facts: Sequence[SceneFacts], config: PrepareConfig, rule: CuttingRule, monitor: Monitor
) -> Plan:
    """Give the windows of each scene, each with its split."""
    stride = config.stride_px or config.chip_px
    windows = [chip_windows(f.shape, chip_px=config.chip_px, stride_px=stride, edge=config.edge) for f in facts]
    scenes = [SceneOutline(s.id, s.group, f.shape, s.split) for s, f in zip(catalog.scenes, facts, strict=True)]
    splitting = _split_rule(catalog, config, monitor)
    if splitting.kind == "group" and config.split == "auto" and _partly_official(catalog):
        named = sum(s.split is not None for s in catalog.scenes)
        what = f"only {named} of {len(catalog.scenes)} scenes have a split in the source"
        monitor.problem(Problem("split", what, "all are split by group; name the others, or give --split"))

    def class_counts() -> NDArray[Any]:
        return _count_classes(catalog, windows, rule, monitor)

    plan = plan_chips(scenes, windows, splitting, class_counts)
    left_out = sum(map(len, windows)) - sum(map(len, plan))
    if left_out and splitting.kind in {"block", "kfold"}:
        why = "cross a border of blocks or lie in the buffer" if config.buffer_px else "cross a border of blocks"
        remedy = "they are left out; a --block-px that is a multiple of chips loses fewest"
        monitor.problem(Problem("chips", f"{left_out} chip(s) {why}", remedy))
    return plan


def _partly_official(catalog: Catalog) -> bool:
    return any(s.split for s in catalog.scenes) and not all(s.split for s in catalog.scenes)


def _split_rule(catalog: Catalog, config: PrepareConfig, monitor: Monitor) -> SplitRule:
    """Resolve `auto`: what the source says, else whole groups, else blocks within scenes."""
    groups = len({s.group for s in catalog.scenes})
    shares = {k: v for k, v in config.shares.items() if v > 0}
    rule = SplitRule(
        "group",
        shares=config.shares,
        counts=config.chip_counts,
        block_px=config.block_px or 4 * config.chip_px,
        buffer_px=config.buffer_px,
        folds=config.folds,
        fold=config.fold,
        stratify=config.stratify,
        seed=config.seed,
    )
    if config.split == "auto":
        if all(s.split for s in catalog.scenes):
            config.refuse_idle("official", "; the source has splits of its own: drop the option, or choose a --split")
            return replace(rule, kind="official")
        if groups >= max(len(shares), 2):
            config.refuse_idle("group", f"; the {groups} groups of the source are split: choose --split block")
            return rule
        return replace(rule, kind="block")
    if config.split == "kfold":  # whole groups where there are enough of them, else blocks
        if groups < config.folds:
            what = f"{groups} group(s) are too few for {config.folds} folds"
            monitor.problem(
                Problem("split", what, "blocks within scenes are dealt out instead; --buffer-px parts them")
            )
        elif config.block_px or config.buffer_px:
            option = "--block-px" if config.block_px else "--buffer-px"
            raise ConfigError(f"{option} has no effect: the {groups} groups of the source are dealt into folds whole")
        return replace(rule, kind="kfold", block_px=0 if groups >= config.folds else rule.block_px)
    known = {"official", "group", "block", "ratio", "counts"}
    return replace(rule, kind=config.split if config.split in known else "named")  # type: ignore[arg-type]


def _count_classes(
    catalog: Catalog, windows: Sequence[Sequence[Window]], rule: CuttingRule, monitor: Monitor
) -> NDArray[Any]:
    """Read all labels once, for a split that looks at classes; (N, K)."""
    counts = []
    for scene, ws in track(list(zip(catalog.scenes, windows, strict=True)), monitor, "counting classes"):
        with SceneCutter(scene, catalog, rule) as cutter:
            for window in ws:
                label = cutter.cut_label(window)
                if label.ndim == 3:
                    counts.append((label == 1).sum(axis=(1, 2)))
                else:
                    counts.append(np.bincount(label.ravel(), minlength=256)[: len(catalog.legend)])
    return np.array(counts).reshape(-1, len(catalog.legend))


def _report_leaks(plan: Plan, monitor: Monitor) -> Leaks:
    """Warn of neighbors that meet across splits."""
    leaks = find_leaks(plan)
    if leaks.overlapping:
        what = f"{leaks.overlapping} chip(s) share pixels with a chip of another split"
        monitor.problem(Problem("split", what, "scores on them are scores on training pixels; use --split block"))
    elif leaks.shared_groups:
        groups = leaks.shared_groups
        shown = ", ".join(groups[:_SHOWN]) + (", ..." if len(groups) > _SHOWN else "")
        what = f"{len(groups)} group(s) have chips in several splits ({shown}): neighbors leak"
        monitor.problem(Problem("split", what, "scores will be better than on new places; use --split group or block"))
    return leaks


# --- Cut --------------------------------------------------------------------------------------------------


def _cut(
    catalog: Catalog,
    facts: Sequence[SceneFacts],
    plan: Plan,
    config: PrepareConfig,
    rule: CuttingRule,
    work: Path,
    monitor: Monitor,
) -> dict[str, Any]:
    first, legend = facts[0], catalog.legend
    square = (config.chip_px, config.chip_px)
    label_shape = (len(legend), *square) if rule.multilabel else square
    shape = ChipShape((len(first.bands), *square), np.dtype(first.dtype), label_shape, config.store)
    tally = ChipTally(first.bands, by_scene=config.scaling == "scene-percentile", skips=config.skip_bad)
    with ChipWriter(work, shape, len(legend)) as writer:
        _take_up(writer, tally, monitor)
        todo = [(s, p) for s, p in zip(catalog.scenes, plan, strict=True) if s.id not in set(writer.done)]
        for scene, planned in track(todo, monitor, "cutting chips"):
            with SceneCutter(scene, catalog, rule) as cutter:
                remarks = tally.remarks_of(cutter, _cut_scene(cutter, planned, writer, tally, config))
            tally.take(scene.id, remarks, monitor)
            writer.commit(scene.id, dump_json(remarks))
        tally.report(monitor)
        counts = {split: sum(r.split == split for r in writer.records) for split in SPLITS}
        pixels = {split: writer.class_counts(split).sum(axis=0, dtype=np.int64) for split in SPLITS}
        digest = fingerprint([[r.split, r.number, r.sha256] for r in writer.records])
        files = writer.finish()
    expected = {split for split, share in config.shares.items() if share > 0}
    if all(s.split for s in catalog.scenes):  # the source has the splits it has, but training needs two
        expected &= {"val", *(s.split for s in catalog.scenes)}
    _complain(counts, expected, pixels, tally.skipped, catalog, monitor)
    known_gsd = [f.gsd_m for f in facts if f.gsd_m is not None]
    return {
        "bands": first.bands,
        "dtype": first.dtype,
        "depths": first.depths,
        "chip_px": config.chip_px,
        "multilabel": rule.multilabel,
        "packing": config.store,
        "cutting": rule.to_json(),
        "gsd_m": float(np.median(known_gsd)) if known_gsd else None,
        "stats": tally.stats.result().to_json(),
        "scaling": config.scaling,
        "scene_ranges": tally.ranges,
        "counts": counts,
        "class_pixels": {split: dict(zip(legend.names, n, strict=True)) for split, n in pixels.items()},
        "skipped": dict(tally.skipped),
        "files": files,
        "fingerprint": digest,
    }


def _cut_scene(
    cutter: SceneCutter, planned: Sequence[PlannedChip], writer: ChipWriter, tally: ChipTally, config: PrepareConfig
) -> Counter[str]:
    """Cut the chips of a scene; gives how many were left out, by reason."""
    skipped = Counter[str]()
    chips = cutter.cut_all([item.window for item in planned])
    for item, chip in zip(planned, chips, strict=True):
        known = (chip.label != IGNORE).any(axis=0) if chip.label.ndim == 3 else chip.label != IGNORE
        labelled = int(known.sum())
        why = ""
        if labelled == 0 or labelled < config.min_labelled * known.size:
            why = "unlabelled" if labelled == 0 else "mostly unlabelled"
        elif (~chip.valid).sum() > config.max_nodata * known.size:
            why = "mostly nodata"
        if why:
            skipped[why] += 1
            continue
        tally.add(item.split, chip)
        writer.append(ChipRecord(item.split, -1, cutter.scene.id, item.window, item.group, labelled, item.room), chip)
    return skipped


def _take_up(writer: ChipWriter, tally: ChipTally, monitor: Monitor) -> None:
    """Count again what an earlier run has cut, and say again what it had to say."""
    for record, chip in writer.resume():
        tally.add(record.split, chip)
    for scene, remarks in zip(writer.done, writer.remarks, strict=True):
        tally.take(scene, json.loads(remarks), monitor)


def _complain(
    counts: Mapping[str, int],
    expected: set[str],
    pixels: Mapping[str, NDArray[np.int64]],
    skipped: Counter[str],
    catalog: Catalog,
    monitor: Monitor,
) -> None:
    """Say what will hurt later: no chips, missing splits, classes that are nowhere in training."""
    if not counts["train"]:
        why = ", ".join(f"{n} {what}" for what, n in skipped.items()) or "no window lies in the training split"
        raise CatalogError(f"there is no training chip ({why}); check nodata, the legend, the labels and the split")
    for split in sorted(expected - {"train"}):
        if not counts[split]:
            what = f"the split {split!r} has no chips"
            remedy = "scores on it will not be possible" if split == "test" else "training chooses its best epoch on it"
            monitor.problem(Problem("chips", what, f"{remedy}; choose another --split"))
    totals = np.sum(list(pixels.values()), axis=0)
    absent = [n for n, total in zip(catalog.legend.names, totals, strict=True) if not total]
    untrained = [n for n, t, p in zip(catalog.legend.names, totals, pixels["train"], strict=True) if t and not p]
    if absent:
        what = f"{len(absent)} class(es) have no pixel in any chip: {', '.join(absent)}"
        monitor.problem(Problem("chips", what, "they cannot be learned; a --legend without them leaves them out"))
    if untrained:
        what = f"{len(untrained)} class(es) have no pixel in the training split: {', '.join(untrained)}"
        monitor.problem(Problem("chips", what, "they cannot be learned; choose another --split or --seed"))
    for why, number in skipped.items():
        monitor.problem(Problem("chips", f"{number} chip(s) are {why}", "they are left out"))
