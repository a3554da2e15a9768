"""ISPRS 2D semantic labeling: Potsdam and Vaihingen, aerial images of cities with six classes in colors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from hectares.config.source import SourceConfig
from hectares.formats.listing import list_files
from hectares.formats.pairing import Column, Pairs, by_id, root_of, split_in
from hectares.formats.registry import Format
from hectares.io.catalog import Catalog
from hectares.monitor import Monitor, Problem

ERODE_PX = 3
"""Radius of the disc by which the benchmark erodes its labels."""

_TILE = r"0*(\d+)_0*(\d+)"  # heights are named 02_10, images 2_10
_POTSDAM: Mapping[str, tuple[str, str]] = {
    "RGB": (rf"top_potsdam_{_TILE}_RGB\.tiff?", "2_Ortho_RGB/top_potsdam_2_10_RGB.tif"),
    "IRRG": (rf"top_potsdam_{_TILE}_IRRG\.tiff?", "3_Ortho_IRRG/top_potsdam_2_10_IRRG.tif"),
    "RGBIR": (rf"top_potsdam_{_TILE}_RGBIR\.tiff?", "4_Ortho_RGBIR/top_potsdam_2_10_RGBIR.tif"),
    "DSM": (rf"dsm_potsdam_{_TILE}\.tiff?", "1_DSM/dsm_potsdam_02_10.tif"),
    "nDSM": (
        rf"dsm_potsdam_{_TILE}_normalized_lastools\.jpe?g",
        "1_DSM_normalisation/dsm_potsdam_02_10_normalized_lastools.jpg",
    ),
    "all": (rf"top_potsdam_{_TILE}_label\.tiff?", "5_Labels_all/top_potsdam_2_10_label.tif"),
    "eroded": (
        rf"top_potsdam_{_TILE}_label_noBoundary\.tiff?",
        "5_Labels_all_noBoundary/top_potsdam_2_10_label_noBoundary.tif",
    ),
}
_POTSDAM_FOLDERS = {
    "1_dsm", "1_dsm_normalisation", "2_ortho_rgb", "3_ortho_irrg", "4_ortho_rgbir", "5_labels_all",
    "5_labels_for_participants", "5_labels_all_noboundary", "5_labels_for_participants_no_boundary",
}  # fmt: skip
_AREA = r"area0*(\d+)"
_VAIHINGEN: Mapping[str, tuple[str, str]] = {
    "IRRG": (rf"top/top_mosaic_09cm_{_AREA}\.tiff?", "top/top_mosaic_09cm_area1.tif"),
    "DSM": (rf"dsm_09cm_matching_{_AREA}\.tiff?", "dsm/dsm_09cm_matching_area1.tif"),
    # Labels have the names of the images: what lies in `top` is no label.
    "all": (rf"(?<!/top/)top_mosaic_09cm_{_AREA}\.tiff?", "gts_for_participants/top_mosaic_09cm_area1.tif"),
    "eroded": (
        rf"top_mosaic_09cm_{_AREA}_noBoundary\.tiff?",
        "gts_eroded_for_participants/top_mosaic_09cm_area1_noBoundary.tif",
    ),
}
_VAIHINGEN_FOLDERS = {
    "top", "dsm", "gts_for_participants", "gts_eroded_for_participants",
    "isprs_semantic_labeling_vaihingen_ground_truth_complete",
    "isprs_semantic_labeling_vaihingen_ground_truth_eroded_complete",
}  # fmt: skip
_COMPLETE = ("labels_all", "_complete")
"""Parts of the names of folders with the labels of all tiles; others hold those of the training tiles only."""


def read_potsdam(source: Path, layout: Format, config: SourceConfig, monitor: Monitor) -> Catalog:
    """Give the catalog of Potsdam, one scene a tile. Raises CatalogError with all files that tiles lack."""
    return _read(root_of(source, _POTSDAM_FOLDERS), _POTSDAM, layout, config, monitor)


def read_vaihingen(source: Path, layout: Format, config: SourceConfig, monitor: Monitor) -> Catalog:
    """Give the catalog of Vaihingen, one scene an area. Raises CatalogError with all files that areas lack."""
    return _read(root_of(source, _VAIHINGEN_FOLDERS), _VAIHINGEN, layout, config, monitor)


def _read(
    root: Path, known: Mapping[str, tuple[str, str]], layout: Format, config: SourceConfig, monitor: Monitor
) -> Catalog:
    files = list_files(root)

    def column(kind: str, called: str) -> Column:
        pattern, example = known[kind]
        return Column(called, by_id(files, pattern, _name, prefer=_COMPLETE), example)

    wanted, labels = layout.choose_images(config), layout.choose_labels(config)
    rules = layout.choose_rules(config)
    images = [column(kind, kind) for kind in wanted]
    label = column(labels, "label")
    if labels == "eroded" and not label.files:
        label = column("all", "label")
        rules = replace(rules, erode_px=config.erode_px or ERODE_PX)
        what = f"has no eroded labels ({known['eroded'][1]})"
        remedy = f"they are made of the whole labels: {rules.erode_px} px around every class border are ignored"
        monitor.problem(Problem(str(root), what, remedy, "note"))
    there = [kind for kind in layout.images if not all(c.files for c in images) and column(kind, kind).files]
    split_of = split_in(layout)
    pairs = Pairs(
        root,
        images,
        label,
        split_of=split_of,
        hint=f"it has {', '.join(there)}: choose with --images" if there else "",
    )
    tests = layout.splits["test"]
    if not any(name in label.files for name in tests):  # those of the contest, not public at first
        pairs = pairs.without_unlabelled(tests)
    strange = [name for c in images for name in c.files if split_of(name) is None]
    if strange:
        what = f"{', '.join(sorted(set(strange))[:5])} are no tiles of the benchmark"
        monitor.problem(Problem(str(root), what, "they belong to no official split"))
    return pairs.catalog(layout, config, monitor, rules=rules)


def _name(match: re.Match[str]) -> str:
    """2_10 in Potsdam, area1 in Vaihingen."""
    numbers = match.groups()
    return "_".join(numbers) if len(numbers) == 2 else f"area{numbers[0]}"
