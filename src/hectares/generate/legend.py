"""The classes of the generated scene: codes, names and map colors."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """Label code of each class; 0 is kept for nodata."""

    BUILDING = 1
    ROAD = 2
    TREE = 3
    CROPLAND = 4
    GRASS = 5
    WATER = 6
    BARE = 7


#: (code, name, color) of every class. The hues are spread over lightness as
#: well, so that the map still reads for color-blind eyes and in gray print.
CLASSES: tuple[tuple[int, str, str], ...] = (
    (int(Code.BUILDING), "building", "#b5433a"),
    (int(Code.ROAD), "road", "#4a4a55"),
    (int(Code.TREE), "tree", "#1f6b4a"),
    (int(Code.CROPLAND), "cropland", "#ecc95c"),
    (int(Code.GRASS), "grass", "#a5cf7f"),
    (int(Code.WATER), "water", "#3d84c6"),
    (int(Code.BARE), "bare ground", "#d9c3a9"),
)
