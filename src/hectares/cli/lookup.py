"""Commands to start with and to look things up: one function each, its docstring is its help."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

from hectares.cli.console import ConsoleMonitor, table
from hectares.cli.options import General, Writing
from hectares.cli.running import OPTIONS, Outcome, keep_memory, run_verb
from hectares.config.start import DemoConfig
from hectares.errors import ConfigError, MissingExtraError


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

    return run_verb(general, None, work)


def demo(
    folder: Path = Path("demo"),
    /,
    *,
    config: Annotated[DemoConfig, OPTIONS] = DemoConfig(),  # noqa: B008
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

        keep_memory()
        result = run_demo(folder, config, overwrite=general.overwrite, monitor=monitor)
        record, lines = show_demo(result)
        return Outcome(record, lines)

    return run_verb(general, config, work)


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

    return run_verb(general, None, work)


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

    return run_verb(general, None, work)


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

    return run_verb(general, None, work)


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

    return run_verb(general, None, work)
