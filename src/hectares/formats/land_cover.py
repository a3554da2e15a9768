"""Land cover of whole scenes: DeepGlobe, LandCover.ai, LoveDA, OpenEarthMap and FLAIR #1."""

from __future__ import annotations

import re
from pathlib import Path

from hectares.config.source import SourceConfig
from hectares.formats.listing import list_files
from hectares.formats.pairing import Column, Pairs, by_id, root_of, split_in
from hectares.formats.registry import Format
from hectares.io.catalog import Catalog
from hectares.io.split_lists import read_lists
from hectares.monitor import Monitor

_LISTS = ("train.txt", "val.txt", "test.txt")


# --- DeepGlobe --------------------------------------------------------------------------------------------

_REPACK_SPLITS = {"training_data": "train", "test_data": "test"}


def read_deepglobe(source: Path, layout: Format, config: SourceConfig, monitor: Monitor) -> Catalog:
    """Give the catalog of pairs ID_sat.jpg and ID_mask.png. Raises CatalogError with all that lack a partner."""
    root = root_of(source, {"images", "masks"})
    files = list_files(root)
    image = Column("image", by_id(files, r"(\d+)_sat\.jpe?g", _first), "train/119_sat.jpg")
    label = Column("label", by_id(files, r"(\d+)_mask\.png", _first), "train/119_mask.png")
    hidden = [name for name, path in image.files.items() if path.parent.name.lower() in {"valid", "test"}]

    def split_of(name: str) -> str | None:
        return _REPACK_SPLITS.get(image.files[name].parent.parent.name.lower())

    pairs = Pairs(root, [image], label, split_of=split_of)
    return pairs.without_unlabelled(hidden).catalog(layout, config, monitor)


# --- LandCover.ai -----------------------------------------------------------------------------------------


def read_landcoverai(source: Path, layout: Format, config: SourceConfig, monitor: Monitor) -> Catalog:
    """Give the catalog of whole tiles, or of the cuts that its script makes, with their official split.

    Raises CatalogError with all tiles or cuts that lack a partner or a place in the lists.
    """
    root = root_of(source, {"images", "masks", "output"})
    files = list_files(root)
    kind = layout.choose_image(config)
    if kind == "tiles":
        image = Column("image", by_id(files, r"images/([^/]+)\.tiff?", _first), "images/M-33-7-A-d-2-3.tif", kind)
        label = Column("label", by_id(files, r"masks/([^/]+)\.tiff?", _first), "masks/M-33-7-A-d-2-3.tif")
        return Pairs(root, [image], label).catalog(layout, config, monitor)
    cuts = by_id(files, r"output/([^/]+_\d+)\.jpe?g", _first)
    masks = by_id(files, r"output/([^/]+_\d+)_m\.png", _first)
    image = Column("image", cuts, "output/M-33-7-A-d-2-3_0.jpg", kind)
    label = Column("label", masks, "output/M-33-7-A-d-2-3_0_m.png")
    place = next(iter({**cuts, **masks}.values()), root / "output" / "-").parent.parent
    splits = read_lists(place, (".jpg", ".png"))
    listed = Column("a place in the lists", dict.fromkeys(splits, place / "train.txt"), "train.txt, val.txt, test.txt")
    hint = "the lists come with the download, the cuts from its script split.py"
    return Pairs(root, [image], label, (listed,), _tile_of, splits.get, hint).catalog(layout, config, monitor)


def _tile_of(cut: str) -> str:
    return cut.rpartition("_")[0]


# --- LoveDA -----------------------------------------------------------------------------------------------


def read_loveda(source: Path, layout: Format, config: SourceConfig, monitor: Monitor) -> Catalog:
    """Give the catalog of Train and Val, Urban and Rural. Raises CatalogError with all that lack a partner."""
    root = root_of(source, {"images_png", "masks_png"})
    files = list_files(root)
    start = r"(train|val)/(urban|rural)"
    images = by_id(files, rf"{start}/images_png/([^/]+)\.png", _path)
    labels = by_id(files, rf"{start}/masks_png/([^/]+)\.png", _path)
    pairs = Pairs(
        root,
        [Column("image", images, "Train/Urban/images_png/1366.png")],
        Column("label", labels, "Train/Urban/masks_png/1366.png"),
        split_of=lambda name: name.split("/", maxsplit=1)[0],
    )
    return pairs.catalog(layout, config, monitor)


# --- OpenEarthMap -----------------------------------------------------------------------------------------


def read_openearthmap(source: Path, layout: Format, config: SourceConfig, monitor: Monitor) -> Catalog:
    """Give the catalog of all regions, with the split of the lists if they are there.

    Raises CatalogError with all images and labels that lack a partner.
    """
    root = root_of(source, {"images", "labels"})
    files = list_files(root)
    regions: dict[str, str] = {}

    def name(match: re.Match[str]) -> str:
        region, stem = match.groups()
        regions[stem] = region
        return str(stem)

    image = Column("image", by_id(files, r"([^/]+)/images/([^/]+)\.tiff?", name), "aachen/images/aachen_1.tif")
    label = Column("label", by_id(files, r"([^/]+)/labels/([^/]+)\.tiff?", name), "aachen/labels/aachen_1.tif")
    place = next((p for p in (root, root.parent) if any((p / n).is_file() for n in _LISTS)), root)
    splits = read_lists(place, (".tif", ".tiff"))
    hint = ""
    if set(label.files) - set(image.files):
        hint = "images of xBD come from a download of their own, xbd_files.csv says which"
    pairs = Pairs(root, [image], label, group_of=regions.__getitem__, split_of=splits.get, hint=hint)
    tests = [name for name, split in splits.items() if split == "test"]
    return pairs.without_unlabelled(tests).catalog(layout, config, monitor)


# --- FLAIR #1 ---------------------------------------------------------------------------------------------


def read_flair(source: Path, layout: Format, config: SourceConfig, monitor: Monitor) -> Catalog:
    """Give the catalog of all domains, with the official split by domain.

    Raises CatalogError with all images and labels that lack a partner.
    """
    root = root_of(source, {"img", "msk"})
    files = list_files(root)
    start = r"(D[0-9A-Z]+_\d{4})/([^/]+)"
    images = by_id(files, rf"{start}/img/IMG_(\d+)\.tiff?", _path_as_is)
    labels = by_id(files, rf"{start}/msk/MSK_(\d+)\.tiff?", _path_as_is)
    official = split_in(layout)

    def domain(name: str) -> str:
        return name.split("/", maxsplit=1)[0]

    pairs = Pairs(
        root,
        [Column("image", images, "D004_2021/Z10_AU/img/IMG_000826.tif")],
        Column("label", labels, "D004_2021/Z10_AU/msk/MSK_000826.tif"),
        group_of=domain,
        split_of=lambda name: official(domain(name)) or "train",
    )
    if not any(official(domain(name)) == "test" for name in labels):
        pairs = pairs.without_unlabelled(name for name in images if official(domain(name)) == "test")
    return pairs.catalog(layout, config, monitor)


# --- Ids --------------------------------------------------------------------------------------------------


def _first(match: re.Match[str]) -> str:
    return str(match.group(1))


def _path(match: re.Match[str]) -> str:
    *folders, stem = match.groups()
    return "/".join([*(f.lower() for f in folders), stem])


def _path_as_is(match: re.Match[str]) -> str:
    return "/".join(match.groups())
