"""The STAC item of a class map."""

from __future__ import annotations

import json
import re

import pytest
import shapely
from affine import Affine

from factory import UTM
from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.io.footprint import footprint
from hectares.io.stac import acquired_at, recorded_hashes, stac_item

GRID = Grid("EPSG:32633", UTM, (30, 50))
FILES = {"map.tif": ("ab" * 32, 900), "map.qml": ("cd" * 32, 50), "map.tif.aux.xml": ("ef" * 32, 70)}
PROVENANCE = {"version": "0.1.0", "scene": "north.tif", "network": "unet", "inputs": {"scene": "12"}}


def _item(legend: Legend, grid: Grid = GRID, **provenance: object) -> dict:
    return json.loads(json.dumps(stac_item("map", grid, legend, PROVENANCE | provenance, FILES, {20: 7, 255: 2})))


def test_it_has_all_that_an_item_needs(legend: Legend):
    item = _item(legend)
    assert {"type", "stac_version", "id", "geometry", "bbox", "properties", "links", "assets"} <= set(item)
    assert (item["type"], item["stac_version"]) == ("Feature", "1.1.0")
    prefixes = {key.split(":")[0] for key in re.findall(r'"([a-z]+:[a-z_]+)":', json.dumps(item))}
    named = {uri.split("/")[3] for uri in item["stac_extensions"]}
    assert named == {"projection", "raster", "classification", "processing", "file"}
    assert prefixes == {"proj", "raster", "classification", "processing", "file", "hectares"}


def test_classes_have_names_that_the_schema_allows_and_all_codes(legend: Legend):
    odd = Legend.of({3: "Wasser & Meer", 4: "水"}, nodata=255)
    classes = _item(odd)["assets"]["map"]["bands"][0]["classification:classes"]
    assert [c["value"] for c in classes] == [3, 4, 255]
    assert all(re.fullmatch("[0-9A-Za-z-_]+", c["name"]) for c in classes)
    assert classes[0]["title"] == "Wasser & Meer"
    assert classes[-1]["nodata"] is True
    water = _item(legend)["assets"]["map"]["bands"][0]["classification:classes"][1]
    assert (water["value"], water["count"], water["color_hint"]) == (20, 7, "0A14C8")


def test_place_and_hashes_are_told(legend: Legend):
    item = _item(legend)
    assert item["properties"]["proj:code"] == "EPSG:32633"
    assert item["properties"]["proj:shape"] == [30, 50]
    assert item["properties"]["proj:transform"] == [10, 0, 500_120, 0, -10, 5_000_370]
    assert item["assets"]["map"]["file:checksum"] == "1220" + "ab" * 32
    assert recorded_hashes(item) == {name: sha256 for name, (sha256, _) in FILES.items()}


def test_a_date_that_is_not_known_is_null_with_a_range(legend: Legend):
    found = _item(legend)["properties"]
    assert found["datetime"] is None
    assert found["start_datetime"] < found["end_datetime"]
    assert _item(legend, acquired="2021-07-03T10:20:31Z")["properties"]["datetime"] == "2021-07-03T10:20:31Z"


def test_the_date_of_a_scene_is_read_from_tags_that_mean_it():
    assert acquired_at({"ACQUISITIONDATETIME": "2021-07-03T10:20:31.5Z"}) == "2021-07-03T10:20:31Z"
    assert acquired_at({"TIFFTAG_DATETIME": "2021:07:03 10:20:31"}) is None
    assert acquired_at({"SENSING_TIME": "last summer"}) is None


def test_a_map_without_a_place_has_no_geometry_and_no_box(legend: Legend):
    item = _item(legend, Grid(None, Affine.identity(), (3, 4)))
    assert item["geometry"] is None
    assert "bbox" not in item
    assert item["properties"]["proj:code"] is None


def test_a_crs_without_a_code_is_told_as_text(legend: Legend):
    found = _item(legend, Grid("+proj=laea +lat_0=50 +lon_0=10 +ellps=bessel", UTM, (3, 4)))["properties"]
    assert found["proj:code"] is None
    assert "Bessel" in found["proj:wkt2"]


def test_edges_follow_the_projection():
    wide = Grid("EPSG:3035", Affine(1000, 0, 2_500_000, 0, -1000, 5_000_000), (100, 4000))
    outline = footprint(wide)
    corners = shapely.Polygon([outline.exterior.coords[i] for i in (0, 32, 64, 96)])
    assert len(outline.exterior.coords) == 129
    assert outline.bounds[3] > corners.bounds[3] + 1


def test_a_map_over_the_antimeridian_is_two_polygons_and_a_box_from_west_to_east(legend: Legend):
    grid = Grid("EPSG:4326", Affine(1, 0, 179, 0, -1, 11), (1, 3))
    item = _item(legend, grid)
    assert item["geometry"]["type"] == "MultiPolygon"
    assert item["bbox"] == [179, 10, -178, 11]
    assert footprint(grid).area == pytest.approx(3)


@pytest.mark.parametrize(
    ("crs", "transform", "shape", "bounds"),
    [
        ("EPSG:3031", Affine(1000, 0, -1e6, 0, -1000, 1e6), (2000, 2000), (-180, -90, 180, -77.04)),
        ("EPSG:3413", Affine(1000, 0, -1e6, 0, -1000, 1e6), (2000, 2000), (-180, 77.04, 180, 90)),
        ("EPSG:4326", Affine(1, 0, 0, 0, -1, 90), (180, 360), (-180, -90, 180, 90)),
    ],
)
def test_poles_and_the_whole_globe_are_one_polygon(crs: str, transform: Affine, shape: tuple[int, int], bounds: tuple):
    found = footprint(Grid(crs, transform, shape))
    assert found.geom_type == "Polygon"
    assert found.is_valid
    assert found.bounds == pytest.approx(bounds, abs=0.05)


def test_rings_turn_to_the_left():
    assert footprint(GRID).exterior.is_ccw
    south_up = Grid("EPSG:32633", Affine(10, 0, 500_000, 0, 10, 5_000_000), (30, 50))
    assert footprint(south_up).exterior.is_ccw
