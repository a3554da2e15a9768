"""Formulas as pictures inside the page, so that the site needs no program from elsewhere to show them."""
# ruff: noqa: INP001

from __future__ import annotations

import html
import io
import re
import zlib

from matplotlib import mathtext, rc_context
from matplotlib.font_manager import FontProperties

_FORMULA = re.compile(r"\$\$(?P<block>.+?)\$\$|\$(?P<inline>[^$\n]+?)\$", flags=re.DOTALL)
_CODE = re.compile(r"(^```.*?^```|`[^`\n]*`)", flags=re.DOTALL | re.MULTILINE)
_MARK = re.compile(r"formula-([bi])-([0-9a-f]+)-end")
_SIZE_PT = 12


def mark_formulas(markdown: str) -> str:
    """Give a page whose formulas, in $ or $$, are words without a meaning to Markdown; code stays as it is.

    >>> mark_formulas("where $n$ is")
    'where formula-i-6e-end is'
    """
    parts = _CODE.split(markdown)
    return "".join(part if n % 2 else _FORMULA.sub(_mark, part) for n, part in enumerate(parts))


def draw_formulas(content: str) -> str:
    """Give the HTML of a page with its formulas drawn."""
    return _MARK.sub(_drawn, content)


def _mark(match: re.Match[str]) -> str:
    kind, formula = ("i", match["inline"]) if match["inline"] else ("b", match["block"])
    return f"formula-{kind}-{formula.encode().hex()}-end"


def _drawn(match: re.Match[str]) -> str:
    formula = bytes.fromhex(match[2]).decode()
    if match[1] == "i":
        return _svg(formula)
    lines = formula.replace(r"\frac", r"\dfrac").split(r"\qquad")
    return "".join(f'<span class="formula">{_svg(line.strip(" ,"))}</span>' for line in lines)


def _svg(formula: str) -> str:
    """Give an SVG whose foot is on the line of the text."""
    known = re.sub(r"\\text\{([^}]*)\}", lambda m: r"\mathrm{" + m[1].replace(" ", r"\ ") + "}", formula)
    known = known.replace(r"\top", r"\mathsf{T}")
    buffer = io.StringIO()
    with rc_context({"mathtext.fontset": "stix", "svg.fonttype": "path", "svg.hashsalt": formula}):
        prop = FontProperties(size=_SIZE_PT)
        depth = mathtext.math_to_image(f"${known}$", buffer, prop=prop, format="svg")
    picture = buffer.getvalue()
    picture = picture[picture.index("<svg") :]
    picture = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", picture, flags=re.DOTALL)
    picture = re.sub(r"\s*\n\s*", " ", picture)
    # Ids are those of a whole page here, on which every formula has its own letters.
    mark = f"f{zlib.crc32(formula.encode()):x}"
    picture = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{mark}-", picture)
    head = f'<svg role="img" aria-label="{html.escape(formula)}" style="vertical-align:-{depth:.2f}pt" '
    return picture.replace("<svg ", head, 1)
