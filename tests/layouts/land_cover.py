"""Tiny copies of DeepGlobe, LandCover.ai, LoveDA, OpenEarthMap and FLAIR #1."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from affine import Affine

from factory import save_raster

SIDE = 64
DEEPGLOBE_COLORS = np.array(
    [(0, 255, 255), (255, 255, 0), (255, 0, 255), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)], np.uint8
)


def stripes(count: int, shape: tuple[int, int] = (SIDE, SIDE)) -> np.ndarray:
    """Give numbers 0 to count - 1 (H, W) in stripes from top to bottom, the last one wider."""
    rows = np.minimum(np.arange(shape[0]) // (shape[0] // count), count - 1)
    return np.repeat(rows.astype(np.uint8)[:, None], shape[1], axis=1)


def write(path: Path, image: np.ndarray, *, crs: str | None = None, **options: object) -> None:
    """Write a raster and the folders above it; with a CRS, pixels of 0.25 m."""
    path.parent.mkdir(parents=True, exist_ok=True)
    transform = None if crs is None else Affine(0.25, 0, 300_000, 0, -0.25, 500_000)
    save_raster(path, image, crs=crs, transform=transform, **options)


def picture(bands: int = 3) -> np.ndarray:
    """Give an image (bands, 64, 64) whose bands are 10, 20, 30 ..."""
    return np.repeat(10 * np.arange(1, bands + 1, dtype=np.uint8), SIDE * SIDE).reshape(bands, SIDE, SIDE)


def deepglobe_mask(*, jittered: bool = False) -> np.ndarray:
    """Give seven colors in stripes (3, 64, 64), as a lossy compression leaves them if jittered."""
    colors = DEEPGLOBE_COLORS[stripes(7)].transpose(2, 0, 1).astype(int)
    noise = np.random.default_rng(8).integers(0, 100, colors.shape) if jittered else 0
    return np.where(colors == 255, 255 - noise, noise).astype(np.uint8)


def write_deepglobe(folder: Path) -> Path:
    """Write the flat layout: two pairs to train, and one image of each other part."""
    for name, jittered in (("119", False), ("606", True)):
        write(folder / f"train/{name}_sat.jpg", picture())
        write(folder / f"train/{name}_mask.png", deepglobe_mask(jittered=jittered))
    for part, name in (("valid", "1000"), ("test", "2000")):
        write(folder / f"{part}/{name}_sat.jpg", picture())
    return folder


def write_deepglobe_repack(folder: Path) -> Path:
    """Write the layout with training_data and test_data."""
    for part, name in (("training_data", "1"), ("training_data", "2"), ("test_data", "8")):
        write(folder / f"data/{part}/images/{name}_sat.jpg", picture())
        write(folder / f"data/{part}/masks/{name}_mask.png", deepglobe_mask())
    return folder


TILES = ("M-33-20-D-c-4-2", "N-34-61-B-a-1-1")


def write_landcoverai(folder: Path) -> Path:
    """Write two orthophotos, two cuts of each, and lists that put cuts of one orthophoto on both sides.

    The script that makes the cuts writes their codes into three equal bands.
    """
    lists: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for tile in TILES:
        write(folder / f"images/{tile}.tif", picture(), crs="EPSG:2180")
        write(folder / f"masks/{tile}.tif", stripes(5), crs="EPSG:2180")
        for k, split in enumerate(("train", "val" if tile == TILES[0] else "test")):
            write(folder / f"output/{tile}_{k}.jpg", picture())
            write(folder / f"output/{tile}_{k}_m.png", np.stack([stripes(5)] * 3))
            lists[split].append(f"{tile}_{k}")
    for split, names in lists.items():
        (folder / f"{split}.txt").write_text("\n".join(names) + "\n")
    return folder


def write_loveda(folder: Path) -> Path:
    """Write one image of each part and domain, the same number in all of them; Test has no labels."""
    for part in ("Train", "Val", "Test"):
        for domain in ("Urban", "Rural"):
            write(folder / f"{part}/{domain}/images_png/01.png", picture())
            if part != "Test":
                write(folder / f"{part}/{domain}/masks_png/01.png", stripes(8))
    return folder


def write_openearthmap(folder: Path, *, xbd: bool = False, lists: bool = True) -> Path:
    """Write two regions and an image to test without a label; `xbd` adds a label without its image."""
    for region, numbers in (("aachen", (1, 2)), ("sechura", (7,))):
        for n in numbers:
            write(folder / f"{region}/images/{region}_{n}.tif", picture(), crs="EPSG:32632")
            write(folder / f"{region}/labels/{region}_{n}.tif", stripes(9), crs="EPSG:32632")
    if xbd:
        write(folder / "mexico/labels/mexico_3.tif", stripes(9), crs="EPSG:32614")
    if lists:
        write(folder / "sechura/images/sechura_8.tif", picture(), crs="EPSG:32632")
        (folder / "train.txt").write_text("aachen_1.tif\naachen_2.tif\n")
        (folder / "val.txt").write_text("sechura_7.tif\n")
        (folder / "test.txt").write_text("sechura_8.tif\n")
    return folder


def write_flair(folder: Path, *, test_labels: bool = True) -> Path:
    """Write an image of a domain to train, to validate and to test; the three have areas of one name."""
    for domain, part in (("D006_2020", "train"), ("D004_2021", "train"), ("D012_2019", "test")):
        name = f"{domain}/Z10_UU"
        number = f"{int(domain[1:4]):06}"
        image, label = picture(5), stripes(19) + 1
        write(
            folder / f"flair_aerial_{part}/{name}/img/IMG_{number}.tif",
            image,
            crs="EPSG:2154",
            photometric="MINISBLACK",
        )
        if part == "train" or test_labels:
            write(folder / f"flair_labels_{part}/{name}/msk/MSK_{number}.tif", label, crs="EPSG:2154")
    return folder
