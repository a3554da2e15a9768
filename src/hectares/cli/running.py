"""How every command runs: bars while it works, then its outcome, then an exit code."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cyclopts import Group, Parameter

from hectares.cli.console import ConsoleMonitor, Line, show_result
from hectares.cli.options import General

OPTIONS = Parameter(name="*", group=Group("Options", sort_key=1))


@dataclass(frozen=True)
class Outcome:
    """What a command found or made: a record for machines, lines and tables for people."""

    record: dict[str, Any]
    lines: Sequence[Line] = field(default=())
    complete: bool = True
    """False if the outcome itself tells of problems: the exit code is 3."""


def run_verb(general: General, config: object, work: Callable[[ConsoleMonitor], Outcome]) -> int:
    """Run one verb with bars, and print what came out."""
    if general.print_config:
        return _print_config(config, general)
    with ConsoleMonitor(quiet=general.quiet, as_json=general.json) as monitor:
        outcome = work(monitor)
    return show_result(
        outcome.record,
        outcome.lines,
        monitor.problems,
        notes=monitor.notes,
        as_json=general.json,
        complete=outcome.complete,
    )


def _print_config(config: object, general: General) -> int:
    fields = dataclasses.asdict(config) if dataclasses.is_dataclass(config) and not isinstance(config, type) else {}
    lines = [f"{name}: {_yaml(value)}" for name, value in fields.items()]
    return show_result(fields, lines, (), as_json=general.json)


def _yaml(value: object) -> str:
    from hectares.io.artefact import dump_json

    return dump_json(value)


def keep_memory() -> None:
    """Keep freed memory with the process, for commands that run a network."""
    from hectares.runtime.allocator import keep_freed_memory

    keep_freed_memory()
