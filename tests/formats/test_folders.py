"""Folders of images beside folders of labels."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from factory import Notes, WriteRaster
from hectares.config.source import SourceConfig
from hectares.core.legend import Legend
from hectares.errors import CatalogError, ConfigError, InputError, LegendError
from hectares.formats.registry import find_format, known_formats
from hectares.io.catalog import Catalog
from hectares.monitor import QUIET

LEGEND = Legend.of({1: "water", 2: "forest"}, nodata=0)


def _touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def _read(
    source: Path, *, legend: Legend | None = LEGEND, allow_unmatched: bool = False, monitor: object = QUIET
) -> Catalog:
    config = SourceConfig(allow_unmatched=allow_unmatched)
    layout = find_format("folders")
    if legend is not None:
        layout = replace(layout, legend=legend)
    return layout.read(source, config, monitor)


def _pairs(catalog: Catalog) -> list[tuple[str, str]]:
    return [(s.image.stem, s.label.path.stem) for s in catalog.scenes]


@pytest.mark.parametrize(
    ("images", "labels"),
    [("images", "labels"), ("img", "gt"), ("Images", "Masks"), ("sat", "mask"), ("image", "annotations")],
)
def test_known_names_of_folders(tmp_path: Path, images: str, labels: str):
    source = _touch(tmp_path, f"{images}/b.tif", f"{images}/a.tif", f"{labels}/a.png", f"{labels}/b.png")
    catalog = _read(source)
    assert _pairs(catalog) == [("a", "a"), ("b", "b")]
    assert [(s.id, s.group, s.split) for s in catalog.scenes] == [("a", "a", None), ("b", "b", None)]


def test_pairs_do_not_depend_on_the_order_of_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    names = [f"scene_{n}" for n in (10, 2, 33, 1)]
    _touch(tmp_path, *(f"images/{n}.tif" for n in names), *(f"labels/{n}.tif" for n in reversed(names)))
    expected = _read(tmp_path)
    real = Path.rglob

    def shuffled(self: Path, pattern: str) -> list[Path]:
        found = sorted(real(self, pattern), key=lambda p: p.name[::-1] + str(p.parent.name == "labels"))
        return found if self.name == "labels" else found[::-1]

    monkeypatch.setattr(Path, "rglob", shuffled)
    assert _read(tmp_path) == expected
    assert all(image == label for image, label in _pairs(expected))


def test_files_are_paired_by_their_path_below_the_folders(tmp_path: Path):
    _touch(tmp_path, "images/x/a.tif", "images/y/a.tif", "labels/y/a.tif", "labels/x/a.tif")
    catalog = _read(tmp_path)
    assert [s.id for s in catalog.scenes] == ["x/a", "y/a"]
    assert all(s.image.parent.name == s.label.path.parent.name for s in catalog.scenes)


def test_missing_partners_are_named_on_both_sides(tmp_path: Path):
    _touch(tmp_path, "images/a.tif", "images/b.tif", "labels/a.tif", "labels/c.tif")
    with pytest.raises(
        CatalogError, match=r"2 file\(s\) have no partner .* images/b\.tif, labels/c\.tif; .*--allow-unmatched"
    ):
        _read(tmp_path)


def test_missing_partners_are_left_out_when_allowed(tmp_path: Path, notes: Notes):
    _touch(tmp_path, "images/a.tif", "images/b.tif", "labels/a.tif")
    assert _pairs(_read(tmp_path, allow_unmatched=True, monitor=notes)) == [("a", "a")]
    assert "images/b.tif" in notes.problems[0].what


def test_two_images_of_one_name_are_refused(tmp_path: Path):
    _touch(tmp_path, "images/a.tif", "images/a.png", "labels/a.tif")
    with pytest.raises(CatalogError, match="two files of one name"):
        _read(tmp_path)


def test_two_candidate_folders_are_refused(tmp_path: Path):
    _touch(tmp_path, "images/a.tif", "labels/a.tif", "masks/a.tif")
    with pytest.raises(CatalogError, match=r"several candidate folders \(labels, masks\)"):
        _read(tmp_path)


def test_other_files_and_hidden_files_are_passed_over(tmp_path: Path):
    _touch(tmp_path, "images/a.tif", "images/a.tfw", "images/.a.tif", "images/notes.txt", "labels/a.tif")
    assert _pairs(_read(tmp_path)) == [("a", "a")]


def test_split_folders_above_and_below_name_the_split(tmp_path: Path):
    _touch(tmp_path, "img_dir/train/a.png", "ann_dir/train/a.png", "img_dir/val/b.png", "ann_dir/val/b.png")
    assert {s.id: s.split for s in _read(tmp_path).scenes} == {"train/a": "train", "val/b": "val"}
    other = tmp_path / "other"
    for split in ("training", "Validation", "test"):
        _touch(other, f"{split}/images/{split}.png", f"{split}/masks/{split}.png")
    splits = [s.split for s in sorted(_read(other).scenes, key=lambda s: s.image.stem)]
    assert splits == ["val", "test", "train"]


def test_a_split_folder_above_the_source_does_not_count(tmp_path: Path):
    source = _touch(tmp_path / "train" / "data", "images/a.tif", "labels/a.tif")
    assert _read(source).scenes[0].split is None


def test_split_lists_name_the_split(tmp_path: Path):
    _touch(tmp_path, *(f"{d}/{n}.tif" for d in ("images", "labels") for n in "abc"))
    (tmp_path / "train.txt").write_text("a.tif\n\n")
    (tmp_path / "val.txt").write_text("images/b\n")
    (tmp_path / "readme.txt").write_text("c\n")
    assert [s.split for s in _read(tmp_path).scenes] == ["train", "val", None]


def test_a_list_with_a_mark_at_its_start_counts_and_unknown_names_are_said(tmp_path: Path, notes: Notes):
    _touch(tmp_path, "images/a.tif", "images/b.tif", "labels/a.tif", "labels/b.tif")
    (tmp_path / "train.txt").write_text("a\nz\n", encoding="utf-8-sig")
    assert [s.split for s in _read(tmp_path, monitor=notes).scenes] == ["train", None]
    assert "name 1 image(s) that are not there: z" in notes.problems[0].what


def test_a_scene_in_two_split_lists_is_refused(tmp_path: Path):
    _touch(tmp_path, "images/a.tif", "labels/a.tif")
    (tmp_path / "train.txt").write_text("a\n")
    (tmp_path / "test.txt").write_text("a\n")
    with pytest.raises(CatalogError, match="a is in"):
        _read(tmp_path)


def test_scenes_of_several_places_are_groups(tmp_path: Path):
    for place in ("berlin", "bonn"):
        _touch(
            tmp_path, f"{place}/images/1.tif", f"{place}/labels/1.tif", f"{place}/images/2.tif", f"{place}/labels/2.tif"
        )
    catalog = _read(tmp_path)
    assert [s.group for s in catalog.scenes] == ["berlin", "berlin", "bonn", "bonn"]
    assert [s.id for s in catalog.scenes] == ["berlin/1", "berlin/2", "bonn/1", "bonn/2"]


def test_a_manifest_lists_the_scenes(tmp_path: Path):
    (tmp_path / "m.csv").write_text(
        "image,label,id,group,split\nim/a.tif,lab/1.png,north,valley,Train\n im/b.tif ,lab/2.png,,,\n",
        encoding="utf-8-sig",
    )
    first, second = _read(tmp_path / "m.csv").scenes
    assert (first.id, first.group, first.split) == ("north", "valley", "train")
    assert first.label.path == tmp_path / "lab/1.png"
    assert (second.id, second.group, second.split, second.image) == ("im/b", "im/b", None, tmp_path / "im/b.tif")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"image label\na b\n", "expected at least image and label"),
        (b"image;label\na;b\n", r"m\.csv: its fields are separated by ';' where ',' is expected"),
        (b"image,label\na.tif,\n", r"m\.csv:2: image or label is empty"),
        (b"image,label\na.tif\n", r"m\.csv:2: image or label is empty"),
        (b"image,label,split\na.tif,b.tif,dev\n", r"m\.csv:2: split 'dev' is unknown"),
        ("image,label\nä.tif,b.tif\n".encode("latin-1"), "is not UTF-8"),
        (
            b"image,label\na.tif,b.tif\n\na.tif,b.tif\n",
            r"m\.csv:4: scene 'a' stands twice, first in line 2; remove one of the two, or .* column `id`",
        ),
        (b"image,label\n", r"m\.csv: has no scenes"),
    ],
)
def test_what_is_wrong_with_a_manifest_is_named(tmp_path: Path, text: bytes, message: str):
    (tmp_path / "m.csv").write_bytes(text)
    with pytest.raises(InputError, match=message):
        _read(tmp_path / "m.csv")


def test_a_manifest_that_is_a_pipe_is_named(tmp_path: Path):
    os.mkfifo(tmp_path / "m.csv")
    with pytest.raises(CatalogError, match=r"m\.csv: is a named pipe, not a regular file; expected a folder or a CSV"):
        _read(tmp_path / "m.csv")


@pytest.mark.parametrize(("make", "kind"), [(os.mkfifo, "a named pipe, not a regular file"), (os.mkdir, "a folder")])
def test_a_legend_beside_the_folders_that_is_no_file_is_not_called_absent(
    tmp_path: Path, make: Callable[[Path], None], kind: str
):
    _touch(tmp_path, "images/a.tif", "labels/a.tif")
    make(tmp_path / "legend.json")
    with pytest.raises(InputError, match=rf"legend\.json: is {kind}; expected a text file"):
        _read(tmp_path, legend=None)


def test_codes_that_are_no_numbers_are_listed_as_such(tmp_path: Path, write_raster: WriteRaster):
    _touch(tmp_path, "images/a.tif")
    write_raster("labels/a.tif", np.array([[1, np.nan, 1, 2]], np.float32))
    with pytest.raises(LegendError, match=r"code 1\.0 \(50\.0%\), code 2\.0 \(25\.0%\), code nan \(25\.0%\)"):
        _read(tmp_path, legend=None)


def test_a_legend_beside_the_folders_is_read(tmp_path: Path):
    _touch(tmp_path, "images/a.tif", "labels/a.tif")
    (tmp_path / "legend.json").write_text(json.dumps(LEGEND.to_json()))
    assert _read(tmp_path, legend=None).legend == LEGEND


def test_without_a_legend_the_codes_found_are_listed(tmp_path: Path, write_raster: WriteRaster):
    _touch(tmp_path, "images/a.tif")
    write_raster("labels/a.tif", np.array([[3, 3, 3], [7, 0, 3]], np.uint8), nodata=0)
    with pytest.raises(LegendError, match=r"code 3 \(66\.7%\), code 0 \(16\.7%\), code 7 \(16\.7%\)"):
        _read(tmp_path, legend=None)


def test_without_a_legend_the_colors_found_are_listed(tmp_path: Path, write_raster: WriteRaster):
    _touch(tmp_path, "images/a.tif")
    write_raster("labels/a.png", np.array([[[255, 255]], [[0, 0]], [[0, 9]]], np.uint8))
    with pytest.raises(LegendError, match=r"color #ff0000 \(50\.0%\), color #ff0009 \(50\.0%\)"):
        _read(tmp_path, legend=None)


def test_a_folder_without_pairs_is_refused(tmp_path: Path):
    with pytest.raises(CatalogError, match="no folder of images beside a folder of labels"):
        _read(_touch(tmp_path, "pictures/a.tif"))


def test_a_source_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(CatalogError, match="there is no such folder, nor a CSV manifest"):
        _read(tmp_path / "no")


def test_a_source_that_is_another_file_is_refused(tmp_path: Path):
    with pytest.raises(CatalogError, match="neither a folder nor a CSV"):
        _read(_touch(tmp_path, "a.txt") / "a.txt")


@pytest.mark.parametrize("name", known_formats())
def test_every_format_has_a_reader(name: str):
    assert callable(find_format(name).reader())


def test_an_unknown_format_lists_the_known():
    with pytest.raises(ConfigError, match=r"'shape' is unknown; known: .*folders"):
        find_format("shape")


def _write_catalog(folder: Path, *scenes: dict[str, str]) -> Path:
    (folder / "legend.json").write_text(json.dumps(LEGEND.to_json()))
    (folder / "catalog.json").write_text(json.dumps({"scenes": scenes}))
    return folder


@pytest.mark.parametrize("given", ["", "catalog.json"])
def test_a_catalog_is_read_by_folder_or_file(tmp_path: Path, given: str):
    _write_catalog(tmp_path, {"image": "a.tif", "label": "b.tif"})
    catalog = find_format("catalog").read(tmp_path / given, SourceConfig(), QUIET)
    assert (catalog.scenes[0].image, catalog.scenes[0].label.path) == (tmp_path / "a.tif", tmp_path / "b.tif")
    assert catalog.legend == LEGEND


def test_a_given_legend_counts_more_than_that_of_the_catalog(tmp_path: Path):
    _write_catalog(tmp_path, {"image": "a.tif", "label": "b.tif"})
    (tmp_path / "legend.json").unlink()
    other = Legend.of({5: "rock"})
    (tmp_path / "other.json").write_text(json.dumps(other.to_json()))
    config = SourceConfig(legend=tmp_path / "other.json")
    assert find_format("catalog").read(tmp_path, config, QUIET).legend == other


def test_scenes_of_a_catalog_without_a_label_are_named_or_left_out(tmp_path: Path, notes: Notes):
    _write_catalog(tmp_path, {"image": "a.tif", "label": "b.tif"}, {"image": "c.tif"})
    layout = find_format("catalog")
    with pytest.raises(CatalogError, match=r"1 scene\(s\) have no label: c; .*--allow-unmatched"):
        layout.read(tmp_path, SourceConfig(), notes)
    catalog = layout.read(tmp_path, SourceConfig(allow_unmatched=True), notes)
    assert [s.id for s in catalog.scenes] == ["a"]
    assert "have no label: c" in notes.problems[0].what
