"""A label in colors to class indices, against the loop that everybody writes first and against a plain table.

All three refuse unknown colors and give the same indices. Runs are interleaved, and the median is shown.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hectares.core.legend import Legend

NAMES = ("impervious surface", "building", "low vegetation", "tree", "car", "clutter")
COLORS = ("#ffffff", "#0000ff", "#00ffff", "#00ff00", "#ffff00", "#ff0000")
LEGEND = Legend.from_json({"classes": [{"name": n, "color": c} for n, c in zip(NAMES, COLORS, strict=True)]})
PALETTE = np.array([c.color for c in LEGEND.classes], np.uint8)
UNKNOWN = 254

Encoder = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


def make_label(side: int) -> NDArray[np.uint8]:
    """Blobs of a few dozen pixels, as a city has."""
    coarse = np.random.default_rng(1).integers(0, len(LEGEND), (side // 32 + 1,) * 2, dtype=np.uint8)
    indices = np.kron(coarse, np.ones((32, 32), np.uint8))[:side, :side]
    return np.ascontiguousarray(PALETTE[indices].transpose(2, 0, 1))


def compare_each_color(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One comparison of the whole image (H, W, 3) a class."""
    indices = np.full(image.shape[:2], UNKNOWN, np.uint8)
    for index, color in enumerate(PALETTE):
        indices[np.all(image == color, axis=-1)] = index
    if (indices == UNKNOWN).any():
        raise ValueError("unknown color")
    return indices


def look_up(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A table of 2^24 entries, whole image at once."""
    table = np.full(1 << 24, UNKNOWN, np.uint8)
    table[PALETTE.astype(np.int64) @ (1 << 16, 1 << 8, 1)] = range(len(PALETTE))
    wide = rgb.astype(np.uint32)
    indices = table[(wide[0] << 16) | (wide[1] << 8) | wide[2]]
    if (indices == UNKNOWN).any():
        raise ValueError("unknown color")
    return indices


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=6000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    rgb = make_label(given.side)
    image = np.ascontiguousarray(rgb.transpose(1, 2, 0))  # as picture libraries give it, and people compare it
    ways: dict[str, tuple[Encoder, NDArray[np.uint8]]] = {
        "hectares": (LEGEND.encode_colors, rgb),
        "table of 2^24": (look_up, rgb),
        "np.all a color": (compare_each_color, image),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(given.rounds):
        results = []
        for name, (encode, pixels) in ways.items():
            started = time.perf_counter()
            results.append(encode(pixels))
            seconds[name].append(time.perf_counter() - started)
        assert all(np.array_equal(results[0], other) for other in results[1:])
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, value in medians.items():
        print(f"{name:<16} {value:7.3f} s  {given.side**2 / 1e6 / value:7.1f} Mpx/s")
    ratios = {
        "all_over_hectares": medians["np.all a color"] / medians["hectares"],
        "table_over_hectares": medians["table of 2^24"] / medians["hectares"],
    }
    print(json.dumps({"side_px": given.side, "seconds": medians, **ratios}))


if __name__ == "__main__":
    main()
