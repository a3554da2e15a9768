"""Options about a source: each layout uses them or refuses them, and none is ignored in silence."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from factory import WriteRaster
from hectares.config.source import SourceConfig
from hectares.core.legend import Legend
from hectares.errors import ConfigError, HectaresError
from hectares.formats.options import EVERYWHERE, OPTIONS, flag, given_options
from hectares.formats.registry import Format, find_format, known_formats
from hectares.monitor import QUIET
from layouts.crowdai import write_crowdai
from layouts.dfc2019 import write_dfc2019
from layouts.dstl import write_dstl
from layouts.footprints import write_inria, write_massachusetts
from layouts.isprs import write_potsdam, write_vaihingen
from layouts.land_cover import write_deepglobe, write_flair, write_landcoverai, write_loveda, write_openearthmap
from layouts.leaftype import write_leaftype
from layouts.spacenet import write_spacenet1
from layouts.vectors import write_source

VALUES: dict[str, Any] = {
    "legend": Path("legend.json"),
    "images": "a+b",
    "labels": "other",
    "class_field": "crop",
    "aoi": Path("visited.gpkg"),
    "background": "water",
    "priority": "water,forest",
    "multilabel": True,
    "all_touched": True,
    "crs": "EPSG:32633",
    "label_by": "color",
    "nearest": 3,
    "erode_px": 2,
    "skip_bad": True,
    "allow_unmatched": True,
    "band_names": "x,y",
    "limit": 1,
}
RULES = {"nearest", "erode_px", "background", "priority", "multilabel", "all_touched", "skip_bad"}
"""Fields that go into the rules of a catalog whatever its labels are."""


def _write_coco(folder: Path) -> Path:
    write_crowdai(folder)
    return folder / "train"


WRITERS: dict[str, Callable[[Path], Path]] = {
    "coco": _write_coco,
    "crowdai": write_crowdai,
    "deepglobe": write_deepglobe,
    "dfc2019": write_dfc2019,
    "dstl": write_dstl,
    "flair": write_flair,
    "inria": write_inria,
    "landcoverai": write_landcoverai,
    "leaftype": write_leaftype,
    "loveda": write_loveda,
    "massachusetts": write_massachusetts,
    "openearthmap": write_openearthmap,
    "potsdam": write_potsdam,
    "spacenet": write_spacenet1,
    "vaihingen": write_vaihingen,
    "vectors": write_source,
}


class Watched(SourceConfig):
    """A config that remembers which of its fields were read."""

    asked: set[str]

    def __getattribute__(self, name: str) -> Any:
        if name in OPTIONS:
            object.__getattribute__(self, "asked").add(name)
        return object.__getattribute__(self, name)


@pytest.fixture
def pairs(tmp_path: Path, write_raster: WriteRaster) -> Path:
    """Give a folder of one image with a label of codes, with a legend and a catalog."""
    write_raster("set/images/a.tif", np.ones((2, 3, 4), np.uint8))
    write_raster("set/labels/a.tif", np.array([[1, 2, 1, 2]] * 3, np.uint8))
    folder = tmp_path / "set"
    (folder / "legend.json").write_text(json.dumps(Legend.of({1: "water", 2: "forest"}).to_json()))
    scenes = [{"id": "a", "image": "images/a.tif", "label": "labels/a.tif"}]
    (folder / "catalog.json").write_text(json.dumps({"scenes": scenes}))
    return folder


def test_every_option_has_a_value_to_try():
    assert set(VALUES) == set(OPTIONS)
    assert set(given_options(SourceConfig(**VALUES))) == set(OPTIONS)


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("name", sorted(known_formats()))
def test_an_option_is_declared_or_refused(tmp_path: Path, name: str, option: str):
    layout = find_format(name)
    config = SourceConfig(**{option: VALUES[option]})
    refusal = f"{flag(option)} has no effect in the layout {name}; it is used by: "
    if option in layout.used:
        with pytest.raises(HectaresError) as other:  # there is nothing to read, or no such choice
            layout.read(tmp_path / "nowhere", config, QUIET)
        assert refusal not in str(other.value)
        return
    with pytest.raises(ConfigError) as caught:
        layout.read(tmp_path / "nowhere", config, QUIET)
    users = str(caught.value).removeprefix(refusal)
    assert users == ", ".join(f.name for f in known_formats().values() if option in f.used)


@pytest.mark.parametrize("name", WRITERS)
def test_a_reader_asks_only_for_what_its_layout_declares(tmp_path: Path, name: str):
    layout = find_format(name)
    config = object.__new__(Watched)
    object.__setattr__(config, "asked", set())
    for option in OPTIONS:
        object.__setattr__(config, option, getattr(SourceConfig(), option))
    layout.reader()(WRITERS[name](tmp_path / "set"), layout, config, QUIET)
    assert config.asked - RULES <= set(layout.used)
    assert {"legend"} <= config.asked


@pytest.mark.parametrize("name", sorted(known_formats()))
def test_what_only_shapes_need_is_declared_where_labels_are_shapes(name: str):
    shapes = {"catalog", "coco", "crowdai", "dstl", "spacenet", "vectors"}
    used = set(find_format(name).used)
    assert ({"background", "priority"} <= used) == (name in shapes)
    assert ("class_field" in used) == ("crs" in used) == ("aoi" in used) == (name == "vectors")
    assert ("label_by" in used) == (name not in shapes)
    assert ("nearest" in used) == (name not in shapes - {"catalog"})
    assert set(EVERYWHERE) | {"legend", "multilabel", "erode_px", "allow_unmatched"} <= used


@pytest.mark.parametrize("name", ["inria", "massachusetts", "potsdam", "leaftype", "spacenet", "dstl"])
@pytest.mark.parametrize("option", ["images", "labels"])
def test_choices_that_a_layout_does_not_have_are_refused(tmp_path: Path, name: str, option: str):
    with pytest.raises(ConfigError, match=f"--{option} odd is unknown in the layout {name}; known: "):
        find_format(name).read(tmp_path, SourceConfig(**{option: "odd"}), QUIET)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("images", "+", r"--images is '\+'; expected names with \+ between them"),
        ("images", "", "--images is ''; expected names"),
        ("images", "RGB+", r"--images is 'RGB\+'; expected names"),
        ("images", "RGB+RGB", "which names RGB twice"),
        ("priority", "water,water", "--priority is 'water,water', which names water twice"),
        ("priority", "water,,tree", "expected names with , between them"),
        ("band_names", "a,a", "expected a name of its own for each"),
    ],
)
def test_empty_and_double_names_are_refused(option: str, value: str, message: str):
    with pytest.raises(ConfigError, match=message):
        SourceConfig(**{option: value})


def test_one_choice_in_two_spellings_is_twice_the_same(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"--images RGB\+rgb names the same images twice"):
        find_format("potsdam").read(tmp_path, SourceConfig(images="RGB+rgb"), QUIET)


def test_two_kinds_of_images_are_refused_where_a_scene_has_one_file(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"landcoverai have one file; choose one"):
        find_format("landcoverai").read(write_landcoverai(tmp_path), SourceConfig(images="tiles+cuts"), QUIET)


@pytest.mark.parametrize("option", ["background", "priority"])
@pytest.mark.parametrize("name", ["coco", "crowdai", "dstl", "spacenet", "vectors"])
def test_a_class_that_the_legend_does_not_have_is_a_fault_of_the_option(tmp_path: Path, name: str, option: str):
    if (name, option) == ("vectors", "background"):
        return  # there it makes the class
    with pytest.raises(ConfigError, match=f"--{option} names the class 'nobody', which is not in the legend; known: "):
        find_format(name).read(WRITERS[name](tmp_path), SourceConfig(**{option: "nobody"}), QUIET)


@pytest.mark.parametrize("option", ["background", "priority", "all_touched", "skip_bad"])
def test_options_on_shapes_are_refused_for_a_catalog_of_rasters(pairs: Path, option: str):
    with pytest.raises(ConfigError, match=f"{flag(option)} has no effect here: it is used by labels "):
        find_format("catalog").read(pairs, SourceConfig(**{option: VALUES[option]}), QUIET)


@pytest.mark.parametrize("by", ["code", "threshold"])
def test_a_tolerance_of_colors_is_refused_for_labels_that_are_read_otherwise(pairs: Path, by: str):
    with pytest.raises(ConfigError, match=r"--nearest has no effect here.*--label-by color does so"):
        find_format("folders").read(pairs, replace(SourceConfig(nearest=3), label_by=by), QUIET)


def test_a_priority_is_refused_where_classes_may_overlap(tmp_path: Path):
    config = SourceConfig(multilabel=True, priority="road,track")
    with pytest.raises(ConfigError, match="--priority has no effect with overlapping classes"):
        find_format("dstl").read(write_dstl(tmp_path), config, QUIET)


def test_a_crs_that_is_none_is_a_fault_of_the_option(tmp_path: Path):
    with pytest.raises(ConfigError, match="--crs: 'nonsense' is no coordinate reference system"):
        find_format("vectors").read(tmp_path, SourceConfig(crs="nonsense"), QUIET)


def test_names_of_bands_are_given_in_any_layout(pairs: Path):
    catalog = find_format("folders").read(pairs, SourceConfig(band_names="p,q"), QUIET)
    assert catalog.scenes[0].images[0].bands == ("p", "q")


def test_a_format_of_somebody_else_lets_all_options_through():
    layout = Format("ponds", "ponds", "", "ponds:read")
    layout.refuse_unused(SourceConfig(**VALUES))
    assert layout.used == OPTIONS


def test_a_format_cannot_declare_an_option_that_does_not_exist():
    with pytest.raises(ConfigError, match="the layout ponds names the option 'lgend'; known: "):
        Format("ponds", "ponds", "", "ponds:read", options=("lgend",))
