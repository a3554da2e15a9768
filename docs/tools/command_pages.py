"""Pages of the commands, made from the commands themselves."""
# ruff: noqa: INP001

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from cyclopts import App
from cyclopts.argument import Argument

from hectares.cli.commands import NAMES, find_command
from hectares.cli.main import build_app

_EVERYWHERE = "Everywhere"
_EXIT_CODES = (
    "0 complete, 1 a fault of the program, 2 wrong options, 3 complete with listed gaps or findings, "
    "4 refused input, 5 disk, memory or device exhausted, 6 stopped by the user."
)
_KINDS = {str: "text", int: "whole number", float: "number", Path: "path"}


def command_pages() -> dict[str, str]:
    """Give the Markdown of the list of commands, and of each command, by the name of its page."""
    app = build_app()
    pages = {name: _page(app, name) for name in NAMES}
    rows = [f"| [`hectares {name}`]({name}.md) | {_summary(find_command(name))} |" for name in NAMES]
    shared = [a for a in _arguments(app, "train") if _group(a) == _EVERYWHERE]
    index = [
        "# Commands",
        "Each has `--help`, which says what stands here.",
        "\n".join(["| command | what it does |", "| --- | --- |", *rows]),
        "## Options of every command",
        "`--preset` and `--overwrite` are those of the commands that write.",
        _options_table(shared),
        "## Exit codes",
        _EXIT_CODES,
    ]
    return {"index": "\n\n".join(index) + "\n"} | pages


def _page(app: App, name: str) -> str:
    arguments = list(_arguments(app, name))
    positional = [a for a in arguments if not a.name.startswith("-")]
    options = [a for a in arguments if a.name.startswith("-") and _group(a) != _EVERYWHERE]
    usage = " ".join(["hectares", name, *(_placeholder(a) for a in positional), *(["[OPTIONS]"] if options else [])])
    parts = [f"# {name}", _description(find_command(name)), f"```text\n{usage}\n```"]
    if positional:
        rows = [f"| `{a.name}` | {_cell(a.parameter.help)} |" for a in positional]
        parts += ["## Arguments", "\n".join(["| argument | meaning |", "| --- | --- |", *rows])]
    if options:
        parts += ["## Options", _options_table(options)]
    parts.append("Besides, there are the [options of every command](index.md#options-of-every-command).")
    return "\n\n".join(parts) + "\n"


def _arguments(app: App, name: str) -> Iterable[Argument]:
    """Give what a command takes, without the records that only hold options."""
    return (a for a in app[name].assemble_argument_collection(parse_docstring=True) if a.show and a.name != "*")


def _group(argument: Argument) -> str:
    return str(argument.parameter.group[0].name) if argument.parameter.group else ""


def _placeholder(argument: Argument) -> str:
    return f"[{argument.name}]" if argument.field_info.default is None else argument.name


def _description(function: Callable[..., int]) -> str:
    return inspect.cleandoc(function.__doc__ or "").split("\nParameters\n")[0].strip()


def _summary(function: Callable[..., int]) -> str:
    return _cell(_description(function).split("\n\n")[0])


def _options_table(options: Sequence[Argument]) -> str:
    rows = []
    for option in options:
        names = ", ".join(f"`{n}`" for n in option.names if n not in option.negatives)
        default = option.field_info.default
        shown = "" if default is None or default is False or default == () else f"`{default}`"
        rows.append(f"| {names} | {kind_of(option.hint)} | {shown} | {_cell(option.parameter.help)} |")
    return "\n".join(["| option | takes | default | meaning |", "| --- | --- | --- | --- |", *rows])


def kind_of(hint: Any) -> str:
    """Give what an option takes, in words.

    >>> kind_of(int | None), kind_of(tuple[str, ...]), kind_of(Literal["crop", "taper"])
    ('whole number', 'text, several', '`crop`, `taper`')
    """
    if hint is bool:
        return "nothing"
    if get_origin(hint) in {Union, UnionType}:
        return " or ".join(kind_of(part) for part in get_args(hint) if part is not type(None))
    if get_origin(hint) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(hint))
    if get_origin(hint) is tuple:
        return f"{kind_of(get_args(hint)[0])}, several"
    return _KINDS.get(hint, getattr(hint, "__name__", str(hint)))


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")
