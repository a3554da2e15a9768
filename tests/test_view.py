"""Class maps to a page: the files of it, and what they say. The page itself is tried in `tests/browser`."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from affine import Affine
from PIL import Image

from factory import Notes, WriteRaster
from hectares.cli.main import run
from hectares.config.measure import MeasureConfig
from hectares.config.view import ViewConfig
from hectares.core.grid import Grid
from hectares.core.legend import LandClass, Legend
from hectares.errors import ArtefactError, ConfigError, GridError, InputError, RasterError, VectorError
from hectares.io.rasters.class_map import write_class_map
from hectares.io.shapes.vectors import VectorLayer, write_layer
from hectares.map_page import RECORD, MapPage, write_map_page
from hectares.measure import measure_map

LEGEND = Legend((LandClass(7, "water", (10, 20, 200)), LandClass(3, "wood", (0, 120, 10))), nodata=255)
EQUAL = Affine(10, 0, 4_321_000, 0, -10, 3_210_050)  # EPSG:3035: 100 m2 a pixel
INDICES = np.array([[0, 1, 1, 1], [255, 0, 0, 1], [0, 0, 0, 255]], np.uint8)


def _save(path: Path, indices: np.ndarray = INDICES, *, crs: str | None = "EPSG:3035", legend: Legend = LEGEND) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    transform = EQUAL if crs else Affine.identity()
    write_class_map(path, indices, Grid(crs, transform, indices.shape), legend, {}, overwrite=False)
    return path


@pytest.fixture
def class_map(tmp_path: Path) -> Path:
    """Give a map of 3 x 4 pixels of 100 m2."""
    return _save(tmp_path / "map.tif")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> MapPage:
    """Give a page about the map alone, to look at."""
    folder = tmp_path_factory.mktemp("plain")
    return write_map_page([_save(folder / "map.tif")], folder / "page", ViewConfig())


def _content(folder: Path) -> dict[str, Any]:
    text = (folder / "page" / "content.js").read_text(encoding="ascii")
    return json.loads(text.removeprefix("window.hectares = { content: ").removesuffix(" };\n"))


def _codes(path: Path) -> bytes:
    packed = re.fullmatch(r'hectares\.receive\("[\w/-]+","(.+)"\);\n', path.read_text())[1]
    return zlib.decompress(base64.b64decode(packed))


def _layer(path: Path, shapes: dict[str, shapely.Geometry], **more: tuple[Any, ...]) -> str:
    layer = VectorLayer("EPSG:3035", tuple(shapes.values()), {"name": tuple(shapes), **more})
    write_layer(path, layer, name="shapes", overwrite=True)
    return str(path)


def _box(left: float, top: float, right: float, bottom: float) -> shapely.Geometry:
    """Give a box in pixels of the map."""
    (west, north), (east, south) = EQUAL @ (left, top), EQUAL @ (right, bottom)
    return shapely.box(west, south, east, north)


# --- What is written --------------------------------------------------------------------------------------


def test_the_folder_holds_all_that_the_page_names(plain: MapPage):
    text = plain.start.read_text()
    named = re.findall(r'(?:src|href)="([^"#]+)"', text)
    assert {n for n in named if not n.startswith("data:")} >= {"page/content.js", "page/map.css", "page/page.js"}
    assert all((plain.folder / n).is_file() for n in named if not n.startswith("data:"))
    assert plain.files == sum(p.is_file() for p in plain.folder.rglob("*"))
    assert plain.size == sum(p.stat().st_size for p in plain.folder.rglob("*") if p.is_file())


def test_no_file_of_the_page_names_another_host(plain: MapPage):
    assert "default-src 'none'" in plain.start.read_text()
    for path in plain.folder.rglob("*"):
        if path.suffix in {".html", ".js", ".css"}:
            assert not re.search(r"https?:|\bfetch\(|XMLHttpRequest|innerHTML", path.read_text()), path.name


def test_a_tile_holds_the_indices_of_the_map(plain: MapPage):
    assert _codes(plain.folder / "tiles/map-1/0/0-0.js") == INDICES.tobytes()
    assert _content(plain.folder)["maps"][0]["levels"] == [{"height": 3, "width": 4, "tiles": ["c"]}]


def test_the_areas_are_those_of_measure(tmp_path: Path, class_map: Path):
    page = write_map_page([class_map], tmp_path / "page", ViewConfig())
    measure_map(class_map, tmp_path / "areas.csv", MeasureConfig())
    record = _content(page.folder)["maps"][0]
    table = json.loads((tmp_path / "areas.json").read_text())["total"]
    assert record["areas"]["total"] == [row["area_m2"] for row in table]
    assert record["areas"]["total"] == pytest.approx([600, 400, 200], rel=1e-6)
    assert [c["name"] for c in record["classes"]] == ["water", "wood"]
    assert (page.folder / record["table"]).read_bytes() == (tmp_path / "areas.csv").read_bytes()


def test_names_that_are_markup_stay_names(tmp_path: Path):
    evil = '</script><img src=x onerror="alert(1)">'
    legend = Legend((LandClass(7, evil, (10, 20, 200)), LandClass(3, "a &amp; b", (0, 120, 10))), nodata=255)
    page = write_map_page([_save(tmp_path / "map.tif", legend=legend)], tmp_path / "page", ViewConfig(title=evil))
    assert "<img" not in page.start.read_text()
    assert "<" not in (page.folder / "page/content.js").read_text()
    content = _content(page.folder)
    assert (content["title"], content["maps"][0]["classes"][1]["name"]) == (evil, "a &amp; b")


def test_no_folder_of_this_machine_is_told(tmp_path: Path, class_map: Path):
    zones = _layer(tmp_path / "zones.gpkg", {"all": _box(0, 0, 4, 3)})
    config = ViewConfig(zones=f"{zones}:shapes", scene=(str(class_map),))
    page = write_map_page([class_map], tmp_path / "page", config)
    for path in page.folder.rglob("*"):
        assert not path.is_file() or str(tmp_path).encode() not in path.read_bytes(), path.name
    assert json.loads((page.folder / RECORD).read_text())["config"]["zones"] == "zones.gpkg:shapes"


def test_the_same_files_give_the_same_bytes(
    tmp_path: Path, class_map: Path, tree_of: Callable[[Path], dict[str, bytes]]
):
    for name in ("one", "two"):
        write_map_page([class_map], tmp_path / name, ViewConfig(scene=(str(class_map),)))
    assert tree_of(tmp_path / "one") == tree_of(tmp_path / "two")


def test_a_page_is_replaced_only_if_asked(tmp_path: Path, class_map: Path, plain: MapPage):
    shutil.copytree(plain.folder, tmp_path / "page")
    with pytest.raises(ArtefactError, match="--overwrite"):
        write_map_page([class_map], tmp_path / "page", ViewConfig(title="new"))
    page = write_map_page([class_map], tmp_path / "page", ViewConfig(title="new"), overwrite=True)
    assert _content(page.folder)["title"] == "new"


def test_a_folder_that_is_no_page_is_not_deleted(tmp_path: Path, class_map: Path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    with pytest.raises(ArtefactError, match=RECORD):
        write_map_page([class_map], tmp_path / "thesis", ViewConfig(), overwrite=True)
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "years of work"


def test_a_refused_input_leaves_no_folder(tmp_path: Path, class_map: Path, write_raster: WriteRaster):
    odd = write_raster("odd.tif", np.ones((3, 4), np.uint8), crs="EPSG:32633")
    with pytest.raises(GridError, match="gdalwarp -t_srs EPSG:3035"):
        write_map_page([class_map], tmp_path / "page", ViewConfig(scene=(str(odd),)))
    assert not (tmp_path / "page").exists()
    assert not list(tmp_path.glob(".hectares-*"))


# --- Maps -------------------------------------------------------------------------------------------------


def test_a_large_map_keeps_the_pixels_in_the_middle(tmp_path: Path):
    indices = np.random.default_rng(3).integers(0, 2, (300, 601), np.uint8)
    page = write_map_page([_save(tmp_path / "map.tif", indices)], tmp_path / "page", ViewConfig(max_px=400))
    record = _content(page.folder)["maps"][0]
    assert record["step"] == 2
    assert (record["height"], record["width"]) == (300, 601)
    assert [(level["height"], level["width"]) for level in record["levels"]] == [(150, 301)]
    kept = np.concatenate([indices[1::2, 1::2], indices[1::2, 600:]], axis=1)
    assert _codes(page.folder / "tiles/map-1/0/0-0.js") == kept.tobytes()
    assert any("2 × 2" in note for note in record["notes"])


def test_several_maps_of_one_name_are_told_apart(tmp_path: Path):
    paths = [_save(tmp_path / year / "map.tif") for year in ("2019", "2024")]
    page = write_map_page(paths, tmp_path / "page", ViewConfig())
    assert [m["name"] for m in _content(page.folder)["maps"]] == ["2019/map.tif", "2024/map.tif"]
    assert len(json.loads((page.folder / RECORD).read_text())["inputs"]) == 2


def test_a_map_that_lies_elsewhere_is_placed_by_its_transform(tmp_path: Path, class_map: Path):
    shifted = Grid("EPSG:3035", EQUAL @ Affine.translation(2, 1) @ Affine.scale(0.5), (4, 4))
    write_class_map(tmp_path / "fine.tif", np.zeros((4, 4), np.uint8), shifted, LEGEND, {}, overwrite=False)
    page = write_map_page([class_map, tmp_path / "fine.tif"], tmp_path / "page", ViewConfig())
    content = _content(page.folder)
    assert content["maps"][1]["affine"] == [0.5, 0, 2, 0, 0.5, 1]
    assert content["extent"] == [0, 0, 4, 3]


def test_a_map_without_a_place_has_no_areas(tmp_path: Path):
    page = write_map_page([_save(tmp_path / "map.tif", crs=None)], tmp_path / "page", ViewConfig())
    content = _content(page.folder)
    assert content["lonlat"] is content["maps"][0]["areas"] is content["maps"][0]["pixelArea"] is None


def test_a_pixel_size_by_hand_gives_areas(tmp_path: Path):
    page = write_map_page([_save(tmp_path / "map.tif", crs=None)], tmp_path / "page", ViewConfig(gsd_m=2.0))
    record = _content(page.folder)["maps"][0]
    assert record["areas"]["total"] == [24, 16, 8]
    assert record["pixelArea"]["values"] == [[4.0] * 4]


def test_a_page_without_a_map_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="at least one class map"):
        write_map_page([], tmp_path / "page", ViewConfig())


# --- Scenes and scores ------------------------------------------------------------------------------------


def test_a_scene_is_clear_where_nothing_was_seen(tmp_path: Path, class_map: Path, write_raster: WriteRaster):
    image = np.arange(36, dtype=np.uint16).reshape(3, 3, 4) * 100 + 1
    image[:, 1, 2] = 0
    scene = write_raster("scene.tif", image, crs="EPSG:3035", transform=EQUAL, nodata=0)
    page = write_map_page([class_map], tmp_path / "page", ViewConfig(scene=(str(scene),)))
    picture = np.array(Image.open(io.BytesIO((page.folder / "tiles/scene-1/0/0-0.png").read_bytes())))
    assert np.argwhere(picture[..., 3] == 0).tolist() == [[1, 2]]
    assert picture[0, 0, :3].max() < picture[2, 3, :3].min()


def test_a_whole_scene_is_cut_into_levels_of_jpeg(tmp_path: Path, class_map: Path, write_raster: WriteRaster):
    image = np.random.default_rng(2).integers(0, 255, (3, 30, 700), np.uint8)
    scene = write_raster("scene.tif", image, crs="EPSG:3035", transform=EQUAL)
    page = write_map_page([class_map], tmp_path / "page", ViewConfig(scene=(str(scene),)))
    assert [level["tiles"] for level in _content(page.folder)["scenes"][0]["levels"]] == [["jj"], ["j"]]
    with Image.open(page.folder / "tiles/scene-1/1/0-0.jpg") as image:
        assert image.size == (350, 15)


def test_scores_become_per_cent(tmp_path: Path, class_map: Path, write_raster: WriteRaster):
    scores = np.stack([np.full((3, 4), 0.2), np.linspace(0, 0.99, 12).reshape(3, 4)]).astype(np.float32)
    scores[:, 0, 1] = np.nan
    path = write_raster("scores.tif", scores, crs="EPSG:3035", transform=EQUAL)
    page = write_map_page([class_map], tmp_path / "page", ViewConfig(scores=(str(path),)))
    found = np.frombuffer(_codes(page.folder / "tiles/scores-1/0/0-0.js"), np.uint8)
    assert found.tolist() == [20, 255, 20, 27, 36, 45, 54, 63, 72, 81, 90, 99]


def test_scores_above_one_are_refused(tmp_path: Path, class_map: Path, write_raster: WriteRaster):
    path = write_raster("scores.tif", np.full((3, 4), 200, np.uint8), crs="EPSG:3035", transform=EQUAL)
    with pytest.raises(RasterError, match="holds 200; scores are 0 to 1"):
        write_map_page([class_map], tmp_path / "page", ViewConfig(scores=(str(path),)))


def test_scores_of_another_grid_are_refused(tmp_path: Path, class_map: Path, write_raster: WriteRaster):
    path = write_raster("scores.tif", np.zeros((3, 5), np.float32), crs="EPSG:3035", transform=EQUAL)
    with pytest.raises(GridError, match="another grid"):
        write_map_page([class_map], tmp_path / "page", ViewConfig(scores=(str(path),)))


def test_scores_for_one_of_two_maps_are_refused(tmp_path: Path, class_map: Path):
    other = _save(tmp_path / "other.tif")
    with pytest.raises(ConfigError, match="1 times for 2 map"):
        write_map_page([class_map, other], tmp_path / "page", ViewConfig(scores=("scores.tif",)))


# --- Zones, polygons, tables ------------------------------------------------------------------------------


def test_zones_are_drawn_and_measured(tmp_path: Path, class_map: Path):
    zones = _layer(tmp_path / "zones.gpkg", {"left": _box(0, 0, 2, 3), "top right": _box(2, 0, 4, 1)})
    content = _content(write_map_page([class_map], tmp_path / "page", ViewConfig(zones=zones)).folder)
    areas = content["maps"][0]["areas"]
    assert areas["order"] == ["left", "top right", "outside all zones"]
    assert areas["zones"]["left"] == pytest.approx([400, 100, 100], rel=1e-6)
    assert areas["zones"]["top right"] == pytest.approx([0, 200, 0], rel=1e-6)
    left = content["zones"][0]
    assert sorted(zip(left["rings"][0][::2], left["rings"][0][1::2], strict=True)) == [(0, 0), (0, 3), (2, 0), (2, 3)]
    assert 0 < left["label"][0] < 2


def test_of_many_polygons_the_largest_are_shown(tmp_path: Path, class_map: Path, notes: Notes):
    shapes = {"small": _box(0, 0, 1, 1), "large": _box(0, 0, 3, 3), "middle": _box(1, 1, 3, 2)}
    polygons = _layer(tmp_path / "polygons.gpkg", shapes)
    config = ViewConfig(polygons=polygons, max_polygons=2)
    page = write_map_page([class_map], tmp_path / "page", config, monitor=notes)
    found = _content(page.folder)["outlines"]
    assert [(o["name"], round(o["m2"])) for o in found] == [("large", 900), ("middle", 200)]
    assert "3 polygons lie on the map, the 2 largest" in notes.problems[0].what


def test_the_area_of_a_polygon_is_what_its_file_says(tmp_path: Path, class_map: Path):
    polygons = _layer(tmp_path / "polygons.gpkg", {"a": _box(0, 0, 1, 1)}, area_ha=(0.25,), class_name=("wood",))
    page = write_map_page([class_map], tmp_path / "page", ViewConfig(polygons=polygons))
    assert [(o["name"], o["m2"]) for o in _content(page.folder)["outlines"]] == [("wood", 2500)]


def test_polygons_beside_the_map_are_refused(tmp_path: Path, class_map: Path):
    polygons = _layer(tmp_path / "polygons.gpkg", {"a": _box(100, 0, 101, 1)})
    with pytest.raises(VectorError, match="no polygon lies on the map"):
        write_map_page([class_map], tmp_path / "page", ViewConfig(polygons=polygons))


def test_a_table_of_the_map_is_taken_over(tmp_path: Path, class_map: Path):
    measure_map(class_map, tmp_path / "areas.csv", MeasureConfig())
    page = write_map_page([class_map], tmp_path / "page", ViewConfig(areas=(str(tmp_path / "areas.csv"),)))
    content = _content(page.folder)
    assert content["maps"][0]["areas"]["total"] == pytest.approx([600, 400, 200], rel=1e-6)
    assert content["sources"][1]["kind"] == "table of areas"
    assert not (page.folder / "areas-1.csv").exists()


def test_a_table_of_another_map_is_refused(tmp_path: Path, class_map: Path):
    other = _save(tmp_path / "other.tif", INDICES[:2])
    measure_map(other, tmp_path / "areas.csv", MeasureConfig())
    with pytest.raises(InputError, match="not counted from one of the maps"):
        write_map_page([class_map], tmp_path / "page", ViewConfig(areas=(str(tmp_path / "areas.csv"),)))


# --- Command line -----------------------------------------------------------------------------------------


def test_the_command_tells_where_the_page_is(tmp_path: Path, class_map: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["view", str(class_map), str(tmp_path / "page"), "--quiet"]) == 0
    told = capsys.readouterr().out
    assert "files" in told
    assert "index.html" in told


def test_the_command_wants_a_folder(tmp_path: Path, class_map: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["view", str(class_map)]) == 2
    assert "last, the folder to write" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["x.html", "x.HTM"])
def test_the_name_of_a_file_is_refused_for_a_folder(tmp_path: Path, class_map: Path, name: str):
    with pytest.raises(ConfigError, match="`view` writes a folder: give its name, like x"):
        write_map_page([class_map], tmp_path / name, ViewConfig())
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize(("options", "said"), [({"zone_field": "n"}, "--zones"), ({"rgb": "3,2,1"}, "--scene")])
def test_an_option_without_the_one_it_is_about_is_refused(options: dict[str, Any], said: str):
    with pytest.raises(ConfigError, match=f"has no effect without {said}"):
        ViewConfig(**options)
