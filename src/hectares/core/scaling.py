"""How values in raster units become what a network sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from hectares.core.band_roles import role_of
from hectares.core.bands import BandStats
from hectares.errors import BandError, ConfigError

ScalingKind = Literal["standard", "percentile", "scene-percentile", "minmax", "depth", "imagenet", "none"]
KINDS: tuple[str, ...] = get_args(ScalingKind)
UNITLESS = 0
"""Depth of a spectral index: its values have no unit, and bit depth and ImageNet leave them as they are."""

_IMAGENET = {"red": (0.485, 0.229), "green": (0.456, 0.224), "blue": (0.406, 0.225)}
_Band = tuple[float, float, bool]
"""What is subtracted, what the rest is divided by, and whether the result is clipped to 0 and 1."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """Subtract and divide, band by band; a band without any spread gives 0.

    - `standard`: mean 0 and deviation 1 over the training pixels;
    - `percentile`: percentiles 2 and 98 of the training pixels to 0 and 1, clipped;
    - `scene-percentile`: the same of each scene by itself, see `for_scene`;
    - `minmax`: smallest and largest value of the training pixels to 0 and 1, clipped;
    - `depth`: 0 and the largest value of so many bits to 0 and 1, clipped; bands without a depth as `standard`;
    - `imagenet`: by depth to 0 and 1, then by mean and deviation of ImageNet for red, green and blue, by name; other
      bands by the mean of the three; bands without a depth as `standard`;
    - `none`: as it is.

    >>> stats = BandStats(("a", "b"), (5.0, 9.0), (2.0, 0.0), low=(1.0, 9.0), high=(9.0, 9.0))
    >>> image = np.array([[[3, 99]], [[9, 9]]], np.uint8)
    >>> Scaling.of("percentile", stats).apply(image).tolist()
    [[[0.25, 1.0]], [[0.0, 0.0]]]
    """

    kind: str
    subtract: tuple[float, ...]
    divide: tuple[float, ...]
    """0 where a band has no spread."""
    clip: tuple[bool, ...]
    """Whether results are clipped to 0 and 1."""

    @classmethod
    def of(cls, kind: str, stats: BandStats, depths: Sequence[int | None] = ()) -> Scaling:
        """Make the scaling of bands with these statistics, and so many bits each (None for floats, 0 for indices).

        Source of the ImageNet numbers: torchvision, as its pretrained networks were trained.
        """
        if kind not in KINDS:
            raise ConfigError(f"scaling {kind!r} is unknown; choose among {', '.join(KINDS)}")
        count = len(stats.names)
        standard: list[_Band] = [(m, s, False) for m, s in zip(stats.mean, stats.std, strict=True)]
        if kind == "standard":
            bands = standard
        elif kind == "none":
            bands = [(0.0, 1.0, False)] * count
        elif kind == "minmax":
            bands = _between(stats.minimum, stats.maximum, kind, count)
        elif kind in {"percentile", "scene-percentile"}:
            bands = _between(stats.low, stats.high, kind, count)
        else:
            if len(depths) != count:
                raise BandError(f"scaling {kind} needs the depth of {count} bands, got {len(depths)}; prepare again")
            known = _by_depth(stats.names, depths, kind)
            bands = [by_stats if band is None else band for by_stats, band in zip(standard, known, strict=True)]
        subtract, divide, clip = zip(*bands, strict=True)
        return cls(kind, subtract, divide, clip)

    @property
    def by_scene(self) -> bool:
        """True if every scene is scaled by its own range; `for_scene` gives that scaling."""
        return self.kind == "scene-percentile"

    def for_scene(self, low: Sequence[float], high: Sequence[float]) -> Scaling:
        """Give the scaling of a scene with these percentiles, if each scene has its own; else the same."""
        if not self.by_scene:
            return self
        bands = _between(low, high, self.kind, len(self.subtract))
        return replace(self, subtract=tuple(b[0] for b in bands), divide=tuple(b[1] for b in bands))

    def apply(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Scale an array (..., C, H, W) in raster units."""
        if image.ndim < 3 or image.shape[-3] != len(self.subtract):
            raise BandError(
                f"an image of shape {image.shape} does not have the {len(self.subtract)} bands of the scaling"
            )
        kind = np.result_type(image.dtype, np.float32)  # float64 where float32 would lose digits of the input
        scaled = image.astype(kind)
        exact = np.array(self.subtract, np.float64)[:, None, None]
        near = exact.astype(kind)
        scaled -= near
        rest = (exact - near).astype(kind)
        if rest.any():  # so that a small spread on top of large values keeps its digits
            scaled -= rest
        scaled *= np.array([1 / d if d > 0 else 0.0 for d in self.divide], kind)[:, None, None]
        if all(self.clip):
            np.clip(scaled, 0, 1, out=scaled)
        elif any(self.clip):
            for band in np.flatnonzero(self.clip):
                plane = scaled[..., band, :, :]
                np.clip(plane, 0, 1, out=plane)
        return scaled.astype(np.float32, copy=False)

    def to_json(self) -> dict[str, Any]:
        """Give the scaling as a record."""
        return {
            "kind": self.kind,
            "subtract": list(self.subtract),
            "divide": list(self.divide),
            "clip": list(self.clip),
        }


def _between(low: Sequence[float], high: Sequence[float], kind: str, count: int) -> list[_Band]:
    if len(low) != count or len(high) != count:
        raise BandError(f"scaling {kind} needs the range of {count} bands, which these chips lack; prepare them again")
    return [(a, max(0.0, b - a), True) for a, b in zip(low, high, strict=True)]


def _by_depth(names: Sequence[str], depths: Sequence[int | None], kind: str) -> list[_Band | None]:
    """Give what depth says of each band; None for bands without one."""
    rgb = _IMAGENET if kind == "imagenet" else {}
    middle = tuple(float(np.mean(numbers)) for numbers in zip(*_IMAGENET.values(), strict=True))
    found: list[_Band | None] = []
    for name, depth in zip(names, depths, strict=True):
        if depth is None or depth == UNITLESS:
            found.append(None if depth is None else (0.0, 1.0, False))
            continue
        top = float(2**depth - 1)
        mean, std = rgb.get(role_of(name, names) or "", middle)
        found.append((mean * top, std * top, False) if rgb else (0.0, top, True))
    return found
