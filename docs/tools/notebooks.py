"""Notebooks of the tutorials, made from their pages, so that there is one text and not two.

Usage: python docs/tools/notebooks.py

Blocks of a page that are fenced as `sh` or `python` become cells, what stands between them becomes text.
A block of nothing but `export NAME=value` is the settings; `Look at X.png` in the text adds a cell that shows it.
"""
# ruff: noqa: INP001

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

PAGES = Path(__file__).parent.parent / "tutorials"
_FENCE = re.compile(r"^```(sh|python)\n(.*?)^```\n", flags=re.DOTALL | re.MULTILINE)
_SETTING = re.compile(r"^export (\w+)=(\S*)(?:\s+(#.*))?$")
_PICTURE = re.compile(r"^Look at `([^`]+\.png)`", flags=re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A part of a page: text, commands, or Python."""

    kind: Literal["text", "sh", "python"]
    text: str

    @property
    def settings(self) -> tuple[tuple[str, str, str], ...]:
        """Names, values and comments, if the block is settings and nothing else; else nothing."""
        found = [_SETTING.match(line) for line in self.text.splitlines()] if self.kind == "sh" else []
        whole = [match for match in found if match is not None]
        return tuple((m[1], m[2], m[3] or "") for m in whole) if len(whole) == len(found) else ()

    @property
    def commands(self) -> tuple[str, ...]:
        """Lines of a block of commands; one that ends with a backslash goes on in the next."""
        return tuple(line for line in self.text.replace("\\\n", " ").splitlines() if line.strip())


def blocks_of(page: str) -> Iterator[Block]:
    """Give the parts of a page in order; blocks fenced as anything else, as `text` or `console`, stay text."""
    end = 0
    for match in _FENCE.finditer(page):
        if text := page[end : match.start()].strip():
            yield Block("text", text)
        yield Block("sh" if match[1] == "sh" else "python", match[2].rstrip())
        end = match.end()
    if text := page[end:].strip():
        yield Block("text", text)


def notebook_of(page: str, *, settings: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Give the notebook of a page, with other values in the place of some of its settings."""
    cells: list[dict[str, Any]] = []
    for block in blocks_of(page):
        if block.kind == "text":
            cells.append({"cell_type": "markdown", "source": block.text})
            cells += [_code(f'Image("{name}")') for name in _PICTURE.findall(block.text)]
        elif block.settings:
            cells.append(_code(_settings_cell(block, settings or {}, pictures=bool(_PICTURE.search(page)))))
        else:
            cells.append(_code(block.text if block.kind == "python" else f"%%bash -e\n{block.text}"))
    for number, cell in enumerate(cells, start=1):
        cell |= {"id": f"cell-{number:02}", "metadata": {}, "source": cell["source"].splitlines(keepends=True)}
        cells[number - 1] = dict(sorted(cell.items()))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    meta = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": meta, "nbformat": 4, "nbformat_minor": 5}


def _code(source: str) -> dict[str, Any]:
    return {"cell_type": "code", "execution_count": None, "outputs": [], "source": source}


def _settings_cell(block: Block, values: Mapping[str, str], *, pictures: bool) -> str:
    lines = ["import os", *(["", "from IPython.display import Image"] if pictures else []), ""]
    for name, value, comment in block.settings:
        line = f'os.environ["{name}"] = "{values.get(name, value)}"'
        lines.append(f"{line}  {comment}".rstrip())
    return "\n".join(lines)


def text_of(notebook: Mapping[str, Any]) -> str:
    """Give a notebook as the text of its file; the same page gives the same bytes."""
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def write_notebooks(folder: Path = PAGES) -> list[Path]:
    """Write the notebook of every page with settings beside it."""
    written = []
    for page in sorted(folder.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        if any(block.settings for block in blocks_of(text)):
            path = page.with_suffix(".ipynb")
            path.write_text(text_of(notebook_of(text)), encoding="utf-8")
            written.append(path)
    return written


if __name__ == "__main__":
    write_notebooks()
