"""Commands to start with and to look things up: one function each, its docstring is its help."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

from rich.table import Table

from hectares.cli.console import ConsoleMonitor, table
from hectares.cli.options import General, Writing
from hectares.cli.running import OPTIONS, Outcome, keep_memory, run_verb
from hectares.config.check import CheckConfig
from hectares.config.start import DemoConfig
from hectares.errors import ConfigError


def init(folder: Path, /, *, layout: str = "folders", general: General = General()) -> int:  # noqa: B008 - frozen
    """Make a project folder for data in a layout: where each file goes, a run.yaml, and what to run next.

    What is there already stays as it is.

    Example: `hectares init rooftops --layout crowdai`

    Parameters
    ----------
    folder
        The folder to make or complete.
    layout
        Layout of the data; see `hectares formats`.
    """

    def work(_: ConsoleMonitor) -> Outcome:
        from hectares.project import init_project

        project = init_project(folder, layout=layout)
        lines: list[str | Table] = [f"made {path}" for path in project.made] or [f"{folder} is complete already"]
        lines += ["", table(("put here", "what"), [(folder / place, what) for place, what in project.places.items()])]
        if project.files:
            lines += ["", project.files]
        lines += ["", f"next, in {folder} (all of this is in its README.md):", *(f"  {c}" for c in project.commands)]
        return Outcome(dataclasses.asdict(project), lines)

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
        from hectares.formats.options import flag
        from hectares.formats.registry import find_format, known_formats

        if name is not None:
            found = find_format(name)
            used = [flag(option) for option in found.used]
            record = {"name": found.name, "summary": found.summary, "detail": found.detail, "options": used}
            return Outcome(record, [found.summary, "", found.detail.rstrip(), "", f"Options: {', '.join(used)}"])
        rows = [(f.name, f.summary) for f in known_formats().values()]
        return Outcome({"formats": dict(rows)}, [table(("format", "what it is"), rows)])

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


def check(
    *paths: Path,
    config: Annotated[CheckConfig, OPTIONS] = CheckConfig(),  # noqa: B008 - a frozen value
    general: Writing = Writing(),  # noqa: B008
) -> int:
    """Read everything and say what is wrong, and where, before hours of work.

    Takes scenes, class maps, vector files, a catalog.json, chips, a run, or a data set with its --layout.
    Exit code 3 if there are problems; what is only good to know does not count.

    Example: `hectares check data --layout crowdai --places look-here.gpkg`

    Parameters
    ----------
    paths
        What to check.
    """

    def work(monitor: ConsoleMonitor) -> Outcome:
        from hectares.check import check_paths
        from hectares.cli.checkup import checkup_json, show_checkup

        if not paths:
            raise ConfigError("check needs at least one file or folder")
        checkup = check_paths(list(paths), config, overwrite=general.overwrite, monitor=monitor)
        if general.json:
            for finding in checkup.findings:
                monitor.problem(finding.to_problem())
        lines = show_checkup(checkup, verbose=general.verbose)
        return Outcome(checkup_json(checkup), lines, complete=checkup.problems == 0)

    return run_verb(general, config, work)
