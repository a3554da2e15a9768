"""COCO annotations: what is refused, what is left out, and masks that are those of pycocotools."""

from __future__ import annotations

import contextlib
import io
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as oracle
from pycocotools.coco import COCO

from hectares.core.grid import Grid
from hectares.core.legend import LandClass, Legend
from hectares.core.window import Window
from hectares.errors import CatalogError, GridError, InputError, LegendError
from hectares.io.catalog import CocoLabel, LabelRules
from hectares.io.labels import open_label
from hectares.io.shapes import coco
from hectares.io.shapes.coco import CocoFile, open_coco, read_coco
from hectares.io.shapes.rle import run_lengths
from layouts.crowdai import SIDE, Trap, add_extra, add_trap, annotation, square, train_content, val_content
from layouts.crowdai import coco as content_of
from strategies import windows

LEGEND = Legend.of({0: "background", 1: "building"})
RULES = LabelRules(background="background")
GRID = Grid(None, Affine.identity(), (SIDE, SIDE))
Save = Callable[[Any], Path]
_OLD_ARRAYS = "ignore:__array__ implementation:DeprecationWarning"  # of pycocotools, in the oracle
DATA = Path(__file__).parents[3] / "../shared/data/crowdai-layout"


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Give a function that writes a COCO file."""

    def write(content: Any) -> Path:
        path = tmp_path / "annotation.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def _planes(path: Path, image: int = 0, *, legend: Legend = LEGEND, grid: Grid = GRID, **rules: Any) -> np.ndarray:
    return open_coco(CocoLabel(path, image), legend, LabelRules(**rules), grid).burn(grid.window)


def _refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        _planes(path)
    return str(caught.value)


# --- Masks ------------------------------------------------------------------------------------------------


def test_touching_squares_have_the_pixels_counted_by_hand(save: Save):
    building = _planes(save(train_content()))[1]
    assert building.sum() == 40 * 30 + 20 * 30
    assert building[60:90, 50:110].all()


def test_the_rings_of_an_annotation_are_a_union(save: Save):
    inner = annotation(0, 0, square(10, 10, 20, 20), square(15, 15, 4, 4), square(100, 7, 3, 5))
    building = _planes(save(content_of(1, [inner])))[1]
    assert building.sum() == 20 * 20 + 3 * 5
    assert building[10:30, 10:30].all()


def test_an_image_without_annotations_is_background(save: Save):
    path = save(train_content())
    label = open_label(CocoLabel(path, 2), LEGEND, RULES, GRID)
    assert (label.read(GRID.window) == 0).all()
    assert label.notes == ()


def test_without_a_background_class_the_rest_is_ignored(save: Save):
    label = open_label(CocoLabel(save(val_content()), 1), Legend.of({1: "building"}), LabelRules(), GRID)
    indices = label.read(GRID.window)
    assert (indices == 0).sum() == 5 * 7
    assert (indices == 255).sum() == SIDE * SIDE - 5 * 7


@pytest.mark.parametrize("extra", ["crowd", "compressed"])
def test_run_lengths_are_masks(save: Save, extra: str):
    building = _planes(save(add_extra(train_content(), extra)), image=2)[1]
    assert building.sum() == 24
    assert building[200:204, 100:106].all()


def test_pixels_beside_the_image_are_not_part_of_it(save: Save):
    over = annotation(0, 0, square(-20, 290, 25, 30))
    assert _planes(save(content_of(1, [over])))[1].sum() == 5 * 10


def _random_shapes(draw: st.DrawFn, height: int, width: int) -> list[dict[str, Any]]:
    near = st.floats(-10, 70, width=16)
    annotations = []
    for number in range(draw(st.integers(0, 5))):
        rings = draw(st.lists(st.lists(near, min_size=6, max_size=14), min_size=1, max_size=3))
        rings = [ring[: len(ring) // 2 * 2] for ring in rings]
        entry = annotation(number, 0, *rings, category_id=draw(st.sampled_from([100, 7])))
        if draw(st.booleans()):
            entry["segmentation"] = _random_runs(draw, height, width)
        annotations.append(entry)
    return annotations


def _random_runs(draw: st.DrawFn, height: int, width: int) -> dict[str, Any]:
    seed = draw(st.integers(0, 2**32 - 1))
    pixels = np.asfortranarray(np.random.default_rng(seed).random((height, width)) < draw(st.floats(0, 1)))
    compressed = oracle.encode(pixels.view(np.uint8))["counts"].decode()
    counts = compressed if draw(st.booleans()) else run_lengths(compressed.encode()).tolist()
    return {"size": [height, width], "counts": counts}


@pytest.mark.filterwarnings(_OLD_ARRAYS)
@given(st.data())
def test_masks_are_those_of_pycocotools(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    height, width = data.draw(st.tuples(st.integers(1, 60), st.integers(1, 60)))
    content = content_of(1, data.draw(st.composite(_random_shapes)(height, width)))
    content["categories"].append({"id": 7, "name": "shed"})
    content["images"][0] |= {"height": height, "width": width}
    path = tmp_path_factory.mktemp("coco") / "annotation.json"
    path.write_text(json.dumps(content))
    grid = Grid(None, Affine.identity(), (height, width))
    planes = _planes(path, grid=grid, legend=Legend.of({0: "background", 1: "building", 2: "shed"}), skip_bad=True)
    kept = set(read_coco(path).ids(0).tolist())
    expected = np.zeros((3, height, width), np.bool_)
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = COCO(path)
    for entry in content["annotations"]:
        if entry["id"] in kept:
            expected[1 if entry["category_id"] == 100 else 2] |= theirs.annToMask(entry).astype(np.bool_)
    assert np.array_equal(planes, expected)


def test_many_shapes_are_merged_in_steps(save: Save):
    squares = [annotation(n, 0, square(3 * (n % 90), 5 * (n // 90), 2, 3)) for n in range(1100)]
    assert _planes(save(content_of(1, squares)))[1].sum() == 1100 * 6


def test_annotations_in_any_order_belong_to_their_image(save: Save):
    mixed = [annotation(n, image, square(0, 0, 1 + n, 1)) for n, image in enumerate([2, 0, 1, 2, 0])]
    path = save(content_of(3, mixed))
    assert [int(_planes(path, image)[1].sum()) for image in range(3)] == [5, 3, 4]
    assert [read_coco(path).ids(image).tolist() for image in range(3)] == [[1, 4], [2], [0, 3]]


@given(windows(20))
def test_a_window_is_a_part_of_the_whole(tmp_path_factory: pytest.TempPathFactory, window: Window):
    path = tmp_path_factory.getbasetemp() / "window.json"
    if not path.exists():
        content = content_of(1, [annotation(0, 0, square(2, 3, 9, 5)), annotation(1, 0, square(6, 1, 30, 4))])
        content["images"][0] |= {"height": 11, "width": 17}
        path.write_text(json.dumps(content))
    grid = Grid(None, Affine.identity(), (11, 17))
    planes = open_coco(CocoLabel(path, 0), LEGEND, RULES, grid)
    wide = np.pad(planes.burn(grid.window), ((0, 0), (60, 60), (60, 60)))
    row, col = window.row + 60, window.col + 60
    expected = wide[:, row : row + window.height, col : col + window.width]
    assert np.array_equal(planes.burn(window), expected)
    assert planes.labelled(window).all()


def test_a_plane_that_is_changed_stays_as_it_was_in_the_file(save: Save):
    planes = open_coco(CocoLabel(save(train_content()), 0), LEGEND, RULES, GRID)
    planes.burn(GRID.window)[:] = True
    assert planes.burn(GRID.window).sum() == 1800


# --- Classes ----------------------------------------------------------------------------------------------


def _two_classes() -> dict[str, Any]:
    content = content_of(1, [annotation(0, 0, square(0, 0, 8, 4)), annotation(1, 0, square(4, 0, 8, 4), category_id=7)])
    content["categories"] = [{"id": 7, "name": "shed"}, {"id": 100, "name": "building"}]
    return content


def test_a_category_is_the_class_of_its_name(save: Save):
    planes = _planes(save(_two_classes()), legend=Legend.of({3: "shed", 7: "building"}))
    assert planes[0, 0, :13].tolist() == [False] * 4 + [True] * 8 + [False]
    assert planes[1, 0, :13].tolist() == [True] * 8 + [False] * 5


def test_a_category_of_another_name_is_the_class_of_its_code(save: Save):
    legend = Legend((LandClass(1, "hut", (1, 1, 1), source_code=7), LandClass(2, "house", (2, 2, 2), source_code=100)))
    assert _planes(save(_two_classes()), legend=legend).sum(axis=(1, 2)).tolist() == [32, 32]


def test_an_ignored_category_is_unlabelled(save: Save):
    legend = Legend(LEGEND.classes, also_ignore=(7,))
    label = open_label(CocoLabel(save(_two_classes()), 0), legend, RULES, GRID)
    assert label.read(Window(0, 2, 1, 11)).tolist() == [[1, 1, *[255] * 8, 0]]


def test_an_unknown_category_is_named(save: Save):
    with pytest.raises(LegendError, match=r"annotation\.json: the category 7 shed is not in the legend, .*`ignore`"):
        _planes(save(_two_classes()))


def test_a_category_without_shapes_needs_no_class(save: Save):
    content = train_content()
    content["categories"].append({"id": 4, "name": "never seen"})
    assert _planes(save(content))[1].sum() == 1800


def test_overlaps_follow_the_priority(save: Save):
    path, legend = save(_two_classes()), Legend.of({1: "building", 2: "shed"})
    for priority, row in ((("building", "shed"), [0, 1, 1]), (("shed", "building"), [0, 0, 1])):
        label = open_label(CocoLabel(path, 0), legend, LabelRules(priority=priority), GRID)
        assert label.read(Window(0, 3, 1, 6)).tolist()[0][::5] == row[::2]
        assert label.read(Window(0, 4, 1, 1)).tolist() == [[row[1]]]


# --- Broken annotations -----------------------------------------------------------------------------------

BROKEN: dict[str, str] = {
    "rle-wrong-size": r"segmentation \(annotation 77\) has size \[10, 20\]; its image has \[.*\] = \[300, 300\]",
    "rle-too-short": r"segmentation \(annotation 77\) has counts that sum up to 150; expected 300 x 300 = 90000",
    "rle-too-long": r"has counts that sum up to 90050; expected",
    "rle-negative": r"has a negative count, -100",
    "rle-compressed-short": r"has counts that sum up to 200; expected 300 x 300",
    "degenerate": r"segmentation\[0\] \(annotation 77\) has 2 distinct point\(s\); a polygon has at least 3",
    "odd": r"segmentation\[0\] \(annotation 77\) has 7 numbers; expected pairs",
    "null": r"segmentation\[0\] \(annotation 77\) holds None; expected numbers",
    "outside": r"lies wholly outside of its image: x 400 to 409, y 5 to 14 in 300 x 300 px",
    "dangling-image": r"annotations\[3\]\.image_id \(annotation 77\) is 4444, which `images` does not have",
    "dangling-category": r"\.category_id \(annotation 77\) is 3, which `categories` does not have",
    "missing-key": r"annotations\[3\] \(annotation 77\) lacks image_id",
}
FATAL: dict[str, str] = {
    "repeated-annotation": r"annotations\[3\]\.id is 0, which annotations\[0\] has too",
    "repeated-image": r"images\[3\]\.id is 0, which another entry has too",
}


def test_every_trap_is_tried():
    assert {*BROKEN, *FATAL} == set(get_args(Trap))


@pytest.mark.parametrize("trap", BROKEN)
def test_a_broken_annotation_is_refused_and_named(save: Save, trap: Trap):
    file = read_coco(save(add_trap(train_content(), trap)))
    with pytest.raises(CatalogError, match=r"annotation\.json: annotations\[3\].*--skip-bad"):
        file.refuse(file.faults)
    with pytest.raises(CatalogError, match=BROKEN[trap]):
        file.refuse(file.faults)


@pytest.mark.parametrize("trap", BROKEN)
def test_a_broken_annotation_can_be_left_out(save: Save, trap: Trap):
    path = save(add_trap(train_content(), trap))
    planes = open_coco(CocoLabel(path, 0), LEGEND, LabelRules(skip_bad=True), GRID)
    assert planes.burn(GRID.window)[1].sum() == 1800
    if trap not in {"dangling-image", "missing-key"}:  # these belong to no image
        assert "1 annotation(s) are broken: annotations[3]" in str(planes.notes[0])
        assert str(planes.notes[0]).endswith("; they are left out")


def test_a_broken_annotation_does_not_touch_other_images(save: Save):
    path = save(add_trap(train_content(), "degenerate"))
    assert _planes(path, image=1)[1].sum() == 200
    assert "annotations[3].segmentation[0] (annotation 77)" in _refused(path)


@pytest.mark.parametrize("trap", FATAL)
def test_repeated_ids_are_refused_even_when_broken_ones_are_left_out(save: Save, trap: Trap):
    path = save(add_trap(train_content(), trap))
    with pytest.raises(CatalogError, match=FATAL[trap]):
        _planes(path, skip_bad=True)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ([5, 5, 9, 5, 9, 9], r"is \[5, 5, 9, 5, 9, 9\]; expected a list of rings"),
        ([[[5, 5], [9, 5], [9, 9]]], r"segmentation\[0\] .* holds \[5, 5\]; expected numbers"),
        ([[5, 5, 9, True, 9, 9]], r"holds True; expected numbers"),
        ([[5, 5, 9, "5", 9, 9]], r"holds '5'; expected numbers"),
        ([[5, 5, 9, 10**400, 9, 9]], r"hundreds of digits"),
        ([square(5, 5, 9, 9), [1, 2]], r"segmentation\[1\] .* has 1 distinct point"),
        ([square(5, 5, 9, 9), [], [1, 2, 3]], r"segmentation\[1\] .* has 0 numbers"),
        ([[0, 0, 9, 9, 4e8, 0]], r"segmentation\[0\] .* is 8e\+08 px long; expected at most 5e\+06"),
        ("everything", r"is 'everything'; expected a list of rings"),
        ({"counts": [90000]}, r"is an object without size and counts"),
        ({"size": [300, 300], "counts": [1.5, 89998.5]}, r"has counts \[1\.5, 89998\.5\]; expected a list of whole"),
        ({"size": [300, 300], "counts": "\x01\x02"}, r"holds .*, which compressed counts do not have"),
        ({"size": [300, 300], "counts": "PPPPPPPPPP0"}, r"a run of more than 2\^29"),
        ({"size": [300, 300], "counts": "5P"}, r"ends in the middle of a number"),
        ({"size": [300, 300], "counts": "é"}, r"holds .*, which compressed counts do not have"),
        ({"size": [10**9, 10**9], "counts": [10**18]}, r"has size \[1000000000, 1000000000\]; its image"),
    ],
)
def test_shapes_that_are_none_are_named(save: Save, shape: Any, message: str):
    content = content_of(1, [annotation(4, 0) | {"segmentation": shape}])
    with pytest.raises(CatalogError, match=message):
        _planes(save(content))


def test_an_infinite_coordinate_is_named(save: Save):
    path = save(json.dumps(train_content()).replace("250", "1e999", 1))
    with pytest.raises(CatalogError, match=r"segmentation\[1\] \(annotation 2\) holds a number that is not finite"):
        _planes(path, image=1)


def test_all_faults_are_listed_at_once_with_their_places(save: Save):
    content = train_content()
    for trap in ("degenerate", "rle-too-short", "dangling-image"):
        add_trap(content, trap)
    for number, entry in enumerate(content["annotations"]):
        entry["id"] = number
    file = read_coco(save(content))
    with pytest.raises(CatalogError) as caught:
        file.refuse(file.faults)
    assert [line.split()[0] for line in str(caught.value).splitlines()[1:]] == [
        "annotations[4].segmentation",
        "annotations[5].image_id",
        "annotations[3].segmentation[0]",
    ]


def test_of_many_faults_twenty_are_shown_and_all_counted(save: Save):
    path = save(content_of(1, [annotation(n, 0, [1, 1, 2, 2, 1, 1]) for n in range(31)]))
    lines = _refused(path).splitlines()
    assert "has 31 faults; mend the file, or leave broken annotations out with --skip-bad" in lines[0]
    assert len(lines) == 22
    assert lines[-1].strip() == "... and 11 more"


def test_annotations_with_a_box_only_are_left_out_with_a_note(save: Save):
    content = add_extra(train_content(), "box-only", image=0)
    content["annotations"].append(annotation(89, 0) | {"segmentation": None})
    content["annotations"].append(annotation(90, 0) | {"segmentation": [[]]})
    del content["annotations"][-1]["bbox"]
    path = save(content)
    planes = open_coco(CocoLabel(path, 0), LEGEND, RULES, GRID)
    assert planes.burn(GRID.window)[1].sum() == 1800
    assert [n.what for n in planes.notes] == ["3 annotation(s) have no shape, a box at most"]
    assert "3 annotation(s) have no shape, a box at most, the first is annotations[3]" in str(read_coco(path).notes[0])


# --- Broken files -----------------------------------------------------------------------------------------


def _changed(key: str, place: int, **fields: Any) -> dict[str, Any]:
    content = train_content()
    content[key][place] |= fields
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"image_id": 0, "score": 0.5}], r"the root is a list; expected {images.*a list of predictions"),
        ("17", r"the root is a int; expected"),
        ({"images": [], "categories": []}, r"annotations is missing; expected {images"),
        ({"images": {}, "categories": [], "annotations": []}, r"images is no list"),
        (_changed("images", 1, file_name="../a.jpg"), r"images\[1\]\.file_name is '\.\./a\.jpg', which leads out of"),
        (_changed("images", 1, file_name="b\\..\\..\\a.jpg"), r"images\[1\]\.file_name .* leads out of"),
        (_changed("images", 1, file_name="/etc/passwd"), r"images\[1\]\.file_name .* leads out of"),
        (_changed("images", 1, file_name="C:\\a.jpg"), r"images\[1\]\.file_name .* leads out of"),
        (_changed("images", 1, file_name="http://host/a.jpg"), r"images\[1\]\.file_name is the address 'http://"),
        (_changed("images", 1, file_name="a\0.jpg"), r"images\[1\]\.file_name is 'a\\x00\.jpg'; expected the name"),
        (_changed("images", 1, file_name=5), r"images\[1\]\.file_name is 5; expected the name of a file"),
        (_changed("images", 1, width=10**9, height=10**9), r"images\[1\] is declared with 1000000000 x 1000000000 px"),
        (_changed("images", 1, width=0), r"images\[1\] is declared with 300 x 0 px"),
        (_changed("images", 1, width="300"), r"images\[1\]\.width is '300'; expected a whole number"),
        (_changed("images", 1, id=True), r"images\[1\]\.id is True; expected a whole number"),
        (_changed("categories", 0, name=" "), r"categories\[0\]\.name is ' '; expected the name of a class"),
        (_changed("categories", 0, name="a\ud800"), r"categories\[0\]\.name is 'a\\ud800', which is no text"),
        (_changed("categories", 0, name="a\nb"), r"categories\[0\]\.name is 'a\\nb', which holds '\\n', a control"),
    ],
)
def test_a_file_that_is_none_is_refused(save: Save, content: Any, message: str):
    with pytest.raises(CatalogError, match=message):
        read_coco(save(content))


def test_a_name_with_folders_is_kept(save: Save):
    content = _changed("images", 1, file_name="north\\a.jpg")
    assert [i.file_name for i in read_coco(save(content)).images][1] == "north/a.jpg"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"images": NaN}', "holds NaN"),
        ('{"images": [], "images": []}', "'images' stands twice"),
        ("[" * 100_000, "nested too deeply"),
        ('{"images": ' + "9" * 5000 + "}", "cannot be read"),
        ('{"images": [', "is not valid JSON"),
    ],
)
def test_json_is_read_strictly(save: Save, text: str, message: str):
    with pytest.raises(InputError, match=message):
        read_coco(save(text))


def test_a_byte_order_mark_is_allowed_and_utf_16_is_not(tmp_path: Path):
    text = json.dumps(train_content())
    (tmp_path / "a.json").write_text(text, encoding="utf-8-sig")
    assert len(read_coco(tmp_path / "a.json")) == 3
    (tmp_path / "b.json").write_text(text, encoding="utf-16")
    with pytest.raises(InputError, match="UTF-8"):
        read_coco(tmp_path / "b.json")


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(CatalogError, match=r"gone\.json: there is no such file"):
        read_coco(tmp_path / "gone.json")


def test_a_missing_image_is_named(save: Save):
    with pytest.raises(CatalogError, match=r"annotation\.json: has no image with the id 9"):
        _planes(save(train_content()), image=9)


def test_another_size_than_the_image_names_both(save: Save):
    grid = Grid(None, Affine.identity(), (300, 200))
    message = r"image 1 \(000000000001\.jpg\) is declared with 300 x 300 px .*, its file has 300 x 200"
    with pytest.raises(GridError, match=message):
        _planes(save(train_content()), image=1, grid=grid)


# --- Boxes ------------------------------------------------------------------------------------------------


def test_boxes_are_those_of_the_shapes(save: Save):
    path = save(add_extra(val_content(), "crowd", image=0))
    assert read_coco(path).boxes(0).tolist() == [[32, 25, 62, 53], [100, 200, 6, 4]]
    assert read_coco(path).ids(0).tolist() == [0, 88]
    assert read_coco(save(train_content())).boxes(2).shape == (0, 4)


def test_boxes_that_lie_are_counted(save: Save):
    file = read_coco(save(add_extra(val_content(), "lying-box", image=1)))
    (note,) = file.notes
    assert note.what == "2 of 3 boxes (bbox) differ from their polygons by over 1 px, the first in annotations[0]"
    assert read_coco(save(train_content())).notes == ()


# --- Reading once -----------------------------------------------------------------------------------------


def test_a_file_is_parsed_once_until_it_changes(save: Save):
    path = save(train_content())
    assert read_coco(path) is read_coco(path)
    path = save(add_extra(train_content(), "crowd"))
    assert len(read_coco(path)) == 4


def test_threads_share_one_parse(save: Save, monkeypatch: pytest.MonkeyPatch):
    real, calls = coco.read_content, []

    def slow(content: object) -> object:
        calls.append(1)
        time.sleep(0.05)
        return real(content)

    monkeypatch.setattr(coco, "read_content", slow)
    path, found = save(train_content()), list[CocoFile]()
    threads = [threading.Thread(target=lambda: found.append(read_coco(path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert len(set(map(id, found))) == 1


# --- Real data --------------------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.filterwarnings(_OLD_ARRAYS)
@pytest.mark.parametrize(("split", "images", "shapes"), [("train", 16, 276), ("val", 4, 67)])
def test_the_derived_tiles_are_those_of_pycocotools(split: str, images: int, shapes: int):
    if not DATA.is_dir():
        pytest.skip("the data sets are not beside the checkout")
    path = DATA / split / "annotation.json"
    file = read_coco(path)
    assert (len(file.images), len(file), file.faults) == (images, shapes, ())
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = COCO(path)
    for image in file.images:
        expected = np.zeros((SIDE, SIDE), np.bool_)
        for entry in theirs.imgToAnns[image.id]:
            expected |= theirs.annToMask(entry).astype(np.bool_)
        assert np.array_equal(_planes(path, image.id)[1], expected)


def test_polygons_that_cross_themselves_or_are_thin_are_told(save: Save):
    bow_tie, sliver = [1, 1, 9, 9, 9, 1, 1, 9], [20, 20, 29, 20, 29, 20.05, 20, 20.05]
    path = save(
        content_of(1, [annotation(1, 0, bow_tie), annotation(2, 0, sliver), annotation(3, 0, [30, 30, 40, 30, 40, 40])])
    )
    told = [(n.what, n.severity) for n in read_coco(path).notes_on(0)]
    assert told == [("1 polygon(s) cross or touch themselves", "note"), ("1 polygon(s) have less than a pixel", "note")]
