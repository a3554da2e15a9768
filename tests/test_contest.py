"""Files of contests: written from class maps, read back, and checked."""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from affine import Affine

from factory import Notes, save_raster
from hectares.cli.main import run
from hectares.config.contest import ContestConfig
from hectares.contest import Submission, check_contest, write_contest
from hectares.core.grid import Grid
from hectares.core.legend import IGNORE, Legend
from hectares.errors import ArtefactError, CatalogError, ConfigError, InputError, LegendError
from hectares.formats.registry import find_format
from hectares.io.catalog import LabelRules, WktLabel
from hectares.io.contests import isprs
from hectares.io.rasters.class_map import write_class_map
from hectares.io.rasters.raster import open_raster
from hectares.io.shapes.burning import burn_polygons
from hectares.io.shapes.rle import decode_runs
from hectares.io.shapes.spacenet_table import read_buildings
from hectares.io.shapes.wkt import open_wkt

BUILDINGS = Legend.of({0: "ground", 7: "buildings"}).for_maps()
DEFAULT = ContestConfig()


def save_map(path: Path, indices: np.ndarray, legend: Legend = BUILDINGS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_class_map(path, indices, Grid(None, Affine.identity(), indices.shape), legend, {}, overwrite=True)
    return path


def town(shape: tuple[int, int] = (300, 300)) -> np.ndarray:
    """A house with a yard, one in the corner, one of a pixel, two that touch at a corner, and nodata."""
    indices = np.zeros(shape, np.uint8)
    indices[20:30, 40:55] = 1
    indices[23:26, 44:50] = 0
    indices[-4:, -7:] = 1
    indices[5, 9] = 1
    indices[40:43, 10:12] = indices[43:45, 12:16] = 1
    indices[24, 46] = IGNORE
    return indices


def places(found: Submission) -> list[str]:
    return [f.place for f in found.faults]


# --- crowdAI ----------------------------------------------------------------------------------------------


def crowdai(folder: Path, notes: Notes, config: ContestConfig = DEFAULT) -> list[dict[str, Any]]:
    write_contest("crowdai", [folder / "maps"], folder / "p.json", config, overwrite=True, monitor=notes)
    return json.loads((folder / "p.json").read_text())


def test_run_lengths_are_the_pixels_of_each_object(tmp_path: Path, notes: Notes):
    save_map(tmp_path / "maps" / "000000000042.tif", town())
    found = crowdai(tmp_path, notes)
    decoded = [decode_runs(entry["segmentation"]["counts"].encode(), 300, 300) for entry in found]
    assert [int(m.sum()) for m in decoded] == [1, 150 - 18, 6, 8, 28]
    assert (np.any(decoded, axis=0) == (town() == 1)).all()
    assert {(entry["image_id"], entry["category_id"]) for entry in found} == {(42, 100)}
    assert found[1]["bbox"] == [40, 20, 15, 10]


def test_the_score_of_an_object_is_the_mean_over_its_pixels(tmp_path: Path, notes: Notes):
    indices = np.zeros((300, 300), np.uint8)
    indices[2:4, 3:8] = 1
    save_map(tmp_path / "maps" / "7.tif", indices)
    scores = np.full((2, 300, 300), 0.25, np.float32)
    scores[1, 2, 3:8], scores[1, 3, 3:8] = 0.5, 0.75
    (tmp_path / "scores").mkdir()
    save_raster(tmp_path / "scores" / "7.tif", scores, crs=None, transform=None)
    (entry,) = crowdai(tmp_path, notes, ContestConfig(scores=str(tmp_path / "scores")))
    assert entry["score"] == 0.625
    assert notes.problems == []


def test_without_scores_all_are_1_and_a_warning_says_so(tmp_path: Path, notes: Notes):
    save_map(tmp_path / "maps" / "7.tif", town())
    assert {entry["score"] for entry in crowdai(tmp_path, notes)} == {1.0}
    assert "no scores are given" in str(notes.problems[0])


def test_scores_that_are_missing_are_named(tmp_path: Path, notes: Notes):
    save_map(tmp_path / "maps" / "7.tif", town())
    (tmp_path / "scores").mkdir()
    with pytest.raises(InputError, match=r"7\.tif: there are no scores of this map \(1 of 1 maps have none\)"):
        crowdai(tmp_path, notes, ContestConfig(scores=str(tmp_path / "scores")))


def test_the_surest_hundred_of_an_image_are_written(tmp_path: Path, notes: Notes):
    indices = np.zeros((300, 300), np.uint8)
    indices[0:240:2, 0] = 1
    indices[100, 0:3] = indices[200, 0:2] = 1
    save_map(tmp_path / "maps" / "7.tif", indices)
    found = crowdai(tmp_path, notes)
    assert len(found) == 100
    assert max(entry["bbox"][2] for entry in found) == 3
    assert any("more than 100 buildings" in str(p) for p in notes.problems)


def test_rings_have_no_holes_and_a_warning_says_so(tmp_path: Path, notes: Notes):
    save_map(tmp_path / "maps" / "7.tif", town())
    found = crowdai(tmp_path, notes, ContestConfig(shapes="polygons", min_px=20))
    assert found[0]["segmentation"] == [[40, 20, 55, 20, 55, 30, 40, 30]]
    assert any("1 building(s) have holes" in str(p) for p in notes.problems)


def test_simplified_buildings_have_the_box_of_their_pixels(tmp_path: Path, notes: Notes):
    indices = np.zeros((300, 300), np.uint8)
    indices[20, 40:46] = indices[21, 42:44] = 1  # becomes a triangle that has no center of its last pixels
    indices[100, 100] = 1  # becomes one of half a pixel
    save_map(tmp_path / "maps" / "7.tif", indices)
    (entry,) = crowdai(tmp_path, notes, ContestConfig(simplify_px=2.0))
    rows, cols = np.nonzero(decode_runs(entry["segmentation"]["counts"].encode(), 300, 300))
    assert (len(rows), entry["bbox"]) == (7, [41, 20, 5, 2])
    assert (cols.min(), cols.max(), rows.min(), rows.max()) == (41, 45, 20, 21)
    assert any("1 building(s) cover no center of a pixel once they are simplified" in str(p) for p in notes.problems)


def test_what_lies_beside_the_maps_of_a_folder_is_no_map(tmp_path: Path, notes: Notes):
    save_map(tmp_path / "maps" / "7.tif", town())
    for name in ("7.png", "7.out-of-range.tif", ".7.tif"):
        (tmp_path / "maps" / name).write_text("no map")
    assert {entry["image_id"] for entry in crowdai(tmp_path, notes)} == {7}


def test_a_template_says_which_image_a_map_is_of(tmp_path: Path, notes: Notes):
    save_map(tmp_path / "maps" / "north.tif", town((60, 70)))
    images = [{"id": 5, "file_name": "north.jpg", "height": 60, "width": 70}]
    (tmp_path / "images.json").write_text(json.dumps({"images": images}))
    with pytest.raises(ConfigError, match="its name is no image id"):
        crowdai(tmp_path, notes)
    found = crowdai(tmp_path, notes, ContestConfig(template=str(tmp_path / "images.json")))
    assert {entry["image_id"] for entry in found} == {5}


@pytest.mark.parametrize(
    ("change", "place", "found", "expected"),
    [
        ({"category_id": 1}, "[0].category_id", "is 1", "100 (building)"),
        ({"score": None}, "[0].score", "is None", "a number"),
        ({"bbox": [0, 0, 9, 9]}, "[0].bbox", "is [0, 0, 9, 9]", "[9, 5, 1, 1], the box of its segmentation"),
        ({"bbox": "x"}, "[0].bbox", "is x", "[x, y, width, height]"),
        ({"segmentation": [[1, 1, 2, 2]]}, "[0].segmentation[0]", "is [1.0, 1.0, 2.0, 2.0]", "at least three"),
        (
            {"segmentation": {"size": [9, 9], "counts": "0"}},
            *("[0].segmentation", "is no mask: it has size [9, 9]", "run lengths over 300 x 300 px"),
        ),
    ],
)
def test_faults_of_predictions_are_found(
    tmp_path: Path, notes: Notes, change: dict[str, Any], place: str, found: str, expected: str
):
    save_map(tmp_path / "maps" / "7.tif", town())
    entries = crowdai(tmp_path, notes)
    (tmp_path / "p.json").write_text(json.dumps([entries[0] | change]))
    (fault,) = check_contest("crowdai", tmp_path / "p.json", DEFAULT).faults
    assert fault.place == place
    assert fault.found.startswith(found)
    assert expected in fault.expected


def test_boxes_are_in_all_predictions_or_in_none(tmp_path: Path, notes: Notes):
    save_map(tmp_path / "maps" / "7.tif", town())
    entries = crowdai(tmp_path, notes)
    del entries[1]["bbox"]
    (tmp_path / "p.json").write_text(json.dumps(entries[:2]))
    assert places(check_contest("crowdai", tmp_path / "p.json", DEFAULT)) == ["[1]"]


def test_more_than_a_hundred_predictions_and_none_at_all_are_faults(tmp_path: Path, notes: Notes):
    save_map(tmp_path / "maps" / "7.tif", town())
    entry = crowdai(tmp_path, notes)[0]
    (tmp_path / "p.json").write_text(json.dumps([entry] * 101))
    assert places(check_contest("crowdai", tmp_path / "p.json", DEFAULT)) == ["image 7"]
    (tmp_path / "p.json").write_text("[]")
    assert places(check_contest("crowdai", tmp_path / "p.json", DEFAULT)) == ["the list"]


# --- SpaceNet ---------------------------------------------------------------------------------------------


def test_buildings_of_spacenet_come_back_as_the_pixels_of_the_map(tmp_path: Path, notes: Notes):
    save_map(tmp_path / "maps" / "RGB-PanSharpen_AOI_2_Vegas_img12.tif", town((60, 70)))
    save_map(tmp_path / "maps" / "RGB-PanSharpen_AOI_2_Vegas_img7.tif", np.zeros((60, 70), np.uint8))
    made = write_contest("spacenet", [tmp_path / "maps"], tmp_path / "s.csv", DEFAULT, monitor=notes)
    assert (made.items, made.faults) == (5, ())
    found = read_buildings(tmp_path / "s.csv", scored=True)
    assert found.images == ("AOI_2_Vegas_img12", "AOI_2_Vegas_img7")
    burned = burn_polygons(found.polygons, (60, 70), all_touched=False)
    assert (np.unpackbits(burned.bits, axis=1)[:, :70].astype(bool) == (town((60, 70)) == 1)).all()
    with (tmp_path / "s.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["ImageId", "BuildingId", "PolygonWKT_Pix", "Confidence"]
    assert rows[1] == ["AOI_2_Vegas_img12", "1", "POLYGON ((9 5, 10 5, 10 6, 9 6, 9 5))", "1.000000"]
    assert rows[-1] == ["AOI_2_Vegas_img7", "-1", "POLYGON EMPTY", "1"]


@pytest.mark.parametrize(
    ("line", "place", "found"),
    [
        ('a,0,"POLYGON ((0 0, 5 0, 5 5, 0 0))",1', "row 3, column BuildingId", "is 0"),
        ('a,1,"POLYGON ((0 0, 5 0, 5 5, 0 0))",1', "row 3, column BuildingId", "is 1, which row 2 of a has too"),
        ('a,2,"POLYGON ((0 0, 5 5, 5 0, 0 5, 0 0))",1', "row 3, column PolygonWKT_Pix", "is invalid (Self-inter"),
        ('a,2,"POLYGON ((0 0, 5 5, 0 0))",1', "row 3, column PolygonWKT_Pix", "is invalid (Too few"),
        ('a,2,"POLYGON ((0 0, 5 0, 5 5, 0 0))",0', "row 3, column Confidence", "is '0'"),
        ('a,2,"POINT (3 4)",1', "row 3, column PolygonWKT_Pix", "is no polygon: is a POINT"),
        (",2,POLYGON EMPTY,1", "row 3, column ImageId", "is empty"),
        ("a,-1,POLYGON EMPTY,1", "row 3, column BuildingId", "is -1"),
        ('b,-1,"POLYGON ((0 0, 5 0, 5 5, 0 0))",1', "row 3, column PolygonWKT_Pix", "is 'POLYGON ((0 0"),
    ],
)
def test_faults_of_buildings_are_found(tmp_path: Path, line: str, place: str, found: str):
    text = 'ImageId,BuildingId,PolygonWKT_Pix,Confidence\na,1,"POLYGON ((0 0, 9 0, 9 9, 0 0))",0.5\n'
    (tmp_path / "s.csv").write_text(f"{text}{line}\n")
    (fault,) = check_contest("spacenet", tmp_path / "s.csv", DEFAULT).faults
    assert (fault.place, fault.found[: len(found)]) == (place, found)


def test_images_of_the_template_that_are_missing_are_told(tmp_path: Path, notes: Notes):
    save_map(tmp_path / "maps" / "a.tif", town((60, 70)))
    (tmp_path / "ids.csv").write_text("ImageId,other\na,1\nb,1\n")
    config = ContestConfig(template=str(tmp_path / "ids.csv"))
    made = write_contest("spacenet", [tmp_path / "maps"], tmp_path / "s.csv", config, monitor=notes)
    assert [(f.found, f.incomplete) for f in made.faults] == [("lacks b", True)]


# --- Inria ------------------------------------------------------------------------------------------------


def test_pictures_of_inria_are_0_and_255_and_called_like_the_images(tmp_path: Path, notes: Notes):
    save_map(tmp_path / "maps" / "sfo3.tif", town((60, 70)))
    made = write_contest("inria", [tmp_path / "maps"], tmp_path / "i.zip", DEFAULT, monitor=notes)
    with zipfile.ZipFile(tmp_path / "i.zip") as archive:
        assert archive.namelist() == ["sfo3.tif"]
        archive.extractall(tmp_path)
    with open_raster(tmp_path / "sfo3.tif") as raster:
        image = raster.read(raster.grid.window).image
    assert (image.dtype, image.shape) == (np.uint8, (1, 60, 70))
    assert (image[0] == np.where(town((60, 70)) == 1, 255, 0)).all()
    assert all(f.incomplete for f in made.faults)
    assert [f.found[:20] for f in made.faults] == ["has 60 x 70 px", "lacks 179 of 180 til"]
    assert "1 pixel(s) are nodata" in str(notes.problems[0])


def test_the_same_maps_give_the_same_archive(tmp_path: Path):
    save_map(tmp_path / "maps" / "sfo3.tif", town((60, 70)))
    for name in ("a.zip", "b.zip"):
        write_contest("inria", [tmp_path / "maps"], tmp_path / name, DEFAULT)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def pictures(folder: Path, name: str, image: np.ndarray, **profile: Any) -> Path:
    folder.mkdir(exist_ok=True)
    save_raster(folder / name, image, crs=None, transform=None, **profile)
    return folder


def faults_of(contest: str, folder: Path) -> list[str]:
    return [f"{f.place}: {f.found}" for f in check_contest(contest, folder, DEFAULT).faults if not f.incomplete]


def test_faults_of_pictures_of_inria_are_found(tmp_path: Path):
    odd = np.array([[0, 255, 3]], np.uint8)
    assert faults_of("inria", pictures(tmp_path / "a", "sfo1.tif", odd)) == [
        "sfo1.tif, row 0, column 2: has the value 3"
    ]
    wide = pictures(tmp_path / "b", "sfo1.tif", np.zeros((3, 2, 2), np.uint8))
    assert faults_of("inria", wide) == ["sfo1.tif: has 3 band(s) of uint8"]
    named = pictures(tmp_path / "c", "sfo1.png", np.zeros((2, 2), np.uint8))
    assert faults_of("inria", named) == ["sfo1.png: is no picture at the top of the archive"]
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "sfo1.tif").write_text("text")
    assert faults_of("inria", tmp_path / "d")[0].startswith("sfo1.tif: cannot be read")


def test_pictures_of_one_bit_a_pixel_are_taken(tmp_path: Path):
    folder = pictures(tmp_path / "a", "sfo1.tif", np.array([[0, 1, 1]], np.uint8), nbits=1)
    assert faults_of("inria", folder) == []
    assert faults_of("inria", pictures(tmp_path / "b", "sfo1.tif", np.array([[0, 1]], np.uint8))) == [
        "sfo1.tif, row 0, column 1: has the value 1"
    ]


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path):
    (tmp_path / "i.zip").write_text("text")
    with pytest.raises(InputError, match="is no zip archive"):
        check_contest("inria", tmp_path / "i.zip", DEFAULT)


# --- DSTL -------------------------------------------------------------------------------------------------

EXTENT = (0.0091, -0.009)


def dstl_map() -> tuple[np.ndarray, Legend]:
    """Classes of DSTL on an image of 70 x 90: crops with a hole, a road through it, vehicles that touch at a corner."""
    layout = find_format("dstl").legend
    assert layout is not None
    indices = np.zeros((70, 90), np.uint8)
    indices[10:50, 20:80] = 6
    indices[15:20, 30:40] = 0
    indices[28:31, :] = 3
    indices[29, 50] = indices[30, 51] = 10
    indices[60:, 85:] = 1
    return indices, layout.for_maps()


def dstl_files(folder: Path, *, ids: tuple[str, ...] = ("6010_0_1", "6010_0_0")) -> dict[str, str]:
    indices, legend = dstl_map()
    save_map(folder / "maps" / "6010_0_0.tif", indices, legend)
    rows = "".join(f"{name},{EXTENT[0]},{EXTENT[1]}\n" for name in sorted(ids))
    (folder / "grid_sizes.csv").write_text(f",Xmax,Ymin\n{rows}")
    rows = "".join(f"{name},{number},MULTIPOLYGON EMPTY\n" for name in ids for number in range(1, 11))
    (folder / "template.csv").write_text(f"ImageId,ClassType,MultipolygonWKT\n{rows}")
    return {"grid_sizes": str(folder / "grid_sizes.csv"), "template": str(folder / "template.csv")}


def test_a_map_comes_back_from_a_submission_to_the_pixel(tmp_path: Path, notes: Notes):
    config = ContestConfig(**dstl_files(tmp_path))
    made = write_contest("dstl", [tmp_path / "maps"], tmp_path / "s.csv", config, monitor=notes)
    assert (made.items, made.faults) == (4, ())
    indices, legend = dstl_map()
    grid = Grid(None, Affine.identity(), indices.shape)
    planes = open_wkt(WktLabel(tmp_path / "s.csv", "6010_0_0", EXTENT), legend, LabelRules(), grid).burn(grid.window)
    for k in range(1, 11):
        assert (planes[k] == (indices == k)).all(), legend.names[k]


def test_rows_follow_the_template_and_images_without_a_map_are_empty(tmp_path: Path, notes: Notes):
    config = ContestConfig(**dstl_files(tmp_path))
    write_contest("dstl", [tmp_path / "maps"], tmp_path / "s.csv", config, monitor=notes)
    with (tmp_path / "s.csv").open() as file:
        rows = list(csv.reader(file))[1:]
    assert [r[0] for r in rows] == ["6010_0_1"] * 10 + ["6010_0_0"] * 10
    assert [int(r[1]) for r in rows] == [*range(1, 11)] * 2
    assert {r[2] for r in rows[:10]} == {"MULTIPOLYGON EMPTY"}
    (problem,) = notes.problems
    assert "1 of 2 images of the template have no map: 6010_0_1" in str(problem)
    assert problem.severity == "incomplete"


def test_simplified_areas_are_valid_and_nearly_the_same(tmp_path: Path, notes: Notes):
    files = dstl_files(tmp_path)
    config = ContestConfig(**files, simplify_px=3)
    made = write_contest("dstl", [tmp_path / "maps"], tmp_path / "s.csv", config, monitor=notes)
    assert made.faults == ()
    write_contest("dstl", [tmp_path / "maps"], tmp_path / "exact.csv", ContestConfig(**files))
    check = ContestConfig(against=str(tmp_path / "exact.csv"))
    found = check_contest("dstl", tmp_path / "s.csv", check)
    assert found.jaccard[5].jaccard > 0.95


def test_two_maps_of_an_image_are_put_together(tmp_path: Path, notes: Notes):
    files = dstl_files(tmp_path)
    trees = Legend.of({0: "rest", 1: "tree"}).for_maps()
    indices = np.zeros((70, 90), np.uint8)
    indices[0:4, 0:8] = 1
    save_map(tmp_path / "more" / "6010_0_0.tif", indices, trees)
    maps = [tmp_path / "maps", tmp_path / "more"]
    with pytest.raises(ConfigError, match="class 5 of image 6010_0_0 comes from two maps"):
        write_contest("dstl", maps, tmp_path / "s.csv", ContestConfig(**files))
    some = Legend.of({0: "rest", 1: "crops"}).for_maps()
    save_map(tmp_path / "maps" / "6010_0_0.tif", np.where(dstl_map()[0] == 6, 1, 0).astype(np.uint8), some)
    assert write_contest("dstl", maps, tmp_path / "s.csv", ContestConfig(**files), monitor=notes).items == 2


@pytest.mark.parametrize(
    ("row", "change", "place", "found"),
    [
        (12, ("6010_0_0", "3", "MULTIPOLYGON EMPTY"), "row 13", "is image 6010_0_0, class 3"),
        (12, ("6010_0_0", "2", "POLYGON ((0 0, 1e-3 0, 0 -1e-3, 0 0))"), "row 13, column M", "begins 'POLYGON"),
        (
            12,
            ("6010_0_0", "2", "MULTIPOLYGON (((0 0, 1e-3 -1e-3, 1e-3 0, 0 -1e-3, 0 0)))"),
            "row 13, column M",
            "is not",
        ),
        (12, ("6010_0_0", "2", "MULTIPOLYGON (((0 0, 1 0, 0 -1e-3, 0 0)))"), "row 13, column M", "reaches x 0"),
        (12, ("6010_0_0", "2", "nothing"), "row 13, column M", "'nothing' is no well-known text"),
        (12, ("6010_0_0", "11", "MULTIPOLYGON EMPTY"), "row 13, column ClassType", "is '11'"),
    ],
)
def test_faults_of_submissions_are_found(
    tmp_path: Path, row: int, change: tuple[str, str, str], place: str, found: str
):
    config = ContestConfig(**dstl_files(tmp_path))
    with (tmp_path / "template.csv").open() as file:
        rows = list(csv.reader(file))
    rows[row] = list(change)
    with (tmp_path / "s.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    faults = check_contest("dstl", tmp_path / "s.csv", config).faults
    assert any(f.place.startswith(place) and f.found.startswith(found) for f in faults), faults


def test_without_a_template_an_image_has_ten_rows(tmp_path: Path):
    (tmp_path / "s.csv").write_text("ImageId,ClassType,MultipolygonWKT\na,1,MULTIPOLYGON EMPTY\n")
    (fault,) = check_contest("dstl", tmp_path / "s.csv", DEFAULT).faults
    assert str(fault) == "image a: lacks class 2, 3, 4, 5, 6, 7, 8, 9, 10; expected ten rows an image"


def table(path: Path, areas: dict[tuple[str, int], shapely.Geometry]) -> Path:
    rows = [
        (name, number, shapely.to_wkt(shapely.MultiPolygon([areas[name, number]]) if (name, number) in areas else
                                      shapely.MultiPolygon()))
        for name in ("a", "b") for number in range(1, 11)
    ]  # fmt: skip
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("ImageId", "ClassType", "MultipolygonWKT"), *rows])
    return path


def test_the_jaccard_index_adds_up_areas_over_images(tmp_path: Path):
    ours = {("a", 1): shapely.box(0, -4, 2, 0), ("b", 1): shapely.box(0, -1, 1, 0), ("a", 3): shapely.box(0, -1, 1, 0)}
    theirs = {("a", 1): shapely.box(1, -4, 3, 0), ("b", 1): shapely.box(0, -1, 1, 0)}
    table(tmp_path / "ours.csv", ours)
    config = ContestConfig(against=str(table(tmp_path / "theirs.csv", theirs)))
    found = check_contest("dstl", tmp_path / "ours.csv", config)
    assert found.compared == ("a", "b")
    assert found.jaccard[0].jaccard == pytest.approx((4 + 1) / (12 + 1))  # a: 4 of 12 shared, b: 1 of 1
    assert found.jaccard[2].jaccard == 0
    assert np.isnan(found.jaccard[1].jaccard)


def test_tables_of_other_images_have_no_jaccard_index(tmp_path: Path):
    table(tmp_path / "ours.csv", {})
    (tmp_path / "theirs.csv").write_text("ImageId,ClassType,MultipolygonWKT\nc,1,MULTIPOLYGON EMPTY\n")
    with pytest.raises(CatalogError, match=r"has no image of ours\.csv: it has c, expected a, b"):
        check_contest("dstl", tmp_path / "ours.csv", ContestConfig(against=str(tmp_path / "theirs.csv")))


# --- ISPRS ------------------------------------------------------------------------------------------------

POTSDAM = find_format("potsdam").legend


def test_pictures_of_isprs_have_the_colors_of_the_benchmark(tmp_path: Path, notes: Notes):
    names = {
        3: "Clutter/background",
        4: "impervious_surfaces",
        9: "Building",
        20: "low vegetation",
        21: "tree",
        22: "car",
    }
    indices = np.array([[0, 1, 2, 3], [4, 5, 0, IGNORE]], np.uint8)
    save_map(tmp_path / "maps" / "top_potsdam_02_13_RGB.tif", indices, Legend.of(names).for_maps())
    made = write_contest("isprs", [tmp_path / "maps"], tmp_path / "out", DEFAULT, monitor=notes)
    with open_raster(tmp_path / "out" / "top_potsdam_2_13_class.tif") as raster:
        image = raster.read(raster.grid.window).image
    colors = [tuple(int(v) for v in image[:, r, c]) for r in range(2) for c in range(4)]
    red, white, blue = (255, 0, 0), (255, 255, 255), (0, 0, 255)
    assert colors == [red, white, blue, (0, 255, 255), (0, 255, 0), (255, 255, 0), red, red]
    assert "1 pixel(s) are nodata; every pixel needs a class: they are clutter" in str(notes.problems[0])
    assert made.faults[0].found == "has 2 x 4 px"
    assert "lacks 13 of 14 test tiles" in made.faults[1].found


def test_the_pixels_of_a_picture_are_those_of_the_map(tmp_path: Path):
    assert POTSDAM is not None
    indices = np.random.default_rng(3).integers(0, 6, (40, 50)).astype(np.uint8)
    save_map(tmp_path / "maps" / "top_mosaic_09cm_area2.tif", indices, POTSDAM.for_maps())
    write_contest("isprs", [tmp_path / "maps"], tmp_path / "out", DEFAULT)
    with open_raster(tmp_path / "out" / "top_mosaic_09cm_area2_class.tif") as raster:
        assert (POTSDAM.encode_colors(raster.read(raster.grid.window).image) == indices).all()


def test_a_class_without_a_color_is_refused_until_it_is_renamed(tmp_path: Path):
    save_map(
        tmp_path / "top_potsdam_2_13.tif", np.array([[0, 1]], np.uint8), Legend.of({1: "road", 2: "tree"}).for_maps()
    )
    with pytest.raises(LegendError, match=r"road is no class of the benchmark.*--rename, like road=impervious surface"):
        write_contest("isprs", [tmp_path / "top_potsdam_2_13.tif"], tmp_path / "o.zip", DEFAULT)
    config = ContestConfig(rename="road = impervious surface")
    assert write_contest("isprs", [tmp_path / "top_potsdam_2_13.tif"], tmp_path / "o.zip", config).items == 1


def test_faults_of_pictures_of_isprs_are_found(tmp_path: Path):
    image = np.zeros((3, 4, 5), np.uint8)
    image[:, :, :] = np.array([0, 0, 255], np.uint8)[:, None, None]
    image[:, 2, 3] = (1, 2, 3)
    name = "top_mosaic_09cm_area2_class.tif"
    (fault,) = faults_of("isprs", pictures(tmp_path / "a", name, image))
    assert fault == f"{name}, row 2, column 3: has the color (1, 2, 3)"
    image[:, 2, 3] = (255, 0, 0)  # a color of the benchmark
    assert faults_of("isprs", pictures(tmp_path / "a", name, image)) == []
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive:
        archive.write(tmp_path / "a" / name, name)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.write(tmp_path / "a" / name, name)
    assert faults_of("isprs", tmp_path / "twice.zip") == [f"{name}: stands twice in the archive"]
    named = pictures(tmp_path / "b", "area2.tif", image)
    assert faults_of("isprs", named) == ["area2.tif: is no name of a result", "the archive: has no picture"]


def test_a_name_that_tells_no_tile_is_refused():
    with pytest.raises(ConfigError, match="its name tells no tile"):
        isprs.picture_name(Path("scene.tif"))


# --- All of them ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contest", "name", "error", "message"),
    [
        ("chess", "o.json", ConfigError, "'chess' is no contest that is known; known: crowdai, spacenet"),
        ("crowdai", "o.csv", ArtefactError, "the file of crowdai ends in .json"),
        ("inria", "o.tif", ArtefactError, "name a .zip, or a folder"),
        ("dstl", "o.csv", ConfigError, "name grid_sizes.csv with --grid-sizes"),
    ],
)
def test_what_cannot_be_written_is_refused(
    tmp_path: Path, contest: str, name: str, error: type[Exception], message: str
):
    save_map(tmp_path / "7.tif", town((60, 70)))
    with pytest.raises(error, match=message):
        write_contest(contest, [tmp_path / "7.tif"], tmp_path / name, DEFAULT)


def test_options_without_effect_are_refused(tmp_path: Path):
    save_map(tmp_path / "sfo1.tif", town((60, 70)))
    with pytest.raises(ConfigError, match="--min-px has no effect for inria"):
        write_contest("inria", [tmp_path / "sfo1.tif"], tmp_path / "o.zip", ContestConfig(min_px=3))
    with pytest.raises(ConfigError, match="--against has no effect for dstl without --check"):
        write_contest("dstl", [tmp_path / "sfo1.tif"], tmp_path / "o.csv", ContestConfig(against="x", grid_sizes="y"))


def test_a_map_without_the_class_of_the_contest_is_refused(tmp_path: Path):
    save_map(tmp_path / "7.tif", town((60, 70)), Legend.of({0: "ground", 1: "roof"}).for_maps())
    with pytest.raises(LegendError, match="has no class of the contest: it has ground, roof, the contest building"):
        write_contest("crowdai", [tmp_path / "7.tif"], tmp_path / "o.json", DEFAULT)
    assert not (tmp_path / "o.json").exists()


@pytest.mark.parametrize("text", ["roof", "=building", "roof=castle"])
def test_a_rename_that_says_nothing_is_refused(tmp_path: Path, text: str):
    save_map(tmp_path / "7.tif", town((60, 70)))
    with pytest.raises((ConfigError, LegendError), match="--rename"):
        write_contest("crowdai", [tmp_path / "7.tif"], tmp_path / "o.json", ContestConfig(rename=text))


def test_a_folder_of_something_else_is_not_replaced(tmp_path: Path):
    save_map(tmp_path / "sfo1.tif", town((60, 70)))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "family.jpg").write_bytes(b"x")
    with pytest.raises(ArtefactError, match=r"has no sfo1\.tif, so --overwrite does not delete it"):
        write_contest("inria", [tmp_path / "sfo1.tif"], tmp_path / "photos", DEFAULT, overwrite=True)


def test_the_command_writes_and_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    save_map(tmp_path / "maps" / "7.tif", town())
    out = str(tmp_path / "p.json")
    assert run(["contest", "crowdai", str(tmp_path / "maps"), out]) == 0
    assert "5 prediction(s), read back without a fault" in capsys.readouterr().out
    assert run(["contest", "crowdai", out, "--check"]) == 0
    entries = json.loads(Path(out).read_text())
    Path(out).write_text(json.dumps([entries[0] | {"category_id": 3}]))
    capsys.readouterr()
    assert run(["contest", "crowdai", out, "--check"]) == 3
    shown = capsys.readouterr().out
    assert "[0].category_id" in shown
    assert "1 fault(s)" in shown
    assert run(["contest", "crowdai", out]) == 2
    assert run(["contest", "crowdai", out, out, "--check"]) == 2
