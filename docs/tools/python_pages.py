"""Pages of the public Python names, made from their docstrings."""
# ruff: noqa: INP001

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
from typing import Any

import hectares
from hectares.project import field_helps

PAGES = {
    "verbs": ("Verbs", "Functions that do what the commands of the same purpose do: paths in, a result that is told."),
    "options": ("Options", "Records of the options of the verbs; their fields are the options of the commands."),
    "values": ("Values and data sets", "What verbs and readers of data sets are made of."),
    "errors": ("Errors and problems", "What is raised, and what is told."),
}


def python_pages() -> dict[str, str]:
    """Give the Markdown of the list of public names and of their pages, by the name of the page."""
    places = {name: _page_of(name) for name in sorted(hectares.__all__) if not name.startswith("__")}
    pages = {}
    for key, (title, about) in PAGES.items():
        names = [name for name, place in places.items() if place == key]
        pages[key] = "\n\n".join([f"# {title}", about, *(_section(name) for name in names)]) + "\n"
    rows = [f"| [`{n}`]({p}.md#{n.lower()}) | {_first_line(getattr(hectares, n))} |" for n, p in places.items()]
    head = "# Python\n\nEverything public is in `hectares` itself; what is not listed here may change at any time.\n\n"
    example = _EXAMPLE.strip()
    table = "\n".join(["| name | what it is |", "| --- | --- |", *rows])
    return {"index": f"{head}{example}\n\n{table}\n"} | pages


_EXAMPLE = """
```python
from hectares import PredictConfig, measure_map, predict_scene

predict_scene("run", "scene.tif", "map.tif", PredictConfig(tta="flips"))
table = measure_map("map.tif", "areas.csv")
```
"""


def _page_of(name: str) -> str:
    thing = getattr(hectares, name)
    if inspect.isclass(thing) and issubclass(thing, Exception):
        return "errors"
    if name in {"Monitor", "Problem"}:
        return "errors"
    if name.endswith("Config"):
        return "options"
    return "verbs" if inspect.isfunction(thing) and thing.__module__.count(".") == 1 else "values"


def _section(name: str) -> str:
    thing = getattr(hectares, name)
    parts = [f"## {name}"]
    if inspect.isclass(thing):
        record = dataclasses.is_dataclass(thing)
        signature = f"class {name}" if record or issubclass(thing, Exception) else _signature(thing, f"class {name}")
        parts += [f"```python\n{signature}\n```", _text(thing)]
        parts += [_fields(thing)] if record and dataclasses.fields(thing) else []
        parts += [_member(n, member) for n, member in _members(thing)]
    else:
        parts += [f"```python\n{_signature(thing, name)}\n```", _text(thing)]
    return "\n\n".join(part for part in parts if part)


def _members(thing: type) -> list[tuple[str, Any]]:
    """Methods and properties of its own, in the order of the source."""
    shown = []
    for name, member in vars(thing).items():
        plain = member.__func__ if isinstance(member, classmethod | staticmethod) else member
        if not name.startswith("_") and (inspect.isfunction(plain) or isinstance(member, property)):
            shown.append((name, member))
    return shown


def _member(name: str, member: Any) -> str:
    if isinstance(member, property):
        return f"### `{name}`\n\n{_text(member)}"
    plain = member.__func__ if isinstance(member, classmethod | staticmethod) else member
    return f"### `{name}{_arguments(plain)}`\n\n{_text(plain)}"


def _arguments(thing: Any) -> str:
    """Names and defaults; types are told in the source and in the text."""
    shown = []
    seen_star = False
    for parameter in inspect.signature(thing).parameters.values():
        if parameter.name in {"self", "cls"}:
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not seen_star:
            shown.append("*")
            seen_star = True
        mark = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        seen_star = seen_star or mark == "*"
        shown.append(f"{mark}{parameter.name}{_default(parameter.default)}")
    return f"({', '.join(shown)})"


def _default(value: Any) -> str:
    if value is inspect.Parameter.empty:
        return ""
    plain = value is None or isinstance(value, bool | int | float | str | tuple)
    return f"={value!r}" if plain else "=..."


def _signature(thing: Any, name: str) -> str:
    line = f"{name}{_arguments(thing)}"
    if len(line) <= 90:
        return line
    inside = _arguments(thing)[1:-1].split(", ")
    return f"{name}(\n" + "".join(f"    {part},\n" for part in inside) + ")"


def _fields(thing: type) -> str:
    helps = {name: text.replace("|", "\\|") for name, text in field_helps(thing).items()}
    rows = []
    for field in dataclasses.fields(thing):
        default = field.default
        shown = "" if default is dataclasses.MISSING else f"`{default!r}`"
        kind = re.sub(r"\s+", " ", str(field.type)).replace("|", "\\|")
        rows.append(f"| `{field.name}` | `{kind}` | {shown} | {helps.get(field.name, '')} |")
    return "\n".join(["| field | type | default | meaning |", "| --- | --- | --- | --- |", *rows])


def _first_line(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").split("\n")[0].replace("|", "\\|")


def _text(thing: Any) -> str:
    """Give a docstring as Markdown: examples and indented lists as blocks of code, the rest as it is."""
    blocks = []
    for block in (inspect.getdoc(thing) or "").split("\n\n"):
        lines = block.splitlines()
        head = [line for line in lines if not line.startswith((" ", ">>>"))]
        if lines and lines[0].startswith(">>>"):
            blocks.append(f"```python\n{block}\n```")
        elif head == lines[:1] and len(lines) > 1 and head[0].endswith(":"):
            blocks.append(f"*{head[0]}*\n\n```text\n{textwrap.dedent(chr(10).join(lines[1:]))}\n```")
        else:
            blocks.append(block)
    return "\n\n".join(blocks)
