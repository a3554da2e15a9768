"""The frames of a chip: image, valid mask and label as bytes, packed or not, and the hash of what they mean."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numcodecs import Blosc
from numpy.typing import NDArray

from hectares.core.scene import LabelledChip

Packing = Literal["compact", "raw", "scenes"]


@dataclass(frozen=True, slots=True)
class ChipShape:
    """What the frames of a store hold."""

    image: tuple[int, int, int]
    dtype: np.dtype[Any]
    label: tuple[int, ...]
    packing: Packing

    @property
    def square(self) -> tuple[int, int]:
        """Height and width of a chip."""
        return self.image[1:]


def pack(chip: LabelledChip, shape: ChipShape) -> tuple[bytes, bytes, bytes]:
    """Give the frames of image, valid mask and label."""
    assert chip.image.shape == shape.image
    assert chip.label.shape == shape.label
    image = np.ascontiguousarray(chip.image, shape.dtype)
    valid = b"" if chip.valid.all() else np.packbits(chip.valid).tobytes()
    return (
        image.tobytes() if shape.packing == "raw" else _encode(image, Blosc.BITSHUFFLE),
        valid,
        _encode(np.ascontiguousarray(chip.label, np.uint8), Blosc.NOSHUFFLE),
    )


def unpack(frames: tuple[memoryview, memoryview, memoryview], shape: ChipShape) -> LabelledChip:
    """Give the chip of three frames. Raises ValueError or RuntimeError if they are damaged."""
    image_frame, valid_frame, label_frame = frames
    if shape.packing == "raw":
        image = np.frombuffer(image_frame, shape.dtype).reshape(shape.image)
    else:
        image = np.empty(shape.image, shape.dtype)
        _decode(image_frame, image)
    if len(valid_frame) == 0:
        valid = np.ones(shape.square, np.bool_)
    else:
        bits = np.unpackbits(np.frombuffer(valid_frame, np.uint8), count=shape.square[0] * shape.square[1])
        valid = bits.reshape(shape.square).view(np.bool_)
    label = np.empty(shape.label, np.uint8)
    _decode(label_frame, label)
    return LabelledChip(image, valid, label)


def _encode(array: NDArray[Any], shuffle: int) -> bytes:
    """Pack an array into a frame of one block: the blocks of a frame of several stand in the order they were ready.

    Bits pack best in images of more than 8 bits, bytes in labels: measured on real scenes, see docs/decisions/013.
    """
    return bytes(Blosc("zstd", clevel=1, shuffle=shuffle, blocksize=array.nbytes).encode(array))


def _decode(frame: memoryview, out: NDArray[Any]) -> None:
    """Fill `out` from a frame of Blosc, whose header must promise just that: less would leave old memory in it."""
    whole, packed = int.from_bytes(frame[4:8], "little"), int.from_bytes(frame[12:16], "little")
    if whole != out.nbytes or packed != len(frame):
        raise ValueError(f"its frame of {len(frame)} bytes holds {whole} of {out.nbytes}")
    Blosc().decode(frame, out)


def hash_chip(chip: LabelledChip) -> str:
    """Give the SHA-256 of the decoded pixels, whatever the packing."""
    digest = hashlib.sha256(np.ascontiguousarray(chip.image).data)
    digest.update(np.packbits(chip.valid).data)
    digest.update(np.ascontiguousarray(chip.label).data)
    return digest.hexdigest()
