"""Reflectance of the materials in the scene (red, green, blue, near infrared).

Many lie close together on purpose, as they do in nature: an asphalt road, a
gray roof and a gravel yard, or a lawn and a young crop, are told apart by shape
and texture rather than by color.
"""

from __future__ import annotations

from typing import Final

Spectrum = tuple[float, float, float, float]

# Ground without plants.
SOIL_DARK: Final[Spectrum] = (0.150, 0.124, 0.098, 0.200)
SOIL_LIGHT: Final[Spectrum] = (0.272, 0.232, 0.182, 0.318)
SOIL_RED: Final[Spectrum] = (0.250, 0.176, 0.130, 0.312)
GRAVEL: Final[Spectrum] = (0.330, 0.284, 0.218, 0.372)
GRAVEL_GRAY: Final[Spectrum] = (0.235, 0.224, 0.206, 0.258)
SAND: Final[Spectrum] = (0.312, 0.274, 0.214, 0.362)
ROCK: Final[Spectrum] = (0.275, 0.256, 0.225, 0.308)

# Paving.
ASPHALT_OLD: Final[Spectrum] = (0.212, 0.202, 0.184, 0.228)
ASPHALT_NEW: Final[Spectrum] = (0.112, 0.109, 0.104, 0.126)
CONCRETE: Final[Spectrum] = (0.300, 0.285, 0.260, 0.328)
PAVERS: Final[Spectrum] = (0.262, 0.242, 0.218, 0.296)
MARKING: Final[Spectrum] = (0.480, 0.475, 0.460, 0.500)

# Roofs.
TILE_RED: Final[Spectrum] = (0.300, 0.158, 0.110, 0.370)
TILE_ORANGE: Final[Spectrum] = (0.365, 0.212, 0.140, 0.430)
TILE_BROWN: Final[Spectrum] = (0.190, 0.130, 0.105, 0.260)
SLATE: Final[Spectrum] = (0.104, 0.104, 0.108, 0.128)
METAL_GRAY: Final[Spectrum] = (0.262, 0.258, 0.250, 0.290)
BITUMEN: Final[Spectrum] = (0.158, 0.152, 0.144, 0.175)
ROOF_GRAVEL: Final[Spectrum] = (0.285, 0.270, 0.245, 0.318)
MEMBRANE: Final[Spectrum] = (0.430, 0.425, 0.410, 0.450)
COPPER: Final[Spectrum] = (0.185, 0.255, 0.225, 0.290)
SOLAR: Final[Spectrum] = (0.040, 0.050, 0.085, 0.080)
GREEN_ROOF: Final[Spectrum] = (0.165, 0.175, 0.095, 0.330)

# Plants.
LAWN: Final[Spectrum] = (0.094, 0.128, 0.068, 0.415)
LAWN_DRY: Final[Spectrum] = (0.190, 0.182, 0.110, 0.370)
MEADOW: Final[Spectrum] = (0.108, 0.138, 0.072, 0.400)
MEADOW_PALE: Final[Spectrum] = (0.165, 0.175, 0.102, 0.405)
WHEAT: Final[Spectrum] = (0.082, 0.118, 0.060, 0.440)
WHEAT_TURNING: Final[Spectrum] = (0.178, 0.182, 0.095, 0.405)
GRAIN_RIPE: Final[Spectrum] = (0.320, 0.262, 0.165, 0.395)
STRAW: Final[Spectrum] = (0.390, 0.330, 0.222, 0.450)
MAIZE: Final[Spectrum] = (0.066, 0.102, 0.050, 0.390)
BEET: Final[Spectrum] = (0.076, 0.130, 0.060, 0.480)
RAPESEED: Final[Spectrum] = (0.232, 0.230, 0.088, 0.450)
FOREST_FLOOR: Final[Spectrum] = (0.050, 0.068, 0.038, 0.240)
LEAF_DARK: Final[Spectrum] = (0.064, 0.096, 0.050, 0.365)
LEAF_MID: Final[Spectrum] = (0.088, 0.126, 0.061, 0.430)
LEAF_LIGHT: Final[Spectrum] = (0.122, 0.155, 0.074, 0.465)
LEAF_COPPER: Final[Spectrum] = (0.110, 0.080, 0.055, 0.360)
CONIFER: Final[Spectrum] = (0.040, 0.068, 0.042, 0.255)

# Water.
WATER_DEEP: Final[Spectrum] = (0.066, 0.076, 0.068, 0.068)
WATER_SHALLOW: Final[Spectrum] = (0.118, 0.122, 0.092, 0.120)
POND: Final[Spectrum] = (0.060, 0.080, 0.058, 0.085)
