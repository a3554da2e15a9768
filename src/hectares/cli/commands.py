"""One function a command: its signature is its syntax, its docstring its help."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.table import Table

from hectares.cli.console import ConsoleMonitor, show_result, table
from hectares.cli.options import General, Writing
from hectares.config.evaluate import EvaluateConfig
from hectares.config.measure import MeasureConfig
from hectares.config.predict import PredictConfig
from hectares.config.prepare import PrepareConfig
from hectares.config.report import ReportConfig
from hectares.config.start import DemoConfig
from hectares.config.train import TrainConfig
from hectares.errors import ConfigError, MissingExtraError

_ALL = Parameter(name="*", group="Options")


@dataclass(frozen=True)
class Outcome:
    """What a command found or made: a record for machines, lines and tables for people."""

    record: dict[str, Any]
    lines: Sequence[str | Table] = field(default=())


def _run(general: General, config: object, work: Callable[[ConsoleMonitor], Outcome]) -> int:
    """Run one verb with bars, and print what came out."""
    if general.print_config:
        return _print_config(config, general)
    with ConsoleMonitor(quiet=general.quiet, as_json=general.json) as monitor:
        outcome = work(monitor)
    return show_result(outcome.record, outcome.lines, monitor.problems, as_json=general.json)


def _print_config(config: object, general: General) -> int:
    fields = dataclasses.asdict(config) if dataclasses.is_dataclass(config) and not isinstance(config, type) else {}
    lines = [f"{name}: {_yaml(value)}" for name, value in fields.items()]
    return show_result(fields, lines, (), as_json=general.json)


def _yaml(value: object) -> str:
    from hectares.io.artefact import dump_json

    return dump_json(value)


# --- Start ------------------------------------------------------------------------------------------------


def init(folder: Path, /, *, general: General = General()) -> int:  # noqa: B008 - a frozen value
    """Make a project folder: where images, labels and scenes go, a legend, a catalog and a run.yaml.

    What is there already stays as it is.

    Example: `hectares init my-town`

    Parameters
    ----------
    folder
        The folder to make or complete.
    """

    def work(_: ConsoleMonitor) -> Outcome:
        from hectares.start import init_project

        made = init_project(folder)
        lines = [f"made {path}" for path in made] or [f"{folder} is complete already"]
        lines.append(f"next: put images and labels into {folder}, then read {folder / 'README.md'}")
        return Outcome({"folder": folder, "made": made}, lines)

    return _run(general, None, work)


def demo(
    folder: Path = Path("demo"),
    /,
    *,
    config: Annotated[DemoConfig, _ALL] = DemoConfig(),  # noqa: B008
    general: Writing = Writing(),  # noqa: B008
) -> int:
    """Generate a town and run the whole chain on it: prepare, train, predict, evaluate, measure, report.

    Trains on the west of the town and maps the east, which the network never saw. Takes a few minutes.

    Example: `hectares demo`

    Parameters
    ----------
    folder
        Where everything goes.
    """

    def work(monitor: ConsoleMonitor) -> Outcome:
        from hectares.cli.showing import show_demo
        from hectares.start import run_demo

        _keep_memory()
        result = run_demo(folder, config, overwrite=general.overwrite, monitor=monitor)
        record, lines = show_demo(result)
        return Outcome(record, lines)

    return _run(general, config, work)


def formats(name: str | None = None, /, *, general: General = General()) -> int:  # noqa: B008
    """List the data set layouts that `prepare` reads, or describe one.

    Example: `hectares formats folders`

    Parameters
    ----------
    name
        A layout.
    """

    def work(_: ConsoleMonitor) -> Outcome:
        from hectares.formats.registry import FORMATS, find_format

        if name is not None:
            found = find_format(name)
            return Outcome(
                {"name": found.name, "summary": found.summary, "detail": found.detail},
                [found.summary, "", found.detail],
            )
        rows = [(f.name, f.summary) for f in FORMATS.values()]
        return Outcome({"formats": dict(rows)}, [table(("format", "what it is"), rows)])

    return _run(general, None, work)


def networks(
    name: str | None = None,
    /,
    *,
    encoder: str | None = None,
    width: int | None = None,
    bands: int = 3,
    classes: int = 2,
    general: General = General(),  # noqa: B008
) -> int:
    """List the networks that can be trained, or describe one: layers, shapes, parameters.

    Example: `hectares networks unet-elu --bands 3 --classes 1`

    Parameters
    ----------
    name
        A network.
    encoder
        Encoder of a library network.
    width
        Channels of the first level, where there is a choice.
    bands
        Number of bands.
    classes
        Number of classes.
    """

    def work(_: ConsoleMonitor) -> Outcome:
        try:
            from hectares.model import zoo
        except ImportError as error:
            raise MissingExtraError("networks need an extra: pip install 'hectares[train]'") from error
        if name is None:
            rows = [(n.name, n.summary) for n in zoo.NETWORKS.values()]
            return Outcome({"networks": dict(rows)}, [table(("network", "what it is"), rows)])
        if bands < 1 or classes < 1:
            raise ConfigError(f"--bands {bands} --classes {classes}: both start at 1")
        options = zoo.network_options(name, encoder=encoder, width=width)
        network = zoo.build_network(name, options, bands=bands, classes=classes)
        trainable, frozen = zoo.count_parameters(network)
        layers: list[tuple[object, ...]] = [
            (line.name.removeprefix("network."), line.kind, " x ".join(map(str, line.shape)), line.parameters)
            for line in zoo.list_layers(network, bands=bands)
        ]
        title = f"{name}, {bands} bands of 256 x 256 px to {classes} classes"
        total = f"{trainable:,} parameters ({trainable})" + (f" and {frozen:,} frozen" if frozen else "")
        record = {
            "name": name,
            "options": options,
            "parameters": trainable,
            "frozen": frozen,
            "layers": layers,
        }
        return Outcome(record, [table(("layer", "kind", "output", "parameters"), layers, title=title), "", total])

    return _run(general, None, work)


def info(file: Path, /, *, general: General = General()) -> int:  # noqa: B008
    """Say what a file or folder is: scene, class map, chips, run, evaluation, areas, vectors.

    Example: `hectares info scene.tif`

    Parameters
    ----------
    file
        Any scene or artefact.
    """

    def work(_: ConsoleMonitor) -> Outcome:
        from hectares.cli.showing import show_facts
        from hectares.describe import describe_file

        facts = describe_file(file)
        return Outcome({"file": file, **facts}, show_facts(facts))

    return _run(general, None, work)


def check(*paths: Path, general: General = General()) -> int:  # noqa: B008
    """Read everything and say what is wrong, and where, before hours of work.

    Takes scenes, a catalog.json, chips or a run. Exit code 3 if there are problems.

    Example: `hectares check scenes/north.tif chips`

    Parameters
    ----------
    paths
        What to check.
    """

    def work(monitor: ConsoleMonitor) -> Outcome:
        from hectares.check import check_paths

        if not paths:
            raise ConfigError("check needs at least one file or folder")
        problems = check_paths(list(paths), monitor=monitor)
        for problem in problems:
            monitor.problem(dataclasses.replace(problem, severity="incomplete"))
        end = (
            f"{len(problems)} problem(s) in {len(paths)} path(s)" if problems else f"no problem in {len(paths)} path(s)"
        )
        return Outcome({"checked": list(paths), "problems": len(problems)}, [end])

    return _run(general, None, work)


# --- The chain --------------------------------------------------------------------------------------------


def prepare(
    layout: Annotated[str, Parameter(name="FORMAT")],
    source: Path,
    chips: Path,
    /,
    *,
    config: Annotated[PrepareConfig, _ALL] = PrepareConfig(),  # noqa: B008
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
        pixels = store.content["class_pixels"]
        rows = [
            (name, *(100 * pixels[s][name] / max(1, sum(pixels[s].values())) for s in pixels))
            for name in store.legend.names
        ]
        counted = ", ".join(f"{n} {split}" for split, n in store.counts.items())
        lines: list[str | Table] = [
            f"{chips}: {counted} chips of {store.chip_px} px, bands {', '.join(store.stats.names)}",
            table(("class", *(f"{s} %" for s in pixels)), rows),
            f"next: hectares train {chips} run",
        ]
        record = {"chips": chips, "counts": store.counts, "bands": store.stats.names, "class_pixels": pixels}
        return Outcome(record, lines)

    return _run(general, config, work)


def train(
    chips: Path,
    run: Path,
    /,
    *,
    config: Annotated[TrainConfig, _ALL] = TrainConfig(),  # noqa: B008
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

        _keep_memory()
        train_segmenter(chips, run, config, overwrite=general.overwrite, monitor=monitor)
        facts = describe_file(run)
        best = facts["best"]
        lines = [
            f"{run}: best of {facts['epochs']} epochs is {best['epoch']:.0f}, mean IoU {best['val_miou']:.3f}",
            f"next: hectares evaluate {run} {chips} evaluation.json, or hectares predict {run} SCENE.tif map.tif",
        ]
        return Outcome({"run": run, **facts}, lines)

    return _run(general, config, work)


def predict(
    run: Path,
    /,
    *scenes: Annotated[Path, Parameter(name="SCENE... OUT")],
    config: Annotated[PredictConfig, _ALL] = PredictConfig(),  # noqa: B008
    general: Writing = Writing(),  # noqa: B008
) -> int:
    """Map whole scenes of any size: a cloud-optimised GeoTIFF of classes on the grid of each scene.

    Nodata in is nodata out. A run that was stopped goes on when the same command is given again.

    Example: `hectares predict run scene.tif map.tif`

    Parameters
    ----------
    run
        Folder written by `train`, or a segmenter.
    scenes
        One scene and the map to write, or several scenes and the folder to write their maps into.
    """

    def work(monitor: ConsoleMonitor) -> Outcome:
        from hectares.predict import predict_scenes

        _keep_memory()
        if len(scenes) < 2:
            raise ConfigError("predict needs a run, at least one scene and, last, the map or folder to write")
        *sources, out = scenes
        maps = predict_scenes(run, sources, out, config, overwrite=general.overwrite, monitor=monitor)
        lines = [*map(str, maps), f"next: hectares measure {maps[0]} areas.csv"]
        return Outcome({"maps": maps}, lines)

    return _run(general, config, work)


def evaluate(
    subject: Annotated[Path, Parameter(name="RUN_OR_MAP")],
    reference: Path,
    out: Path,
    /,
    *,
    config: Annotated[EvaluateConfig, _ALL] = EvaluateConfig(),  # noqa: B008
    general: Writing = Writing(),  # noqa: B008
) -> int:
    """Score a run on chips, or a class map on a reference raster.

    Writes the counts and scores as JSON, the scores as CSV and a figure beside it.

    Example: `hectares evaluate run chips evaluation.json --split test`

    Parameters
    ----------
    subject
        A run, or a class map.
    reference
        Folder of chips for a run; a label raster on the same grid for a map.
    out
        The JSON file to write.
    """

    def work(monitor: ConsoleMonitor) -> Outcome:
        from hectares.cli.showing import show_scores
        from hectares.evaluate import evaluate as score

        _keep_memory()
        evaluation = score(subject, reference, out, config, overwrite=general.overwrite, monitor=monitor)
        overall = evaluation.overall()
        lines = [*show_scores(list(evaluation.class_rows()), overall), f"{out}, with .csv and .png beside it"]
        return Outcome({"evaluation": out, "overall": overall, "classes": list(evaluation.class_rows())}, lines)

    return _run(general, config, work)


def measure(
    class_map: Annotated[Path, Parameter(name="MAP")],
    out: Annotated[Path, Parameter(name="AREAS.csv")],
    /,
    *,
    config: Annotated[MeasureConfig, _ALL] = MeasureConfig(),  # noqa: B008
    general: Writing = Writing(),  # noqa: B008
) -> int:
    """Measure the mapped area of each class on the ellipsoid, in total and per zone.

    Writes a CSV, and JSON beside it.

    Example: `hectares measure map.tif areas.csv --zones districts.gpkg`

    Parameters
    ----------
    class_map
        A class map, or any raster of one band of class codes.
    out
        The CSV file to write.
    """

    def work(monitor: ConsoleMonitor) -> Outcome:
        from hectares.cli.showing import show_areas
        from hectares.measure import measure_map

        areas = measure_map(class_map, out, config, overwrite=general.overwrite, monitor=monitor)
        lines = [*show_areas(areas), f"{out}, with .json beside it"]
        return Outcome({"areas": out, "rows": list(areas.rows())}, lines)

    return _run(general, config, work)


def report(
    *artefacts: Annotated[Path, Parameter(name="ARTEFACT... REPORT.html")],
    config: Annotated[ReportConfig, _ALL] = ReportConfig(),  # noqa: B008
    general: Writing = Writing(),  # noqa: B008
) -> int:
    """Make one page of artefacts that opens anywhere: maps, scenes, evaluations, areas, runs.

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

    return _run(general, config, work)


def _keep_memory() -> None:
    from hectares.runtime.allocator import keep_freed_memory

    keep_freed_memory()


COMMANDS = (init, demo, formats, networks, check, info, prepare, train, predict, evaluate, measure, report)
