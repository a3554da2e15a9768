"""What is counted over all scenes of a data set: sizes, bands, pixel sizes, classes; and where scenes differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.core.sampling import SPLITS
from hectares.doctor.finding import Finding
from hectares.errors import GridError

_GSD_RATIO = 1.25
_UNSPLIT = "all"


@dataclass(frozen=True, slots=True)
class ClassRow:
    """What one class has of the labels."""

    name: str
    color: tuple[int, int, int]
    pixels: int
    share: float
    """Of the labelled pixels."""
    area_ha: float | None
    """On the ellipsoid; None where the size of a pixel is unknown."""
    by_split: dict[str, int]
    share_by_split: dict[str, float]
    """Of the labelled pixels of the split."""


@dataclass
class Account:
    """Counts scene by scene."""

    legend: Legend
    scenes: int = 0
    pixels: int = 0
    valid_px: int = 0
    one_class: int = 0
    """Labels that hold a single class."""
    _shapes: list[tuple[int, int]] = field(default_factory=list)
    """The smallest and the largest."""
    _gsd: tuple[float, str, float, str] | None = None
    _bands: dict[int, Counter[tuple[tuple[str, ...], str]]] = field(default_factory=dict)
    _first: dict[tuple[int, tuple[str, ...], str], str] = field(default_factory=dict)
    _placed: Counter[bool] = field(default_factory=Counter)
    _unplaced: str = ""
    _labels: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Labels of each kind, and the first scene."""
    _class_px: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    _labelled_px: Counter[str] = field(default_factory=Counter)
    """Less than the sum over the classes where these overlap."""
    _class_m2: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    _without_area: bool = False

    def add_image(self, number: int, bands: tuple[str, ...], dtype: str, scene: str) -> None:
        """Note what the bands of an image file of a scene are; `number` is its position in the scene."""
        self._bands.setdefault(number, Counter())[bands, dtype] += 1
        self._first.setdefault((number, bands, dtype), scene)

    def add_scene(self, grid: Grid, valid_px: int, gsd_m: float | None, scene: str) -> None:
        """Note size and place of a scene."""
        self.scenes += 1
        self.pixels += grid.window.pixels
        self.valid_px += valid_px
        self._shapes = sorted([*self._shapes, grid.shape], key=lambda s: s[0] * s[1])
        self._shapes = [self._shapes[0], self._shapes[-1]]
        self._placed[grid.is_georeferenced] += 1
        if not grid.is_georeferenced and not self._unplaced:
            self._unplaced = scene
        gsd = pixel_size_m(grid, gsd_m)
        if gsd is not None:
            low, finest, high, coarsest = self._gsd or (gsd, scene, gsd, scene)
            self._gsd = (
                *((gsd, scene) if gsd < low else (low, finest)),
                *((gsd, scene) if gsd > high else (high, coarsest)),
            )

    def add_label_kind(self, kind: str, scene: str) -> None:
        """Note how a label is stored."""
        count, first = self._labels.get(kind, (0, scene))
        self._labels[kind] = (count + 1, first)

    def add_label(
        self, split: str | None, pixels: NDArray[np.int64], area_m2: NDArray[np.float64] | None, labelled_px: int
    ) -> None:
        """Add pixels and areas (K + 1,) of the classes of a label, the last unlabelled, and how many have a label."""
        total = self._class_px.setdefault(split or _UNSPLIT, np.zeros(len(self.legend) + 1, np.int64))
        total += pixels
        self._labelled_px[split or _UNSPLIT] += labelled_px
        self.one_class += int(np.count_nonzero(pixels[:-1]) == 1)
        if area_m2 is None:
            self._without_area = True
        else:
            self._class_m2 = area_m2 + (self._class_m2 if self._class_m2.size else 0)

    @property
    def class_pixels(self) -> dict[str, list[int]]:
        """Pixels of each class by split."""
        return {split: self._class_px[split][:-1].tolist() for split in self._splits}

    @property
    def _splits(self) -> list[str]:
        """Splits in the order of their use, not in that of the scenes."""
        return [s for s in (*SPLITS, _UNSPLIT) if s in self._class_px]

    @property
    def finest_gsd_m(self) -> float | None:
        """The smallest pixel size, None if unknown."""
        return None if self._gsd is None else self._gsd[0]

    def classes(self) -> list[ClassRow]:
        """Give the table of classes."""
        if not self._class_px:
            return []
        total = np.sum([n[:-1] for n in self._class_px.values()], axis=0)
        known = self._class_m2.size and not self._without_area
        return [
            ClassRow(
                c.name,
                c.color,
                int(total[k]),
                float(total[k] / max(1, self._labelled_px.total())),
                float(self._class_m2[k] / 1e4) if known else None,
                {split: int(self._class_px[split][k]) for split in self._splits},
                {split: float(self._class_px[split][k] / max(1, self._labelled_px[split])) for split in self._splits},
            )
            for k, c in enumerate(self.legend.classes)
        ]

    def facts(self) -> dict[str, Any]:
        """Give all that was counted, as a record."""
        (small, large) = self._shapes or ((0, 0), (0, 0))
        bands = [max(found, key=lambda k: found[k]) for _, found in sorted(self._bands.items())]
        present = [row.pixels for row in self.classes() if row.pixels]
        labelled = self._labelled_px.total()
        total = labelled + sum(int(n[-1]) for n in self._class_px.values())
        return {
            "scenes": self.scenes,
            "smallest_px": list(small),
            "largest_px": list(large),
            "gsd_m": None if self._gsd is None else [self._gsd[0], self._gsd[2]],
            "bands": [{"names": list(names), "dtype": dtype} for names, dtype in bands],
            "nodata_share": 1 - self.valid_px / max(1, self.pixels),
            "labelled_share": labelled / total if total else None,
            "imbalance": max(present) / min(present) if len(present) > 1 else None,
        }

    def findings(self, where: str) -> Iterator[Finding]:
        """Say where scenes differ from each other."""
        for number, found in sorted(self._bands.items()):
            usual = max(found, key=lambda k: found[k])
            for (names, dtype), count in found.items():
                if (names, dtype) != usual:
                    scene = self._first[number, names, dtype]
                    what = (
                        f"{count} scene(s) have {len(names)} bands of {dtype} ({', '.join(names)}), "
                        f"the others {len(usual[0])} of {usual[1]} ({', '.join(usual[0])}); first {scene}"
                    )
                    remedy = "choose bands that all have with --bands, or leave these out"
                    yield Finding("bands", "error", where, what, remedy, scene, count=count)
        if self._placed[False]:
            mixed = bool(self._placed[True])
            what = f"{self._placed[False]} of {self.scenes} scenes have no CRS; first {self._unplaced}"
            remedy = "areas will need --gsd-m" if self._gsd is None else "areas are taken from the pixel size"
            yield Finding("CRS", "warning" if mixed else "note", where, what, remedy, count=self._placed[False])
        if self._gsd is not None and self._gsd[2] > _GSD_RATIO * self._gsd[0]:
            low, finest, high, coarsest = self._gsd
            what = f"pixels are {low:.3g} m in {finest} and {high:.3g} m in {coarsest}"
            yield Finding(
                "pixel size", "warning", where, what, "the network learns both; resample if that is not meant"
            )
        if len(self._labels) > 1:
            kinds = ", ".join(f"{count} of {kind} (first {first})" for kind, (count, first) in self._labels.items())
            remedy = "they are read alike here; other programs may take a palette for gray levels"
            yield Finding("label files", "note", where, f"labels are stored in several ways: {kinds}", remedy)
        if self.one_class and any(sum(n) for n in self.class_pixels.values()):
            what = f"{self.one_class} label(s) hold a single class"
            yield Finding("one class", "note", where, what, "they show a network no borders", count=self.one_class)


def pixel_size_m(grid: Grid, gsd_m: float | None) -> float | None:
    """Give metres per pixel by the grid, else as the source says; None if unknown."""
    if not grid.is_georeferenced:
        return gsd_m
    try:
        return sum(grid.gsd) / 2
    except GridError:
        return gsd_m
