"""Spectral indices: bands computed from bands, by a known formula or one of the user."""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.errors import ConfigError

FORMULAS: Mapping[str, str] = {
    "ndvi": "(nir-red)/(nir+red)",
    "ndwi": "(green-nir)/(green+nir)",
    "mndwi": "(green-swir1)/(green+swir1)",
    "evi": "2.5*(nir-red)/(nir+6*red-7.5*blue+1)",
    "savi": "1.5*(nir-red)/(nir+red+0.5)",
    "ndre": "(nir-red_edge)/(nir+red_edge)",
    "ccci": "(nir-red_edge)/(nir+red_edge)*(nir-red)/(nir+red)",
    "ccci_ratio": "((nir-red_edge)/(nir+red_edge))/((nir-red)/(nir+red))",
    "dstl_ndwi": "(green-nir2)/(green+nir2)",
    "dstl_evi": "(nir2-red)/(nir2+6*red-7.5*blue+1)",
    "dstl_savi": "(nir2-red)/(nir2+red)",
    "dstl_ccci": "(nir2-red_edge)/(nir2+red_edge)*(nir2-red)/(nir2+red)",
}
"""The indices that are known by name.

Source: NDVI Rouse et al. 1974; NDWI McFeeters 1996; MNDWI Xu 2006; EVI Huete et al. 2002; SAVI Huete 1988 with
L = 0.5; CCCI Barnes et al. 2000, which as the ratio NDRE / NDVI has no bounds where NDVI is near 0. As `ccci` it is
their product, between -1 and 1, which is what the networks of the DSTL contest were fed with and whose values above
0.11 were taken for water. Those of `dstl_` are all of that kind (github.com/ternaus/kaggle_dstl_submission): from
NIR2, EVI without gain and SAVI without L.
"""
NEED_REFLECTANCE = {"evi", "savi", "dstl_evi"}
"""Indices with constants that only fit reflectance of 0 to 1; in the others the unit cancels."""

MAX_LENGTH = 300
MAX_DEPTH = 30
_Operator = Callable[..., Any]
_OPERATORS: dict[type[ast.AST], _Operator] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
    ast.USub: np.negative,
    ast.UAdd: np.positive,
}
_FUNCTIONS: dict[str, tuple[_Operator, int]] = {
    "min": (np.minimum, 2),
    "max": (np.maximum, 2),
    "abs": (np.abs, 1),
    "sqrt": (np.sqrt, 1),
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FOREIGN = re.compile(r"[^A-Za-z0-9_ .,+\-*/()]")


@dataclass(frozen=True, slots=True)
class SpectralIndex:
    """A band that is computed from others.

    >>> ndvi = parse_index("ndvi")
    >>> ndvi.words
    ('nir', 'red')
    >>> values, defined = ndvi.compute({"nir": np.array([[3, 0]], np.uint8), "red": np.array([[1, 0]], np.uint8)})
    >>> values.tolist(), defined.tolist()
    ([[0.5, 0.0]], [[True, False]])
    """

    name: str
    formula: str
    words: tuple[str, ...]
    """Bands in the formula, in the order in which they come."""
    needs_reflectance: bool
    """True if it means something only for values of 0 to 1."""
    _tree: ast.expr = field(repr=False, compare=False)

    def compute(self, bands: Mapping[str, NDArray[Any]]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Give the values, and where they are defined; elsewhere (division by zero) they are 0.

        `bands` holds an array (h, w) for each of `words`, in reflectance if that is needed.
        """
        arrays = {word: bands[word].astype(np.float32) for word in self.words}
        with np.errstate(all="ignore"):
            values: NDArray[np.float32] = np.asarray(_evaluate(self._tree, arrays), np.float32)
        defined = np.isfinite(values)
        return np.where(defined, values, np.float32(0)), defined


def parse_index(text: str) -> SpectralIndex:
    """Read the name of a known index, or `name=formula`. Raises ConfigError saying where it cannot be read.

    Formulas have names of bands, numbers, + - * / **, parentheses, min(a,b), max(a,b), abs(a) and sqrt(a).

    >>> parse_index("nbr = (nir - swir2) / (nir + swir2)").words
    ('nir', 'swir2')
    >>> parse_index("x=nir+")
    Traceback (most recent call last):
        ...
    hectares.errors.ConfigError: index 'x=nir+': cannot be read at character 7
    """
    name, equals, formula = text.partition("=")
    name = name.strip()
    if not equals:
        if name.lower() not in FORMULAS:
            raise ConfigError(f"index {text!r} is unknown; choose among {', '.join(FORMULAS)}, or give name=formula")
        name = name.lower()
        formula = FORMULAS[name]
    if not _NAME.fullmatch(name):
        raise ConfigError(f"index {text!r}: {name!r} is no name; it starts with a letter and has letters, digits and _")
    tree = _parse(text, formula)
    words = tuple(dict.fromkeys(node.id for node in _in_order(tree)))
    if not words:
        raise ConfigError(f"index {text!r}: its formula names no band")
    return SpectralIndex(name, formula.strip(), words, not equals and name in NEED_REFLECTANCE, tree)


def split_indices(text: str) -> tuple[str, ...]:
    """Divide a list of indices at the commas that are not inside parentheses.

    >>> split_indices("ndvi, bright=max(red,nir)")
    ('ndvi', 'bright=max(red,nir)')
    """
    parts, depth = [""], 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += character
    return tuple(part.strip() for part in parts if part.strip())


def _parse(text: str, formula: str) -> ast.expr:
    start = len(text) - len(formula) if text.endswith(formula) else 0
    start += len(formula) - len(formula.lstrip())
    formula = formula.strip()
    if not formula or len(formula) > MAX_LENGTH:
        raise ConfigError(f"index {text[:40]!r}: its formula has {len(formula)} characters; expected 1 to {MAX_LENGTH}")
    foreign = _FOREIGN.search(formula)
    if foreign:
        raise _refusal(text, start + foreign.start(), f"{foreign[0]!r} does not belong into a formula")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Python's own syntax; what is wrong here is refused below
            tree = ast.parse(formula, mode="eval").body
    except (SyntaxError, RecursionError, MemoryError) as error:
        at = getattr(error, "offset", None) or len(formula) + 1  # Python counts from 1, and says 0 for the end
        raise ConfigError(f"index {text!r}: cannot be read at character {start + at}") from None
    _check(text, tree, start, 1)
    return tree


def _check(text: str, node: ast.expr, start: int, depth: int) -> None:
    """Refuse everything that is not on the list, wherever it stands."""
    at = start + node.col_offset
    if depth > MAX_DEPTH:
        raise _refusal(text, at, f"is nested more than {MAX_DEPTH} deep")
    match node:
        case ast.Name():
            return
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool) and _is_finite(value):
            return
        case ast.BinOp(op=operator) if type(operator) in _OPERATORS:
            inner = [node.left, node.right]
        case ast.UnaryOp(op=operator) if type(operator) in _OPERATORS:
            inner = [node.operand]
        case ast.Call(func=ast.Name(id=name), keywords=[]) if name in _FUNCTIONS:
            if len(node.args) != _FUNCTIONS[name][1]:
                raise _refusal(text, at, f"{name} takes {_FUNCTIONS[name][1]} value(s), here {len(node.args)}")
            inner = node.args
        case _:
            known = "names of bands, numbers, + - * / **, parentheses, min, max, abs and sqrt"
            raise _refusal(text, at, f"expected {known}")
    for child in inner:
        _check(text, child, start, depth + 1)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer of hundreds of digits
        return False


def _refusal(text: str, at: int, why: str) -> ConfigError:
    return ConfigError(f"index {text!r}: at character {at + 1}, {why}")


def _in_order(node: ast.expr) -> Iterator[ast.Name]:
    match node:
        case ast.Name():
            yield node
        case ast.BinOp():
            yield from _in_order(node.left)
            yield from _in_order(node.right)
        case ast.UnaryOp():
            yield from _in_order(node.operand)
        case ast.Call():
            for argument in node.args:
                yield from _in_order(argument)


def _evaluate(node: ast.expr, bands: Mapping[str, NDArray[np.float32]]) -> Any:
    match node:
        case ast.Name(id=name):
            return bands[name]
        case ast.Constant(value=value):
            return np.float32(value)  # type: ignore[arg-type]
        case ast.BinOp(op=operator):
            return _OPERATORS[type(operator)](_evaluate(node.left, bands), _evaluate(node.right, bands))
        case ast.UnaryOp(op=operator):
            return _OPERATORS[type(operator)](_evaluate(node.operand, bands))
        case ast.Call(func=ast.Name(id=name)):
            return _FUNCTIONS[name][0](*(_evaluate(a, bands) for a in node.args))
    raise AssertionError(ast.dump(node))  # _check lets nothing else pass
