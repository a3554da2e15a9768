"""The commands of the chain, in its order: one function each, its docstring is its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.table import Table

from hectares.cli.console import ConsoleMonitor, format_percent, next_step, table
from hectares.cli.help_groups import option_of, options_of
from hectares.cli.launching import Cluster, scene_orders, share_out, share_with_cluster
from hectares.cli.mosaicking import run_mosaic
from hectares.cli.options import Writing
from hectares.cli.running import OPTIONS, Outcome, keep_memory, run_verb
from hectares.config.evaluate import EvaluateConfig
from hectares.config.measure import MeasureConfig
from hectares.config.mosaic import MosaicConfig
from hectares.config.predict import PredictConfig
from hectares.config.prepare import PrepareConfig
from hectares.config.report import ReportConfig
from hectares.config.train import TrainConfig
from hectares.errors import ConfigError


def prepare(
    layout: Annotated[str, Parameter(name="FORMAT")],
    source: Path,
    chips: Path,
    /,
    *,
    config: Annotated[PrepareConfig, options_of("prepare")] = PrepareConfig(),  # noqa: B008
    general: Writing = Writing(),  # noqa: B008
) -> int:
    """Cut chips from scenes with labels, measure band statistics, and split without leaks.

    Example: `hectares prepare folders my-town chips --legend legend.json --bands 4,3,2`

    Parameters
    ----------
    layout
        Layout of the source: folders, catalog; see `hectares formats`.
    source
        Folder, manifest or catalog.
    chips
        Folder to write.
    """

    def work(monitor: ConsoleMonitor) -> Outcome:
        from hectares.prepare import prepare_source

        store = prepare_source(layout, source, chips, config, overwrite=general.overwrite, monitor=monitor)
        pixels, labelled_px = store.class_pixels, store.labelled_px
        cut = [s for s, n in store.counts.items() if n]
        rows = [
            (name, *(format_percent(pixels[s][name] / max(1, labelled_px[s])) for s in cut))
            for name in store.legend.names
        ]
        counted = ", ".join(f"{n} {split}" for split, n in store.counts.items())
        leaks = store.content["leaks"]
        apart = f"{leaks['shared_images']} image(s) have labelled areas in several splits"
        if leaks["distance_px"] is not None:
            apart = f"chips of different splits are {leaks['distance_px']:.0f} px apart"
        elif not leaks["shared_images"]:
            apart = "no scene is in two splits"
        lines: list[str | Table] = [
            f"{chips}: {counted} chips of {store.chip_px} px, bands {', '.join(store.stats.names)}",
            table(("class", *(f"{s} %" for s in cut)), rows),
            apart,
            f"look at {chips / 'examples.png'} and {chips / 'classes.png'} before training",
            f"next: {next_step('train', chips, 'run')}",
        ]
        record = {"chips": chips, "counts": store.counts, "bands": store.stats.names, "class_pixels": pixels}
        record |= {"leaks": store.content["leaks"], "skipped": store.content["skipped"]}
        return Outcome(record, lines)

    return run_verb(general, config, work)


def train(
    chips: Path,
    run: Path,
    /,
    *,
    config: Annotated[TrainConfig, options_of("train")] = TrainConfig(),  # noqa: B008
    general: Writing = Writing(),  # noqa: B008
) -> int:
    """Train a network on chips. An interrupted run goes on when the same command is given again.

    Example: `hectares train chips run --network unet --encoder resnet34 --epochs 30`

    Parameters
    ----------
    chips
        Folder written by `prepare`.
    run
        Folder to write; the segmenter is inside.
    """

    def work(monitor: ConsoleMonitor) -> Outcome:
        from hectares.describe import describe_file
        from hectares.train import train_segmenter

        keep_memory()
        train_segmenter(chips, run, config, overwrite=general.overwrite, monitor=monitor)
        facts = describe_file(run)
        best = facts["best"]
        scored, mapped = (
            next_step("evaluate", run, chips, "evaluation.json"),
            next_step("predict", run, "SCENE.tif", "map.tif"),
        )
        lines = [
            f"{run}: best of {facts['epochs']} epochs is {best['epoch']:.0f}, mean IoU {best['val_miou']:.3f}",
            f"next: {scored}, or {mapped}",
        ]
        return Outcome({"run": run, **facts}, lines)

    return run_verb(general, config, work)


def predict(
    run: Path,
    /,
    *scenes: Annotated[Path, Parameter(name="SCENE... OUT")],
    config: Annotated[PredictConfig, options_of("predict")] = PredictConfig(),  # noqa: B008
    mosaic: Annotated[MosaicConfig, options_of("predict")] = MosaicConfig(),  # noqa: B008
    scores: Annotated[Path | None, option_of("predict")] = None,
    plan: Annotated[bool, option_of("predict", negative="")] = False,
    workers: Annotated[int, option_of("predict")] = 1,
    dask: Annotated[str | None, option_of("predict")] = None,
    shard: Annotated[str | None, option_of("predict")] = None,
    general: Writing = Writing(),  # noqa: B008
) -> int:
    """Map whole scenes of any size: a cloud-optimized GeoTIFF of classes on the grid of each scene.

    Nodata in is nodata out. A run that was stopped goes on when the same command is given again.

    Example: `hectares predict run scene.tif map.tif`

    Example: `hectares predict run scene.tif map.tif --tta flips --scores scores.tif --aoi park.gpkg`

    Example: `hectares predict run west.tif east.tif map.tif --mosaic`

    Example: `hectares predict run scene.tif map.tif --shard 3/8` in each of eight jobs, and then once without --shard

    Example: `hectares predict run scene.tif town-3.shard --shard 3/8` without a shared disk, and then `assemble`

    Parameters
    ----------
    run
        Folder written by `train`, or a segmenter.
    scenes
        One scene and the map to write; several scenes and the folder to write their maps into, or with --mosaic the one
        map of them all.
    scores
        Write the score of each class too: a GeoTIFF of one band a class, or a folder for those of several scenes.
    plan
        Tell the time, memory and disk it would take, and do nothing; one batch is computed for that.
    workers
        Compute in so many processes at the same time, each with its share of the processors; the map is the same.
    shard
        Compute one part of the work alone, as I/N, for jobs that share a disk; the same command without it does what
        is left and writes the map. Without a shared disk name the result NAME.shard, for `hectares assemble`.
    dask
        Compute on a Dask cluster that shares the disk: the address of its scheduler, or local for --workers processes.
    """
    if workers < 1 or (shard is not None and (workers > 1 or plan)):
        raise ConfigError("--workers is at least 1; --shard goes without --workers and --plan")
    if dask is not None and (shard or (workers > 1 and dask != "local")):
        raise ConfigError("--dask goes without --shard, and with --workers only if it is local")

    def work(monitor: ConsoleMonitor) -> Outcome:
        from hectares.cli.showing import show_plan
        from hectares.io.scene_values import range_file
        from hectares.predict import discard_leftovers, name_targets, plan_scene, predict_scenes, predict_shards

        keep_memory()
        if len(scenes) < 2:
            raise ConfigError("predict needs a run, at least one scene and, last, the map or folder to write")
        *sources, out = scenes
        if mosaic.mosaic:
            return run_mosaic(
                run, sources, out, config, mosaic,
                scores=scores, plan=plan, workers=workers, dask=dask, shard=shard, general=general, monitor=monitor,
            )  # fmt: skip
        if plan:
            name_targets(sources, out, scores)  # what would be refused is refused now
            plans = {s: plan_scene(run, s, config, with_scores=scores is not None, monitor=monitor) for s in sources}
            return Outcome({"plans": plans}, [line for s, found in plans.items() for line in show_plan(s, found, out)])
        if shard is not None:
            predict_shards(
                run, sources, out, config, shard=shard, scores=scores, overwrite=general.overwrite, monitor=monitor
            )
            again = "when all shards are done, give the same command without --shard"
            if out.suffix.lower() == ".shard":
                again = "when the shards of all machines are in one place, `hectares assemble *.shard map.tif`"
            return Outcome({"shard": shard}, [f"shard {shard} is done", f"next: {again}"])
        if dask is not None:
            orders = scene_orders(run, name_targets(sources, out, scores), config, overwrite=general.overwrite)
            share_with_cluster(orders, Cluster(dask, workers), monitor)
        elif workers > 1:
            if general.overwrite:
                discard_leftovers(run, sources, out, config, scores=scores)
            share_out([t for _, t, _ in name_targets(sources, out, scores)], workers, monitor)
        maps = predict_scenes(run, sources, out, config, scores=scores, overwrite=general.overwrite, monitor=monitor)
        lines = [*map(str, maps), f"next: {next_step('measure', maps[0], 'areas.csv')}"]
        if scores is not None:
            lines.insert(-1, str(scores))
        ranges = [range_file(made) for made in maps] if config.out_of_range else []
        lines[-1:-1] = map(str, ranges)
        return Outcome({"maps": maps, "scores": scores} | ({"out_of_range": ranges} if ranges else {}), lines)

    return run_verb(general, config, work)


def evaluate(
    subject: Annotated[Path, Parameter(name="RUN_OR_MAP")],
    reference: Path,
    out: Path,
    /,
    *,
    config: Annotated[EvaluateConfig, OPTIONS] = EvaluateConfig(),  # noqa: B008
    general: Writing = Writing(),  # noqa: B008
) -> int:
    """Score a run on chips, or a class map on a label raster or on the shapes of a vector file.

    Writes counts and scores as JSON, the scores of the classes and all scores with intervals as CSV, and a figure.

    Example: `hectares evaluate run chips evaluation.json --split test`

    Parameters
    ----------
    subject
        A run, or a class map.
    reference
        Folder of chips for a run; for a map, a label raster on the same grid, or a vector file in any CRS.
    out
        The JSON file to write.
    """

    def work(monitor: ConsoleMonitor) -> Outcome:
        from hectares.cli.showing import show_scores, show_views
        from hectares.evaluate import evaluate as score

        keep_memory()
        evaluation = score(subject, reference, out, config, overwrite=general.overwrite, monitor=monitor)
        overall = evaluation.overall()
        found = evaluation.record
        lines = [*show_scores(list(evaluation.class_rows()), overall), *show_views(found)]
        lines.append(f"{out}, with .csv, .scores.csv and .png beside it")
        record = {"evaluation": out, "overall": overall, "classes": list(evaluation.class_rows())}
        kept = ("scores", "intervals", "floor", "baseline", "calibration", "area", "worst")
        return Outcome(record | {k: found[k] for k in kept if k in found}, lines)

    return run_verb(general, config, work)


def measure(
    *maps: Annotated[Path, Parameter(name="MAP... AREAS.csv")],
    config: Annotated[MeasureConfig, OPTIONS] = MeasureConfig(),  # noqa: B008
    general: Writing = Writing(),  # noqa: B008
) -> int:
    """Measure the mapped area of each class on the ellipsoid, in total and per zone.

    Writes a CSV, with JSON and a figure beside it. Several maps are measured together: where they overlap, the first
    one that shows a class counts.

    Example: `hectares measure map.tif areas.csv --zones districts.gpkg`

    Parameters
    ----------
    maps
        One class map or several, or any rasters of one band of class codes; and last the CSV file to write.
    """

    def work(monitor: ConsoleMonitor) -> Outcome:
        from hectares.cli.showing import show_areas
        from hectares.measure import measure_maps

        if len(maps) < 2:
            raise ConfigError("measure needs at least one map and, last, the CSV file to write")
        *sources, out = maps
        areas = measure_maps(sources, out, config, overwrite=general.overwrite, monitor=monitor)
        lines = [*show_areas(areas), f"{out}, with .json and .png beside it"]
        record = {"areas": out, "coverage": areas.coverage, "overlap_m2": areas.overlap_m2, "rows": list(areas.rows())}
        return Outcome(record, lines)

    return run_verb(general, config, work)


def report(
    *artefacts: Annotated[Path, Parameter(name="ARTEFACT... REPORT.html")],
    config: Annotated[ReportConfig, OPTIONS] = ReportConfig(),  # noqa: B008
    general: Writing = Writing(),  # noqa: B008
) -> int:
    """Make one page of artefacts that opens anywhere: maps, scenes, areas, estimates, change, polygons, scores, runs.

    Known by what they hold, in any order; also scores of objects, comparisons of runs, and chips.

    Example: `hectares report map.tif scene.tif evaluation.json areas.csv run report.html`

    Parameters
    ----------
    artefacts
        Any number of artefacts, and last the HTML file to write.
    """

    def work(monitor: ConsoleMonitor) -> Outcome:
        from hectares.report import write_report

        if len(artefacts) < 2:
            raise ConfigError("report needs at least one artefact and, last, the name of the page to write")
        *sources, out = artefacts
        write_report(sources, out, config, overwrite=general.overwrite, monitor=monitor)
        return Outcome({"report": out}, [f"{out}"])

    return run_verb(general, config, work)
