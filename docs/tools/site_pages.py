"""What the site has besides the pages in docs/: the README, the lists of commands and names, and drawn formulas.

mkdocs calls these functions while it builds (see mkdocs.yml).
"""
# ruff: noqa: INP001

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from command_pages import command_pages
from formulas import draw_formulas, mark_formulas
from pygments.formatters import HtmlFormatter
from python_pages import PAGES, python_pages

from hectares.cli.commands import NAMES

ROOT = Path(__file__).parent.parent.parent
OUTSIDE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "LICENSE": "license.md",
    "examples/README.md": "examples.md",
    "benchmarks/README.md": "benchmarks.md",
    "src/hectares/builtin/dubai/card.md": "builtin-dubai.md",
}
"""Files of the repository that are pages of the site."""
_LINK = re.compile(r"(\]\()([^)#\s]+?)((?:#[^)\s]*)?\))")


def on_config(config: Any) -> Any:
    """Put the pages of commands, names and decisions into the navigation, and those that mkdocs.yml forgot last."""
    below = {
        "reference/commands/index.md": [f"reference/commands/{name}.md" for name in NAMES],
        "reference/python/index.md": [f"reference/python/{name}.md" for name in PAGES],
        "decisions/README.md": sorted(f"decisions/{p.name}" for p in (ROOT / "docs/decisions").glob("0*.md")),
    }
    for section in config["nav"]:
        for entries in section.values():
            for entry in entries if isinstance(entries, list) else ():
                for title, target in entry.items():
                    if target in below:
                        entry[title] = [{"Overview": target}, *below[target]]
    named = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    if forgotten := sorted(p.name for p in (ROOT / "docs").glob("*.md") if f" {p.name}" not in named):
        config["nav"].append({"More": forgotten})
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are made here."""
    from mkdocs.structure.files import File

    pages = {target: (ROOT / source).read_text(encoding="utf-8") for source, target in OUTSIDE.items()}
    pages["license.md"] = f"# License\n\n```text\n{pages['license.md']}\n```\n"
    pages |= {f"reference/commands/{name}.md": text for name, text in command_pages().items()}
    pages |= {f"reference/python/{name}.md": text for name, text in python_pages().items()}
    pages["css/code.css"] = HtmlFormatter(style="friendly").get_style_defs(".codehilite") + "\n"
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links at pages of the site and set formulas aside."""
    name = page.file.src_uri
    source = next((s for s, target in OUTSIDE.items() if target == name), f"docs/{name}")
    markdown = _LINK.sub(lambda m: m[1] + _on_site(m[2], source, name) + m[3], markdown)
    return mark_formulas(markdown) if "$$" in markdown else markdown


def on_page_content(content: str, **_: Any) -> str:
    """Draw the formulas, which Markdown must not see: it takes stars and underscores for its own."""
    return draw_formulas(content)


def _on_site(link: str, source: str, name: str) -> str:
    """Give a relative link of a file of the repository as one between pages of the site."""
    if "://" in link or name.startswith("reference/"):
        return link
    target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link))
    target = OUTSIDE.get(target, target.removeprefix("docs/"))
    return posixpath.relpath(target, posixpath.dirname(name) or ".")
