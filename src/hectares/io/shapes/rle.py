"""Run lengths of COCO masks, checked before anything is decoded from them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ZERO = 48
"""Character of the value 0; each of the 64 characters from here holds five bits, a sign and a `more` flag."""
_WELL_FORMED = re.compile(r"(?:[P-o]{0,5}[0-O])*")
"""Numbers of at most six characters: runs of at most 2^29 pixels; all but the last of a number have the flag."""


def run_lengths(counts: bytes) -> NDArray[np.int64]:
    """Decode compressed counts that are well formed into lengths of runs, of 0 and 1 in turn, columns first.

    Source: rleFrString of the COCO API: signed numbers of base 32, each from the fourth on minus the one two before.

    >>> run_lengths(b"237").tolist()
    [2, 3, 7]
    """
    characters = np.frombuffer(counts, np.uint8)
    last = np.flatnonzero(characters < _ZERO + 32)
    digits = (characters & 31) ^ (_ZERO & 31)
    values = digits[last].astype(np.int64)
    values -= (values & 16) << 1
    size = last + 1
    size[1:] -= size[:-1].copy()
    length, longer = 1, np.flatnonzero(size > 1)
    while longer.size:
        values[longer] = (values[longer] << 5) + digits[last[longer] - length]
        length += 1
        longer = longer[size[longer] > length]
    values[1::2].cumsum(out=values[1::2])
    values[2::2].cumsum(out=values[2::2])
    return values


def _text_fault(counts: str) -> str | None:
    """Say why a text is no compressed counts, or give None."""
    if not _WELL_FORMED.fullmatch(counts):
        strange = re.search(r"[^0-o]", counts)
        if strange is not None:
            return f"holds {strange.group()!r}, which compressed counts do not have"
        if counts[-1:] >= "P":
            return "ends in the middle of a number"
        return "holds a run of more than 2^29 pixels"
    return None


def decode_runs(counts: bytes, height: int, width: int) -> NDArray[np.bool_]:
    """Give the mask (height, width) of compressed counts whose sum is right; columns first in memory.

    >>> decode_runs(b"024", 2, 3).astype(int).tolist()
    [[1, 0, 0], [1, 0, 0]]
    """
    lengths = run_lengths(counts)
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(width, height).T


def rle_fault(segmentation: dict[str, Any], height: int, width: int) -> str | None:
    """Say why a run-length segmentation is no mask of an image, or give None.

    pycocotools believes the size that stands in it, and fills what short counts leave open with stray memory.

    >>> rle_fault({"size": [2, 3], "counts": [1, 4]}, 2, 3)
    'has counts that sum up to 5; expected 2 x 3 = 6'
    """
    if "size" not in segmentation or "counts" not in segmentation:
        return "is an object without size and counts; expected {size: [height, width], counts}"
    size, counts = segmentation["size"], segmentation["counts"]
    if not isinstance(size, list) or size != [height, width]:
        return f"has size {_short(size)}; its image has [height, width] = [{height}, {width}]"
    if isinstance(counts, str):
        fault = _text_fault(counts)
        if fault is not None:
            return f"has compressed counts that cannot be read: the text {fault}"
        lengths = run_lengths(counts.encode("ascii"))
        total, least = int(lengths.sum()), int(lengths.min(initial=0))
    elif isinstance(counts, list) and all(type(n) is int for n in counts):
        total, least = sum(counts), min(counts, default=0)
    else:
        return f"has counts {_short(counts)}; expected a list of whole numbers or a compressed text"
    if least < 0:
        return f"has a negative count, {least}"
    if total != height * width:
        return f"has counts that sum up to {total}; expected {height} x {width} = {height * width}"
    return None


def _short(value: object, longest: int = 40) -> str:
    text = repr(value[:8] if isinstance(value, Sequence) else value)
    return text if len(text) <= longest else f"{text[:longest]}..."
