"""The crowdAI layout: two splits whose ids repeat, and what is missing on either side."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from factory import Notes
from hectares.config.source import SourceConfig
from hectares.errors import CatalogError, ConfigError
from hectares.formats.registry import find_format
from hectares.io.catalog import Catalog
from hectares.io.labels import open_label
from hectares.io.rasters.raster import open_raster
from hectares.monitor import QUIET
from layouts.crowdai import COUNTS, add_trap, train_content, write_crowdai

DATA = Path(__file__).parents[2] / "../shared/data/crowdai-layout"


def _read(source: Path, *, monitor: Any = QUIET, **options: Any) -> Catalog:
    return find_format("crowdai").read(source, SourceConfig(**options), monitor)


def _building_pixels(catalog: Catalog) -> dict[str, int]:
    counts = {}
    for scene in catalog.scenes:
        image = open_raster(scene.image)
        label = open_label(scene.label, catalog.legend, catalog.rules, image.grid)
        indices = label.read(image.grid.window)
        assert set(indices.ravel().tolist()) <= {0, 1}
        counts[scene.id] = int((indices == 1).sum())
        image.close()
    return counts


def test_splits_are_official_and_ids_may_repeat(tmp_path: Path):
    catalog = _read(write_crowdai(tmp_path))
    assert [(s.id, s.split) for s in catalog.scenes] == [(name, name.split("/")[0]) for name in sorted(COUNTS)]
    assert all(s.group == s.id and s.gsd_m == 0.3 for s in catalog.scenes)
    assert all(s.image.parent.parent.name == s.split for s in catalog.scenes)


def test_masks_have_the_pixels_counted_by_hand(tmp_path: Path):
    catalog = _read(write_crowdai(tmp_path))
    assert catalog.legend.names == ("background", "building")
    assert _building_pixels(catalog) == COUNTS


@pytest.mark.parametrize("below", ["", "Data", "Data/raw"])
def test_the_tree_of_an_older_project_is_read(tmp_path: Path, below: str):
    write_crowdai(tmp_path, project=True)
    assert _building_pixels(_read(tmp_path / below)) == COUNTS


def test_the_folder_above_and_a_single_split_are_read(tmp_path: Path):
    write_crowdai(tmp_path / "mapping")
    assert len(_read(tmp_path).scenes) == 5
    assert [s.id for s in _read(tmp_path / "mapping/val").scenes] == ["val/000000000000", "val/000000000001"]


def test_the_small_file_lists_a_part(tmp_path: Path):
    write_crowdai(tmp_path)
    assert [s.id for s in _read(tmp_path, labels="small").scenes] == ["train/000000000000", "val/000000000000"]
    with pytest.raises(ConfigError, match="--labels tiny is unknown in the layout crowdai; known: all, small"):
        _read(tmp_path, labels="tiny")


def test_one_split_alone_is_enough(tmp_path: Path):
    shutil.rmtree(write_crowdai(tmp_path) / "val")
    assert {s.split for s in _read(tmp_path).scenes} == {"train"}


def test_the_limit_counts_in_each_split(tmp_path: Path):
    write_crowdai(tmp_path)
    assert [s.id for s in _read(tmp_path, limit=1).scenes] == ["train/000000000000", "val/000000000000"]


def test_both_sides_are_listed_when_images_do_not_match(tmp_path: Path):
    write_crowdai(tmp_path)
    (tmp_path / "train/images/000000000001.jpg").rename(tmp_path / "train/images/000000000009.jpg")
    (tmp_path / "val/images/000000000000.jpg").unlink()
    with pytest.raises(CatalogError) as caught:
        _read(tmp_path)
    assert "2 listed image(s) are not on disk: 000000000001.jpg of " in str(caught.value)
    assert "1 image(s) on disk are not listed: " in str(caught.value)
    assert "000000000009.jpg; complete them, or leave them out with --allow-unmatched" in str(caught.value)


def test_images_that_do_not_match_can_be_left_out(tmp_path: Path, notes: Notes):
    write_crowdai(tmp_path)
    (tmp_path / "train/images/000000000001.jpg").rename(tmp_path / "train/images/000000000009.jpg")
    catalog = _read(tmp_path, allow_unmatched=True, monitor=notes)
    assert sorted(s.id for s in catalog.scenes) == sorted(set(COUNTS) - {"train/000000000001"})
    assert [p.what.split(":")[0] for p in notes.problems] == [
        "1 listed image(s) are not on disk",
        "1 image(s) on disk are not listed",
    ]


def test_suffixes_may_be_in_capitals(tmp_path: Path):
    write_crowdai(tmp_path)
    image = tmp_path / "train/images/000000000001.jpg"
    image.rename(image.with_suffix(".JPG"))
    assert len(_read(tmp_path).scenes) == 5


def test_a_folder_in_place_of_the_file_is_explained(tmp_path: Path):
    write_crowdai(tmp_path, project=True)
    place = tmp_path / "Data/raw/Annotations/Train/annotation.json"
    place.unlink()
    place.mkdir()
    message = r"annotation\.json: is a folder, which should be the file .* remove the folder, and put the file there"
    with pytest.raises(CatalogError, match=message):
        _read(tmp_path)
    (place / "annotation.json").write_text(json.dumps(train_content()))
    with pytest.raises(CatalogError, match=r"the file lies in it: move .*annotation\.json up in its place"):
        _read(tmp_path)


def test_images_without_their_annotation_file_are_named(tmp_path: Path, notes: Notes):
    write_crowdai(tmp_path)
    (tmp_path / "val/annotation.json").unlink()
    with pytest.raises(CatalogError, match=r"val/images: has images of val, but there is no annotation\.json"):
        _read(tmp_path)
    assert {s.split for s in _read(tmp_path, allow_unmatched=True, monitor=notes).scenes} == {"train"}
    assert len(notes.problems) == 1


def test_an_annotation_file_without_images_is_named(tmp_path: Path):
    write_crowdai(tmp_path)
    shutil.rmtree(tmp_path / "train/images")
    with pytest.raises(CatalogError, match=r"train/annotation\.json: has no folder of images; expected train/images"):
        _read(tmp_path)


def test_another_folder_is_refused_with_what_was_looked_for(tmp_path: Path):
    with pytest.raises(CatalogError, match=r"is no crowdAI data; looked for train/annotation\.json and val/"):
        _read(tmp_path)
    with pytest.raises(CatalogError, match="is no folder; give the folder that holds train and val"):
        _read(tmp_path / "gone")


def test_broken_annotations_are_refused_before_any_work(tmp_path: Path):
    write_crowdai(tmp_path, train=add_trap(train_content(), "degenerate"))
    with pytest.raises(CatalogError, match=r"train/annotation\.json: annotations\[3\]\.segmentation\[0\].*--skip-bad"):
        _read(tmp_path)


def test_annotations_that_belong_nowhere_are_reported_when_left_out(tmp_path: Path, notes: Notes):
    write_crowdai(tmp_path, train=add_trap(train_content(), "dangling-image"))
    assert _building_pixels(_read(tmp_path, skip_bad=True, monitor=notes)) == COUNTS
    assert [p.what.split(":")[0] for p in notes.problems] == ["1 annotation(s) belong nowhere"]


@pytest.mark.data
def test_the_derived_tiles_are_read():
    if not DATA.is_dir():
        pytest.skip("the data sets are not beside the checkout")
    counts = _building_pixels(_read(DATA))
    assert sum(name.startswith("train/") for name in counts) == 16
    assert sum(name.startswith("val/") for name in counts) == 4
    assert 0.05 < sum(counts.values()) / (20 * 300 * 300) < 0.5
