"""Frames of chips as bytes."""

import numpy as np
import pytest

from hectares.core.scene import LabelledChip
from hectares.io.chips.frames import ChipShape, pack, unpack


def _chip() -> tuple[LabelledChip, ChipShape]:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 4000, (12, 256, 256)).astype(np.uint16)
    label = rng.integers(0, 9, (256, 256)).astype(np.uint8)
    return LabelledChip(image, np.ones(label.shape, np.bool_), label), ChipShape(
        image.shape, image.dtype, label.shape, "compact"
    )


def test_a_large_chip_is_packed_into_the_same_bytes_every_time():
    chip, shape = _chip()
    assert len({pack(chip, shape) for _ in range(12)}) == 1


@pytest.mark.parametrize("part", [0, 2])
def test_a_frame_of_other_pixels_is_refused_and_leaves_no_old_memory(part: int):
    chip, shape = _chip()
    small = LabelledChip(chip.image[:1, :16, :16], chip.valid[:16, :16], chip.label[:16, :16])
    other = pack(small, ChipShape((1, 16, 16), shape.dtype, (16, 16), "compact"))
    frames = list(pack(chip, shape))
    frames[part] = other[part]
    with pytest.raises(ValueError, match="its frame of"):
        unpack(tuple(map(memoryview, frames)), shape)
