"""Pictures with a palette whose pixels are codes: for people, and as class maps of scenes without a place.

A class map as PNG holds legend, provenance and seal in its text. Where the place is known a world file and a .prj tell
it. Every chunk of a PNG has a checksum of its own, which notices any changed byte.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from hectares.core.legend import IGNORE, MAP_NODATA, Color, Legend
from hectares.io.artefact import plain

NODATA_COLOR: Color = (235, 235, 235)
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class PalettePng:
    """A PNG of codes with a palette, written from top to bottom."""

    def __init__(
        self, file: BinaryIO, shape: tuple[int, int], legend: Legend, texts: Mapping[str, str] | None = None
    ) -> None:
        """Begin a picture (H, W) whose pixels are codes of a legend for maps; nodata is transparent.

        `texts` are kept in it by keyword, in ASCII.
        """
        self._file = file
        self._packer = zlib.compressobj(6)
        palette = np.zeros((IGNORE + 1, 3), np.uint8)
        palette[list(legend.codes)] = [c.color for c in legend.classes]
        palette[MAP_NODATA] = NODATA_COLOR
        opacity = np.full(IGNORE + 1, 255, np.uint8)
        opacity[MAP_NODATA] = 0
        height, width = shape
        file.write(_SIGNATURE)
        self._chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0))  # 8 bits, colors by palette
        self._chunk(b"PLTE", palette.tobytes())
        self._chunk(b"tRNS", opacity.tobytes())
        for keyword, text in (texts or {}).items():
            self._chunk(b"tEXt", f"{keyword}\0{text}".encode("ascii"))

    def write(self, codes: NDArray[np.uint8]) -> None:
        """Append rows (h, W)."""
        rows = np.concatenate([np.zeros((len(codes), 1), np.uint8), codes], axis=1)  # 0: the row is not filtered
        self._chunk(b"IDAT", self._packer.compress(rows.tobytes()))

    def finish(self) -> None:
        """Write the end."""
        self._chunk(b"IDAT", self._packer.flush())
        self._chunk(b"IEND", b"")
        self._file.flush()

    def _chunk(self, kind: bytes, content: bytes) -> None:
        if content or kind == b"IEND":
            self._file.write(struct.pack(">I", len(content)) + kind + content)
            self._file.write(struct.pack(">I", zlib.crc32(kind + content)))


def ascii_json(content: object) -> str:
    """Write JSON that a text chunk can hold: what is not ASCII is escaped.

    >>> ascii_json({"name": "süß"}).isascii()
    True
    """
    return json.dumps(plain(content), sort_keys=True, allow_nan=False)


def damage_of(path: Path) -> str | None:
    """Say where a PNG does not fit its checksums; None if all of it does, to the last byte."""
    content = path.read_bytes()
    if not content.startswith(_SIGNATURE):
        return "the signature at byte 0"
    at = len(_SIGNATURE)
    while at + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        kind, end = content[at + 4 : at + 8], at + 12 + length
        if end > len(content) or zlib.crc32(content[at + 4 : end - 4]) != struct.unpack_from(">I", content, end - 4)[0]:
            return f"the chunk at byte {at}"
        at = end
        if kind == b"IEND":
            break
    else:
        return "the end is missing"
    return None if at == len(content) else f"bytes after the end, from {at}"
