"""Plain COCO: where files and images may lie, splits by name, and classes from categories."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine

from factory import Notes
from hectares.config.source import SourceConfig
from hectares.core.grid import Grid
from hectares.core.window import Window
from hectares.errors import CatalogError, InputError, LegendError
from hectares.formats.registry import find_format
from hectares.io.catalog import Catalog
from hectares.io.labels import open_label
from hectares.monitor import QUIET
from layouts.crowdai import annotation, square

CATEGORIES = ((5, "road"), (2, "tree"), (9, "car"))


def _content(names: Sequence[str], categories: Sequence[tuple[int, str]] = CATEGORIES) -> dict[str, Any]:
    """Give a file whose images have a shape of each category, of 4 x 1 px, each 2 columns on from the last."""
    shapes = [
        annotation(len(categories) * i + n, i, square(2 * n, 0, 4, 1), category_id=number)
        for i in range(len(names))
        for n, (number, _) in enumerate(categories)
    ]
    return {
        "images": [{"id": i, "file_name": name, "width": 12, "height": 3} for i, name in enumerate(names)],
        "annotations": shapes,
        "categories": [{"id": number, "name": name} for number, name in categories],
    }


def _write(folder: Path, files: dict[str, dict[str, Any]], images: Sequence[str]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    for name in images:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def _read(source: Path, *, monitor: Any = QUIET, **options: Any) -> Catalog:
    return find_format("coco").read(source, SourceConfig(**options), monitor)


def _found(catalog: Catalog, folder: Path) -> list[tuple[str, str, str | None]]:
    return [(s.id, s.image.relative_to(folder).as_posix(), s.split) for s in catalog.scenes]


@pytest.mark.parametrize("place", ["", "images/", "pictures/north/"])
@pytest.mark.parametrize("as_file", [True, False])
def test_images_lie_beside_the_file_or_below(tmp_path: Path, place: str, *, as_file: bool):
    _write(tmp_path, {"shapes.json": _content(["b.jpg", "a.jpg"])}, [f"{place}a.jpg", f"{place}b.jpg"])
    catalog = _read(tmp_path / "shapes.json" if as_file else tmp_path)
    assert _found(catalog, tmp_path) == [("a", f"{place}a.jpg", None), ("b", f"{place}b.jpg", None)]
    assert [s.label.image for s in catalog.scenes] == [1, 0]


def test_the_layout_of_the_first_data_set(tmp_path: Path):
    files = {f"annotations/instances_{s}2017.json": _content(["01.jpg"]) for s in ("train", "val")}
    files["annotations/captions_train2017.json"] = {"no": "shapes"}
    _write(tmp_path, files, ["train2017/01.jpg", "val2017/01.jpg", "test2017/01.jpg"])
    expected = [("train/01", "train2017/01.jpg", "train"), ("val/01", "val2017/01.jpg", "val")]
    assert _found(_read(tmp_path), tmp_path) == expected
    assert _found(_read(tmp_path / "annotations"), tmp_path) == expected
    assert _found(_read(tmp_path / "annotations/instances_val2017.json"), tmp_path) == expected[1:]


def test_files_that_lie_among_the_images_of_their_split(tmp_path: Path):
    files = {f"{s}/_annotations.coco.json": _content(["01.jpg"]) for s in ("train", "valid", "test")}
    _write(tmp_path, files, [f"{s}/01.jpg" for s in ("train", "valid", "test")])
    assert _found(_read(tmp_path), tmp_path) == [
        ("test/01", "test/01.jpg", "test"),
        ("train/01", "train/01.jpg", "train"),
        ("val/01", "valid/01.jpg", "val"),
    ]


def test_two_files_may_share_a_folder_of_images(tmp_path: Path):
    files = {"instances_train.json": _content(["a.jpg"]), "instances_val.json": _content(["b.jpg"])}
    _write(tmp_path, files, ["images/a.jpg", "images/b.jpg"])
    assert [s.id for s in _read(tmp_path).scenes] == ["train/a", "val/b"]


def test_two_files_of_one_split_keep_their_ids_apart(tmp_path: Path):
    files = {"north_train.json": _content(["a.jpg"]), "south_train.json": _content(["a.jpg"])}
    catalog = _read(_write(tmp_path, files, ["images/a.jpg"]))
    assert [(s.id, s.split) for s in catalog.scenes] == [("north_train/a", "train"), ("south_train/a", "train")]


def test_names_with_folders_are_kept(tmp_path: Path):
    names = ["x/a.jpg", "y/a.jpg"]
    catalog = _read(_write(tmp_path, {"s.json": _content(names)}, [f"images/{n}" for n in names]))
    assert [s.id for s in catalog.scenes] == ["x/a", "y/a"]
    assert [s.image.parent.name for s in catalog.scenes] == ["x", "y"]


def test_names_that_differ_by_suffix_only_are_refused(tmp_path: Path):
    _write(tmp_path, {"s.json": _content(["a.jpg", "a.png"])}, ["a.jpg", "a.png"])
    with pytest.raises(CatalogError, match="both are 'a'; the names of images, without suffix, must differ"):
        _read(tmp_path)


def test_both_sides_are_listed_when_images_do_not_match(tmp_path: Path, notes: Notes):
    _write(tmp_path, {"s.json": _content(["a.jpg", "b.jpg"])}, ["a.jpg", "c.jpg", "previews/a-small.jpg"])
    with pytest.raises(CatalogError, match=r"1 listed .* not on disk: b\.jpg of .*; 1 image.* not listed: .*c\.jpg;"):
        _read(tmp_path)
    assert [s.id for s in _read(tmp_path, allow_unmatched=True, monitor=notes).scenes] == ["a"]
    assert len(notes.problems) == 2


@pytest.mark.parametrize(
    ("files", "images", "message"),
    [
        ({}, ["a.jpg"], "has no JSON file, there or one folder below"),
        ({"s.json": _content(["a.jpg"])}, [], r"has no images; expected those of s\.json"),
        ({"s.json": _content(["a.jpg"])}, ["b.jpg"], r"1 listed image\(s\) are not on disk"),
        ({"s.json": _content([])}, ["b.jpg"], "lists no images"),
        ({"s.json": {"a": 1}}, ["b.jpg"], "has 3 faults; mend the file"),
    ],
)
def test_what_is_missing_is_said(tmp_path: Path, files: dict[str, Any], images: list[str], message: str):
    with pytest.raises(CatalogError, match=message):
        _read(_write(tmp_path, files, images))


# --- Classes ----------------------------------------------------------------------------------------------


def _legend(tmp_path: Path, categories: Sequence[tuple[int, str]]) -> list[tuple[int, str, int]]:
    legend = _read(_write(tmp_path, {"s.json": _content(["a.jpg"], categories)}, ["a.jpg"])).legend
    return [(c.code, c.name, s) for c, s in zip(legend.classes, legend.source_codes, strict=True)]


def test_classes_are_the_categories_by_id(tmp_path: Path):
    assert _legend(tmp_path, CATEGORIES) == [(0, "background", 0), (2, "tree", 2), (5, "road", 5), (9, "car", 9)]


def test_ids_that_no_map_can_hold_are_numbered(tmp_path: Path):
    categories = ((700, "road"), (0, "tree"), (9, "car"))
    assert _legend(tmp_path, categories) == [(0, "background", 1), (1, "tree", 0), (2, "car", 9), (3, "road", 700)]


def test_a_category_with_the_id_0_keeps_it(tmp_path: Path):
    assert _legend(tmp_path, ((0, "tree"), (1, "car"))) == [(2, "background", 2), (0, "tree", 0), (1, "car", 1)]


@pytest.mark.parametrize(("first", "count"), [(1, 254), (0, 255), (1, 300), (1000, 254)])
def test_more_categories_than_a_legend_holds_are_refused_naming_the_file(tmp_path: Path, first: int, count: int):
    content = {**_content(["a.png"]), "annotations": []}
    content["categories"] = [{"id": first + n, "name": f"kind {n}"} for n in range(count)]
    source = _write(tmp_path, {"a.json": content}, ["a.png"])
    message = rf"a\.json: `categories` has {count} classes and the class background .* at most 254; .*--legend FILE"
    with pytest.raises(LegendError, match=message):
        _read(source)


def test_as_many_categories_as_a_legend_holds_are_read(tmp_path: Path):
    content = {**_content(["a.png"]), "annotations": []}
    content["categories"] = [{"id": n, "name": f"kind {n}"} for n in range(253)]
    catalog = _read(_write(tmp_path, {"a.json": content}, ["a.png"]))
    assert len(catalog.legend) == 254
    assert catalog.legend.codes[0] == 253


@pytest.mark.parametrize("name", ["instances.json", "a.json"])
def test_a_pipe_in_the_place_of_the_file_is_named(tmp_path: Path, name: str):
    os.mkfifo(_write(tmp_path, {}, ["a.png"]) / name)
    for source in (tmp_path, tmp_path / name):
        with pytest.raises(InputError, match=rf"{name}: is a named pipe, not a regular file; expected a text file"):
            _read(source)


def test_a_category_may_be_the_background(tmp_path: Path):
    _write(tmp_path, {"s.json": _content(["a.jpg"], ((1, "Background"), (2, "car")))}, ["a.jpg"])
    catalog = _read(tmp_path)
    assert catalog.legend.names == ("Background", "car")
    assert catalog.rules.background == "Background"


def test_files_that_contradict_each_other_are_refused(tmp_path: Path):
    files = {"a_train.json": _content(["a.jpg"]), "b_val.json": _content(["a.jpg"], ((5, "river"),))}
    with pytest.raises(LegendError, match=r"b_val\.json: the category 5 river contradicts 5 road"):
        _read(_write(tmp_path, files, ["a.jpg"]))


def test_a_legend_without_background_leaves_the_rest_unlabelled(tmp_path: Path, notes: Notes):
    _write(tmp_path, {"s.json": _content(["a.jpg"])}, ["a.jpg"])
    (tmp_path / "legend.json").write_text(json.dumps({"classes": [{"name": n} for _, n in CATEGORIES]}))
    catalog = _read(tmp_path, legend=tmp_path / "legend.json", monitor=notes)
    assert catalog.rules.background is None
    assert "pixels without a shape are unlabelled" in notes.problems[0].what
    assert _row(catalog) == [0, 0, 1, 1, 2, 2, 2, 2, 255, 255, 255, 255]


def _row(catalog: Catalog) -> list[int]:
    grid = Grid(None, Affine.identity(), (3, 12))
    label = open_label(catalog.scenes[0].label, catalog.legend, catalog.rules, grid)
    row: list[int] = label.read(Window(0, 0, 1, 12))[0].tolist()
    return row


def test_overlaps_follow_the_legend_or_the_priority(tmp_path: Path):
    _write(tmp_path, {"s.json": _content(["a.jpg"])}, ["a.jpg"])  # tree 1, road 2, car 3
    assert _row(_read(tmp_path)) == [2, 2, 2, 2, 3, 3, 3, 3, 0, 0, 0, 0]
    assert _row(_read(tmp_path, priority="car,tree,road")) == [2, 2, 2, 2, 1, 1, 3, 3, 0, 0, 0, 0]


def test_overlaps_are_kept_as_planes(tmp_path: Path):
    catalog = _read(_write(tmp_path, {"s.json": _content(["a.jpg"])}, ["a.jpg"]), multilabel=True)
    grid = Grid(None, Affine.identity(), (3, 12))
    planes = open_label(catalog.scenes[0].label, catalog.legend, catalog.rules, grid).read_planes(grid.window)
    assert planes.sum(axis=(1, 2)).tolist() == [3 * 12 - 8, 4, 4, 4]
    assert np.flatnonzero(planes[1, 0]).tolist() == [2, 3, 4, 5]
