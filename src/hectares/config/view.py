"""Knobs of `view`."""

from __future__ import annotations

from dataclasses import dataclass

from hectares.config.checks import at_least, needs
from hectares.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ViewConfig:
    """How class maps become a page to look at."""

    scene: tuple[str, ...] = ()
    """Image to lay the maps over, in the CRS of the maps; may be given several times, for several dates."""
    scores: tuple[str, ...] = ()
    """Raster of scores of 0 to 1 on the grid of the map, one band or one a class; one for each map, in their order."""
    areas: tuple[str, ...] = ()
    """Table that `measure` wrote for one of the maps, taken instead of counting again; may be given several times."""
    zones: str | None = None
    """Vector file of zones, FILE or FILE:LAYER, in any CRS; drawn, with the areas of the classes in each."""
    zone_field: str | None = None
    """Attribute that names a zone; by default the first text attribute."""
    polygons: str | None = None
    """Vector file of polygons to draw, FILE or FILE:LAYER, in any CRS; a click tells the area of one."""
    title: str | None = None
    """Heading of the page; by default the name of the first map."""
    rgb: str | None = None
    """Bands of the scenes shown as red, green and blue, by 1-based number or name: 4,3,2; by default by their names."""
    gsd_m: float | None = None
    """Meters per pixel, only for maps without georeference."""
    max_px: int = 32_768
    """Longest side of the finest tiles of a map; a larger map keeps every second, fourth ... pixel."""
    scene_px: int = 8_192
    """Longest side of the finest tiles of a scene: most of the size of the folder."""
    max_polygons: int = 20_000
    """Polygons on the page; of more, the largest."""

    def __post_init__(self) -> None:
        at_least(1e-6, gsd_m=self.gsd_m)
        at_least(256, max_px=self.max_px, scene_px=self.scene_px)
        at_least(1, max_polygons=self.max_polygons)
        needs("--zones", given=self.zones is not None, zone_field=self.zone_field is not None)
        needs("--scene", given=bool(self.scene), rgb=self.rgb is not None)
        if self.rgb is not None and self.rgb.count(",") not in {0, 2}:
            raise ConfigError(f"--rgb is {self.rgb!r}; expected three bands as in 4,3,2, or one")
