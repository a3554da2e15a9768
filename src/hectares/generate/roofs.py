"""Buildings: wings under gabled, hipped or flat roofs, painted with their clutter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import shapely
from numpy.typing import NDArray

from hectares.generate import spectra
from hectares.generate.legend import Code

if TYPE_CHECKING:
    from hectares.generate.canvas import Canvas, Window
    from hectares.generate.light import Sun
    from hectares.generate.noise import FloatArray, Textures
    from hectares.generate.spectra import Spectrum

RoofForm = Literal["gable", "hip", "flat"]


#: Roof materials and how common they are.
PITCHED: tuple[tuple[float, Spectrum], ...] = (
    (0.28, spectra.TILE_RED),
    (0.10, spectra.TILE_ORANGE),
    (0.20, spectra.TILE_BROWN),
    (0.26, spectra.SLATE),
    (0.15, spectra.METAL_GRAY),
    (0.01, spectra.COPPER),
)
FLAT: tuple[tuple[float, Spectrum], ...] = (
    (0.32, spectra.ROOF_GRAVEL),
    (0.27, spectra.BITUMEN),
    (0.13, spectra.MEMBRANE),
    (0.20, spectra.METAL_GRAY),
    (0.08, spectra.GREEN_ROOF),
)


@dataclass(frozen=True)
class Wing:
    """A rectangle under one roof; its ridge runs along u, the longer side."""

    x_m: float
    y_m: float
    angle_rad: float
    half_length_m: float
    half_width_m: float

    def local(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return u along the ridge and v across it of points, in meters."""
        cos, sin = np.float32(np.cos(self.angle_rad)), np.float32(np.sin(self.angle_rad))
        dx, dy = x - np.float32(self.x_m), y - np.float32(self.y_m)
        return dx * cos + dy * sin, dy * cos - dx * sin

    def place(self, u: float, v: float) -> tuple[float, float]:
        """Return the point at u, v of the wing's own frame in the plan frame."""
        cos, sin = float(np.cos(self.angle_rad)), float(np.sin(self.angle_rad))
        return self.x_m + u * cos - v * sin, self.y_m + u * sin + v * cos

    @property
    def outline(self) -> shapely.Polygon:
        """The rectangle in the plan frame."""
        corners = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)], float)
        u, v = (corners * (self.half_length_m, self.half_width_m)).T
        cos, sin = np.cos(self.angle_rad), np.sin(self.angle_rad)
        return shapely.Polygon(np.stack([self.x_m + u * cos - v * sin, self.y_m + u * sin + v * cos], axis=1))

    @property
    def reach_m(self) -> float:
        """Distance from the middle to a corner."""
        return float(np.hypot(self.half_length_m, self.half_width_m))


@dataclass(frozen=True)
class Building:
    """A building of one or two wings under one kind of roof."""

    wings: tuple[Wing, ...]
    form: RoofForm
    eaves_m: float
    pitch_deg: float
    material: Spectrum
    seam_m: float = 0.0  # distance of the seams of a metal roof, 0 without
    solar: bool = False
    clutter_per_m2: float = 0.0

    @property
    def outline(self) -> shapely.Polygon:
        """The footprint in the plan frame."""
        return shapely.union_all([wing.outline for wing in self.wings])


def pick_roof(rng: np.random.Generator, palette: tuple[tuple[float, Spectrum], ...]) -> Spectrum:
    """Return a roof material, weathered to a shade of its own."""
    shares = np.array([share for share, _ in palette])
    spectrum = palette[rng.choice(len(palette), p=shares / shares.sum())][1]
    gain = rng.uniform(0.78, 1.2)
    red, green, blue, nir = (np.array(spectrum) * gain * rng.normal(1.0, 0.015, 4)).tolist()
    return red, green, blue, nir


def paint_building(canvas: Canvas, building: Building, sun: Sun, textures: Textures, rng: np.random.Generator) -> None:
    """Paint one building: label, roof color, height and how the sun falls on it."""
    main = building.wings[0]
    reach = max(float(np.hypot(w.x_m - main.x_m, w.y_m - main.y_m)) + w.reach_m for w in building.wings)
    window = canvas.window(main.x_m, main.y_m, reach + 1.0)
    if window is None:
        return
    x, y = canvas.coordinates(window)
    top, relief, tone = _roof_surface(building, sun, x, y)
    inside = top > 0.0
    if not inside.any():
        return
    tone = tone * (1.0 + 0.05 * textures.grain[window] + 0.06 * textures.small[window])
    tone *= 1.0 + 0.05 * textures.medium[window]
    color = np.multiply.outer(np.asarray(building.material, np.float32), tone)
    if building.form == "flat":
        top += _add_clutter(rng, building, inside, x, y, color)
    else:
        _add_fittings(rng, building, sun, x, y, color)
        top += _add_chimney(rng, main, x, y, color) if building.eaves_m < 12.0 else 0.0
    _put(canvas, window, inside, top, relief, color)


def _put(
    canvas: Canvas,
    window: Window,
    inside: NDArray[np.bool_],
    top: FloatArray,
    relief: FloatArray,
    color: FloatArray,
) -> None:
    """Write a painted roof into the canvas."""
    canvas.label[window][inside] = Code.BUILDING
    canvas.height_m[window][inside] = top[inside]
    canvas.relief[window][inside] = relief[inside]
    for band in range(4):
        canvas.reflectance[band][window][inside] = color[band][inside]


def _roof_surface(
    building: Building, sun: Sun, x: FloatArray, y: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return height (0 outside), relief and tone (h, w) of a building's roof."""
    shape = np.broadcast_shapes(x.shape, y.shape)
    top, relief, tone = np.zeros(shape, np.float32), np.ones(shape, np.float32), np.ones(shape, np.float32)
    slope = float(np.tan(np.deg2rad(building.pitch_deg))) if building.form != "flat" else 0.0
    for wing in building.wings:
        u, v = wing.local(x, y)
        to_side = wing.half_width_m - np.abs(v)
        to_end = wing.half_length_m - np.abs(u)
        hipped = (to_end < to_side) & (building.form == "hip")
        rise = np.where(hipped, to_end, to_side)
        height = np.where((to_side > 0) & (to_end > 0), building.eaves_m + slope * rise, 0.0)
        # Downhill is away from the ridge: along v on the sides, along u at a hip.
        cos, sin = np.cos(wing.angle_rad), np.sin(wing.angle_rad)
        side, end = -slope * np.sign(v), -slope * np.sign(u)
        slope_x = np.where(hipped, end * cos, -side * sin)
        slope_y = np.where(hipped, end * sin, side * cos)
        higher = height > top
        top = np.where(higher, height, top).astype(np.float32)
        relief = np.where(higher, sun.relief(slope_x, slope_y), relief)
        tone = np.where(higher, _tone(building, u, v, np.minimum(to_side, to_end), hipped), tone)
    return top, relief, tone.astype(np.float32)


def _tone(
    building: Building, u: FloatArray, v: FloatArray, to_edge: FloatArray, hipped: NDArray[np.bool_]
) -> FloatArray:
    """Return the brightness of a roof: ridge tiles, seams, parapets."""
    tone = np.ones(u.shape, np.float32)
    if building.form == "flat":
        tone *= np.where(to_edge < 0.55, 1.22, 1.0)
    else:
        tone *= np.where(np.abs(v) < 0.3, 1.12, 1.0)
        # Courses of tiles fade into a faint banding at this resolution.
        tone *= 1.0 + 0.03 * np.cos(np.where(hipped, u, v) * 5.2)
    if building.seam_m > 0:
        tone *= 1.0 + 0.07 * np.sign(np.cos(2 * np.pi * u / building.seam_m))
    return tone.astype(np.float32)


def _fill(color: FloatArray, where: NDArray[np.bool_], spectrum: Spectrum, gain: float = 1.0) -> None:
    """Set the pixels of a mask in a painted roof (4, h, w) to a material."""
    for band, value in enumerate(spectrum):
        color[band][where] = value * gain


def _rectangle(
    u: FloatArray, v: FloatArray, center: tuple[float, float], half: tuple[float, float]
) -> NDArray[np.bool_]:
    """Return which points lie in a rectangle of a wing's own frame."""
    inside = (np.abs(u - center[0]) < half[0]) & (np.abs(v - center[1]) < half[1])
    return np.asarray(inside, np.bool_)


def _add_fittings(
    rng: np.random.Generator, building: Building, sun: Sun, x: FloatArray, y: FloatArray, color: FloatArray
) -> None:
    """Add solar panels to the sunny side and skylights to a pitched roof."""
    for wing in building.wings:
        u, v = wing.local(x, y)
        sun_x, sun_y = sun.ground_direction
        facing = sun_y * np.cos(wing.angle_rad) - sun_x * np.sin(wing.angle_rad)
        side = float(np.sign(facing)) or 1.0
        half_u, half_v = wing.half_length_m, wing.half_width_m
        if building.solar and half_v > 2.0:
            share = rng.uniform(0.35, 0.8)
            center = (rng.uniform(-0.12, 0.12) * half_u, side * 0.5 * half_v)
            panels = _rectangle(u, v, center, (share * half_u, 0.34 * half_v))
            _fill(color, panels, spectra.SOLAR)
        for _ in range(rng.poisson(0.05 * half_u * half_v / 2)):
            center = (rng.uniform(-0.8, 0.8) * half_u, rng.choice([-1, 1]) * 0.55 * half_v)
            glass = spectra.SOLAR if rng.random() < 0.7 else spectra.MEMBRANE
            _fill(color, _rectangle(u, v, center, (0.5, 0.6)), glass, 1.2)


def _add_chimney(rng: np.random.Generator, wing: Wing, x: FloatArray, y: FloatArray, color: FloatArray) -> FloatArray:
    """Add a chimney beside the ridge and return its height (h, w) above the roof."""
    u, v = wing.local(x, y)
    center = rng.uniform(-0.6, 0.6) * wing.half_length_m, rng.choice([-0.6, 0.6])
    chimney = _rectangle(u, v, center, (0.45, 0.45))
    _fill(color, chimney, spectra.TILE_BROWN)
    return np.where(chimney, 1.2, 0.0).astype(np.float32)


def _add_clutter(
    rng: np.random.Generator,
    building: Building,
    inside: NDArray[np.bool_],
    x: FloatArray,
    y: FloatArray,
    color: FloatArray,
) -> FloatArray:
    """Add air handlers, light domes and panels to a flat roof; return their height (h, w)."""
    height = np.zeros(inside.shape, np.float32)
    for wing in building.wings:
        u, v = wing.local(x, y)
        half_u, half_v = wing.half_length_m, wing.half_width_m
        if building.solar:
            rows = (np.abs(u) < 0.8 * half_u) & (np.abs(v) < 0.72 * half_v) & ((v % 2.6) < 1.5)
            _fill(color, rows & inside, spectra.SOLAR)
        elif half_v > 9.0 and rng.random() < 0.55:
            domes = ((u % 8.0) < 2.2) & ((v % 7.0) < 1.6) & (np.abs(v) < 0.8 * half_v)
            _fill(color, domes & inside, spectra.MEMBRANE, rng.uniform(0.6, 1.1))
        for _ in range(rng.poisson(building.clutter_per_m2 * 4 * half_u * half_v)):
            center = rng.uniform(-0.8, 0.8) * half_u, rng.uniform(-0.8, 0.8) * half_v
            box = _rectangle(u, v, center, (rng.uniform(0.6, 1.9), rng.uniform(0.6, 1.5))) & inside
            _fill(color, box, spectra.METAL_GRAY, rng.uniform(0.6, 1.5))
            height = np.where(box, np.float32(rng.uniform(0.8, 2.0)), height)
    return height
