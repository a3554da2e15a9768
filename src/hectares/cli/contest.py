"""The command that writes and checks files of contests: its docstring is its help."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from rich.table import Table

from hectares.cli.console import ConsoleMonitor, table
from hectares.cli.options import Writing
from hectares.cli.running import OPTIONS, Outcome, run_verb
from hectares.config.contest import ContestConfig
from hectares.errors import ConfigError

if TYPE_CHECKING:
    from hectares.contest import Submission

_MOST_LINES = 30
_ITEMS = {
    "crowdai": "prediction(s)",
    "spacenet": "building(s)",
    "inria": "picture(s)",
    "dstl": "row(s) with an area",
    "isprs": "picture(s)",
}


def contest(
    name: Annotated[Literal["crowdai", "spacenet", "inria", "dstl", "isprs"], Parameter(name="NAME")],
    /,
    *paths: Annotated[Path, Parameter(name="MAP... OUT")],
    check: Annotated[bool, Parameter(negative="")] = False,
    config: Annotated[ContestConfig, OPTIONS] = ContestConfig(),  # noqa: B008
    general: Writing = Writing(),  # noqa: B008
) -> int:
    """Write class maps as the file that a contest or benchmark takes, or check such a file with --check.

    Names of maps tell their images. What is written is read back as strictly as with --check.

    Example: `hectares contest crowdai maps predictions.json --scores scores`

    Example: `hectares contest dstl maps submission.csv --grid-sizes grid_sizes.csv --template sample_submission.csv`

    Example: `hectares contest dstl submission.csv --check --grid-sizes grid_sizes.csv --against train_wkt_v4.csv`

    Parameters
    ----------
    name
        The contest.
    paths
        Class maps or folders of them, and last the file to write: .json for crowdai, .csv for spacenet and dstl,
        .zip or a folder for inria and isprs. With --check: the file of a contest.
    check
        Read one file of the contest and list its faults: place, what was found, what is expected. Exit code 3 if any.
    """

    def work(monitor: ConsoleMonitor) -> Outcome:
        from hectares.contest import check_contest, write_contest

        if check:
            if len(paths) != 1:
                raise ConfigError(f"contest --check reads one file; {len(paths)} were given")
            return _show_check(check_contest(name, paths[0], config, monitor=monitor))
        if len(paths) < 2:
            raise ConfigError("contest needs at least one map or folder of maps and, last, the file to write")
        *maps, out = paths
        made = write_contest(name, maps, out, config, overwrite=general.overwrite, monitor=monitor)
        lines = [f"{out}: {made.items} {_ITEMS[name]}, read back without a fault"]
        if made.faults:
            lines = [f"{out}: {made.items} {_ITEMS[name]}; well formed, and not complete"]
        record = {"submission": out, "items": made.items, "faults": [f.to_json() for f in made.faults]}
        return Outcome(record, lines, complete=made.is_good)

    return run_verb(general, config, work)


def _show_check(found: Submission) -> Outcome:
    """Show the faults of a file, and its scores against another."""
    from hectares.contest import class_names
    from hectares.io.contests.dstl import mean_jaccard
    from hectares.view.numbers import score

    lines: list[str | Table] = []
    if found.faults:
        rows = [(f.place, f.found, f.expected) for f in found.faults[:_MOST_LINES]]
        lines.append(table(("where", "found", "expected"), rows))
        if len(found.faults) > _MOST_LINES:
            lines.append(f"... and {len(found.faults) - _MOST_LINES} more; --json lists all")
    record = {"submission": found.path, "items": found.items, "faults": [f.to_json() for f in found.faults]}
    if found.jaccard:
        names = class_names()
        mean = mean_jaccard(found.jaccard)
        cells = [(c.number, names[c.number], score(c.jaccard)) for c in found.jaccard]
        lines.append(table(("class", "name", "Jaccard"), cells, title=f"{len(found.compared)} image(s) of both files"))
        lines.append(f"mean of the classes that are there: {score(mean)}")
        record["jaccard"] = {c.number: c.jaccard for c in found.jaccard}
        record |= {"mean_jaccard": mean, "images": list(found.compared)}
    broken = sum(not f.incomplete for f in found.faults)
    verdict = f"{broken} fault(s)" if broken else "well formed, and not complete" if found.faults else "no fault"
    lines.append(f"{found.path}: {found.items} {_ITEMS[found.contest]}; {verdict}")
    return Outcome(record, lines, complete=found.is_good)
