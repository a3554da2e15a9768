"""What the tutorials run on in tests: the layouts of `tests/layouts`, whose images show their classes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from affine import Affine

from factory import save_raster
from layouts import crowdai, dfc2019, dstl, isprs, leaftype


def _grain(shape: tuple[int, ...], seed: int, spread: float = 12) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, spread, shape)


def _pixels(image: np.ndarray, kind: type = np.uint8) -> np.ndarray:
    return np.clip(image, 1, np.iinfo(kind).max).astype(kind)


def write_roofs(folder: Path) -> None:
    """Write the layout of crowdAI with bright roofs; one image of val occurs in train as well, as many do."""
    rng = np.random.default_rng(5)
    contents = {}
    for split, count in (("train", 5), ("val", 3)):
        shapes = []
        for image in range(count):
            for col in (20, 120, 220):
                row, high, wide = (int(v) for v in rng.integers((30, 25, 25), (200, 60, 60)))
                shapes.append(crowdai.annotation(len(shapes), image, crowdai.square(col, row, wide, high)))
        contents[split] = crowdai.coco(count, shapes)
    crowdai.write_crowdai(folder, train=contents["train"], val=contents["val"])
    for seed, (split, content) in enumerate(contents.items()):
        for image in content["images"]:
            paint = 90 + _grain((3, 300, 300), 10 * seed + image["id"])
            for shape in content["annotations"]:
                if shape["image_id"] == image["id"]:
                    left, top, wide, high = shape["bbox"]
                    paint[:, top : top + high, left : left + wide] += 90
            save_raster(folder / split / "images" / image["file_name"], _pixels(paint))
    copy = folder / "val/images/000000000002.jpg"
    shutil.copy(copy, folder / "train/images/000000000003.jpg")
    shutil.copy(copy, folder / "test_images/000000000000.jpg")


def write_dstl(folder: Path) -> None:
    """Write the layout of DSTL: six labelled images of six regions, two of them in the template, M shifted."""
    ids = ("6010_1_2", "6040_1_0", "6060_2_3", "6100_2_2", "6120_2_0", "6170_0_4")
    dstl.write_dstl(folder, ids=ids, m_shift=(1.0, -1.5))


def write_potsdam(folder: Path) -> None:
    """Write tiles of Potsdam side by side, in colors that differ by class."""
    tiles = ("2_10", "2_11", "2_13", "3_10")
    isprs.write_potsdam(folder, tiles=tiles)
    colors = isprs.COLORS[isprs.class_indices()].transpose(2, 0, 1) // 2 + 40.0
    for number, tile in enumerate(tiles):
        red, green, blue = colors + _grain(colors.shape, number)
        infrared = green + 20
        top = f"top_potsdam_{tile}"
        bands = {"2_Ortho_RGB": ("RGB", red, green, blue), "4_Ortho_RGBIR": ("RGBIR", red, green, blue, infrared)}
        world = isprs.WORLD.replace("366676.025", f"{366676.025 + 4 * number}")
        for place, (kind, *images) in bands.items():
            path = folder / place / f"{top}_{kind}.tif"
            save_raster(path, _pixels(np.stack(images)), crs=None, transform=None, photometric="MINISBLACK")
            path.with_suffix(".tfw").write_text(world)
        (folder / "1_DSM" / f"dsm_potsdam_{tile[0]:>02}_{tile[2:]}.tfw").write_text(world)


LEAF_COLORS = np.array(
    [
        [900] * 12,
        [400, 400, 500, 400, 800, 2200, 2800, 3000, 3100, 3000, 1600, 800],
        [300, 300, 350, 300, 500, 1300, 1600, 1700, 1750, 1700, 900, 450],
    ]
)
"""Reflectance x 10,000 of each class in twelve bands."""


def write_leaftype(folder: Path) -> None:
    """Write the layout of leaf types with spectra by class and a third cell, and a scene of 12 named bands."""
    leaftype.write_leaftype(folder)
    for seed, name in enumerate((*leaftype.IDS, "32N-14E-232N_03_01", "32N-14E-232N_03_02")):
        codes, east = leaftype.label_codes(name), 600_000 + 640 * seed
        label = folder / f"labels/{name}/dlt.tif"
        label.parent.mkdir(exist_ok=True)
        save_raster(label, codes, crs="EPSG:32632", transform=Affine(10, 0, east, 0, -10, 5_300_000))
        (folder / f"images/{name}").mkdir(exist_ok=True)
        _write_spectra(folder / f"images/{name}/07.tif", np.minimum(codes, 2), seed=seed, east=east)
    codes = np.arange(96).repeat(128).reshape(96, 128) // 32
    names = [*(f"B{n:02}" for n in range(1, 9)), "B8A", "B09", "B11", "B12"]
    _write_spectra(folder / "scene.tif", codes, seed=9, east=620_000, names=names)


def _write_spectra(path: Path, codes: np.ndarray, *, seed: int, east: float, names: list[str] | None = None) -> None:
    image = LEAF_COLORS.T[:, codes] + _grain((12, *codes.shape), seed, spread=80)
    transform = Affine(10, 0, east, 0, -10, 5_300_000)
    save_raster(path, _pixels(image, np.uint16), crs="EPSG:32632", transform=transform, names=names or ())


def write_dfc2019(folder: Path) -> None:
    """Write views of six tiles, whose images show their stripes, and a view without labels."""
    dfc2019.write_dfc2019(folder, hidden=True)
    gray = np.array([70, 30, 200, 110, 160, 90.0])[np.arange(64) // 11][None, :, None]
    for number, view in enumerate((*dfc2019.VIEWS, "JAX_003_001", "JAX_004_006", "OMA_005_002")):
        for source in sorted(folder.rglob(f"{dfc2019.VIEWS[0]}_*.tif")):
            target = source.with_name(source.name.replace(dfc2019.VIEWS[0], view))
            if target != source:
                shutil.copy(source, target)
        image = gray + _grain((3, 64, 64), number)
        path = folder / f"Train-Track1-RGB/{view}_RGB.tif"
        save_raster(path, _pixels(image), crs=None, transform=None, photometric="MINISBLACK")
    save_raster(
        folder / "Validate-Track1/JAX_100_003_RGB.tif", _pixels(gray + _grain((3, 64, 64), 7)), crs=None,
        transform=None, photometric="MINISBLACK",
    )  # fmt: skip
