"""What a person or a machine sees: bars and messages on standard error, results on standard output."""

from __future__ import annotations

import json
import re
import shlex
import signal
import sys
import time
import unicodedata
from collections.abc import Sequence
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hectares.errors import HectaresError, Interrupted
from hectares.monitor import Problem

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_SECONDS_BETWEEN_LINES = 5.0
_MOST_PROBLEMS = 20
_NUMBER = re.compile(r"[<>]?[-+]?[\d,]+(\.\d+)?|–")
_WIDTH_IN_A_FILE = 160  # where there is no terminal whose width counts

_UNSEEN = {"Cc", "Cf", "Cs"}
"""Control and format characters, and bytes of a name that are no UTF-8."""

_WORDS = {"note": ("note:", "cyan"), "warning": ("warning:", "yellow"), "incomplete": ("incomplete:", "yellow")}
"""What is incomplete has a word of its own: it alone ends the command with exit code 3."""

Line = str | Table | Text

# Text is shown as it is: a file may be called [bold].tif or :smile:.tif. Styles come with `Text`.
stderr = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)
stdout = Console(
    highlight=False,
    soft_wrap=True,
    markup=False,
    emoji=False,
    width=None if sys.stdout.isatty() else _WIDTH_IN_A_FILE,
)


class ConsoleMonitor:
    """Bars on a terminal, lines elsewhere; collects problems; turns signals into a wish to stop."""

    def __init__(self, *, quiet: bool, as_json: bool) -> None:
        self.problems: list[Problem] = []
        self.notes: list[Problem] = []
        self._quiet = quiet
        self._as_json = as_json
        self._stop = False
        self._tasks: dict[str, TaskID] = {}
        self._last_line = {"": 0.0}
        self._bars = None if quiet or not stderr.is_terminal else _bars()

    def __enter__(self) -> Self:
        self._earlier = {s: signal.signal(s, self._on_signal) for s in (signal.SIGINT, signal.SIGTERM)}
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()
        for number, handler in self._earlier.items():
            signal.signal(number, handler)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self._stop:
            raise KeyboardInterrupt
        self._stop = True
        stderr.print("stopping after this step; once more to stop at once")

    def progress(self, stage: str, done: int, total: int | None, note: str = "") -> None:
        """Move the bar of a stage, or write a line now and then."""
        if self._quiet:
            return
        if self._bars is not None:
            if stage not in self._tasks:
                self._tasks[stage] = self._bars.add_task(visible(stage), total=total, note=visible(note))
            self._bars.update(self._tasks[stage], completed=done, total=total, note=visible(note))
            return
        finished = total is not None and done >= total
        now = time.monotonic()
        if not finished and now - self._last_line.get(stage, 0.0) < _SECONDS_BETWEEN_LINES:
            return
        self._last_line[stage] = now
        if self._as_json:
            line = json.dumps({"stage": stage, "done": done, "total": total, "note": note})
        else:
            line = visible(f"{stage} {done}/{total if total is not None else '?'} {note}".rstrip())
        print(line, file=sys.stderr, flush=True)

    def problem(self, problem: Problem) -> None:
        """Show a problem at once, up to a number, and keep it; a note stands apart and counts for nothing."""
        is_note = problem.severity == "note"
        kept = self.notes if is_note else self.problems
        kept.append(problem)
        if len(kept) <= _MOST_PROBLEMS and not self._as_json and not (is_note and self._quiet):
            word = _WORDS[problem.severity]
            stderr.print(styled(word, f" {problem}"))

    def raise_if_stopped(self) -> None:
        """Leave the work where nothing is lost."""
        if self._stop:
            raise Interrupted("nothing is half-written; run the same command again to go on")


def _bars() -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description:<20}", markup=False),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        TextColumn("{task.fields[note]}", style="dim", markup=False),
        console=stderr,
    )


def next_step(*words: object) -> str:
    """Give the command to run next, as a shell takes it.

    >>> next_step("train", "my chips", "run")
    "hectares train 'my chips' run"
    """
    return shlex.join(["hectares", *map(str, words)])


def visible(text: str) -> str:
    r"""Give a text in which nothing acts on a terminal and everything can be written as UTF-8.

    >>> print(visible("a\x1b[2J\udcff.tif"))
    a\x1b[2J\udcff.tif
    """
    if text.isprintable():
        return text
    return "".join(
        c if c in "\n\t" or unicodedata.category(c) not in _UNSEEN else c.encode("unicode_escape").decode()
        for c in text
    )


def styled(*parts: str | tuple[str, str]) -> Text:
    """Give a line of parts, each a text or a text with a style."""
    line = Text()
    for part in parts:
        text, style = (part, "") if isinstance(part, str) else part
        line.append(visible(text), style)
    return line


def show_result(
    record: dict[str, Any],
    lines: Sequence[Line],
    problems: Sequence[Problem],
    *,
    notes: Sequence[Problem] = (),
    as_json: bool,
    complete: bool = True,
) -> int:
    """Print a result and give the exit code: 3 if something is missing from it, else 0; notes never count."""
    incomplete = not complete or any(p.severity == "incomplete" for p in problems)
    if as_json:
        from hectares.io.artefact import dump_json

        content = {
            "complete": not incomplete,
            "problems": [p.to_json() for p in problems],
            "notes": [p.to_json() for p in notes],
            "result": record,
        }
        print(dump_json(content, indent=1))
    else:
        for line in lines:
            stdout.print(visible(line) if isinstance(line, str) else line)
        if len(problems) > _MOST_PROBLEMS:
            stderr.print(f"... and {len(problems) - _MOST_PROBLEMS} more problems; --json lists all")
    return 3 if incomplete else 0


def show_error(error: HectaresError, *, as_json: bool) -> int:
    """Print an error as one sentence, or as a record, and give its exit code."""
    kind = type(error).__name__
    if as_json:
        print(json.dumps({"complete": False, "error": kind, "message": str(error), "exit_code": error.exit_code}))
    else:
        word = "stopped" if isinstance(error, Interrupted) else "error"
        stderr.print(styled((f"{word}:", "red"), f" {error}"))
    return error.exit_code


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str | None = None) -> Table:
    """Lay out rows; columns whose cells are numbers are set right."""
    heading = None if title is None else styled(title)
    grid = Table(title=heading, title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False)
    for i, column in enumerate(columns):
        numeric = bool(rows) and all(_is_number(r[i]) for r in rows)
        grid.add_column(styled(column), justify="right" if numeric else "left", no_wrap=numeric, overflow="fold")
    for row in rows:
        grid.add_row(*(v if isinstance(v, Text) else styled(_cell(v)) for v in row))
    return grid


def format_percent(share: float) -> str:
    """Give a share of 0 to 1 in per cent; what is rare keeps two digits.

    >>> format_percent(0.4256), format_percent(0.00012), format_percent(0)
    ('42.6', '0.012', '0.0')
    """
    percent = 100 * share
    return f"{percent:.1f}" if percent >= 0.1 or percent == 0 else f"{percent:.2g}"


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, (int, float)) or bool(_NUMBER.fullmatch(str(value)))


def _cell(value: object) -> str:
    if value is None or value != value:  # noqa: PLR0124 - NaN is the one value that differs from itself
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
