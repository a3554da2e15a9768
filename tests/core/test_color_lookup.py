"""From colors to indices: exactly, whatever the colors are."""

from __future__ import annotations

import numpy as np
import pytest

from hectares.core.color_lookup import UNKNOWN, ColorLookup

PURE = {(255, 255, 255): 0, (0, 0, 255): 1, (255, 0, 0): 2, (0, 0, 0): 255}
MIXED = {(0, 255, 36): 0, (148, 148, 148): 1, (222, 31, 7): 2, (0, 0, 0): 255}


def _slowly(rgb: np.ndarray, colors: dict[tuple[int, int, int], int]) -> np.ndarray:
    return np.array(
        [[colors.get(tuple(rgb[:, r, c]), UNKNOWN) for c in range(rgb.shape[2])] for r in range(rgb.shape[1])]
    )


@pytest.mark.parametrize("colors", [PURE, MIXED])
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (7, 8), (300, 401)])
def test_every_color_gets_its_index(colors: dict[tuple[int, int, int], int], shape: tuple[int, int]):
    known = np.array(list(colors), np.uint8)
    rgb = known[np.random.default_rng(3).integers(0, len(known), shape)].transpose(2, 0, 1)
    indices, all_known = ColorLookup(colors).indices(rgb)
    assert np.array_equal(indices, _slowly(rgb, colors))
    assert all_known


@pytest.mark.parametrize("colors", [PURE, MIXED])
@pytest.mark.parametrize("color", [(255, 255, 254), (1, 0, 255), (255, 0, 255), (128, 128, 128), (0, 255, 35)])
def test_a_single_unknown_color_is_found(colors: dict[tuple[int, int, int], int], color: tuple[int, int, int]):
    rgb = np.zeros((3, 300, 401), np.uint8)
    rgb[:, 299, 400] = color
    indices, all_known = ColorLookup(colors).indices(rgb)
    assert not all_known
    assert np.argwhere(indices == UNKNOWN).tolist() == [[299, 400]]
    assert (indices[0] == 255).all()


def test_an_image_without_pixels_has_no_unknown_color():
    indices, all_known = ColorLookup(PURE).indices(np.zeros((3, 0, 4), np.uint8))
    assert (indices.shape, all_known) == ((0, 4), True)
