"""Areas of classes on their way from pixels to polygons."""

from __future__ import annotations

from dataclasses import dataclass

COLUMNS = ("class_id", "class_name", "polygons", "raster_m2", "kept_m2", "polygon_m2", "difference_m2", "difference")
M2_PER_HA = 10_000.0


@dataclass(frozen=True)
class ClassLedger:
    """Areas of one class on their way from pixels to polygons.

    >>> ledger = ClassLedger(3, "forest", 12, raster_m2=5000.0, kept_m2=4000.0, polygon_m2=4004.0)
    >>> ledger.difference_m2, ledger.difference
    (4.0, 0.001)
    """

    class_id: int
    name: str
    polygons: int
    raster_m2: float
    """Of the pixels of the map."""
    kept_m2: float
    """Of the pixels after small objects and holes were dealt with."""
    polygon_m2: float

    @property
    def difference_m2(self) -> float:
        """What simplifying and right angles changed; without them nothing but rounding."""
        return self.polygon_m2 - self.kept_m2

    @property
    def difference(self) -> float:
        """The same as a share of the area."""
        return self.difference_m2 / self.kept_m2 if self.kept_m2 else 0.0

    def row(self) -> tuple[object, ...]:
        """Give the values of `COLUMNS`."""
        found = (self.class_id, self.name, self.polygons, self.raster_m2, self.kept_m2, self.polygon_m2)
        return (*found, self.difference_m2, self.difference)
