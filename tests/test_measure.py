"""Class map to area table."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from affine import Affine

from factory import Notes, WriteRaster
from hectares.config.measure import MeasureConfig
from hectares.core.area import pixel_area
from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.errors import ArtefactError, ConfigError, GsdError, InputError, LegendError, VectorError
from hectares.io.artefact import stamp, write_json
from hectares.io.rasters.class_map import open_class_map, save_class_map
from hectares.io.shapes.vectors import VectorLayer, write_layer
from hectares.measure import COLUMNS, OUTSIDE, measure_map, measure_maps

LEGEND = Legend.of({0: "ground", 3: "building"})
EQUAL = Affine(10, 0, 4_321_000, 0, -10, 3_210_050)  # EPSG:3035: 100 m2 a pixel
CODES = np.array([[0, 3, 3, 3, 0, 0, 0], [3, 3, 255, 0, 0, 0, 255]] * 2 + [[0, 0, 0, 3, 3, 0, 0]], np.uint8)


def _save(folder: Path, codes: np.ndarray, grid: Grid) -> Path:
    (folder / ".work").mkdir()
    save_class_map(folder / "map.tif", folder / ".work", [codes], grid, LEGEND, {}, overwrite=False)
    return folder / "map.tif"


@pytest.fixture
def class_map(tmp_path: Path) -> Path:
    """Give a map of 5 x 7 pixels of 100 m2."""
    return _save(tmp_path, CODES, Grid("EPSG:3035", EQUAL, (5, 7)))


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _zones(folder: Path, zones: dict[str, shapely.Geometry], crs: str = "EPSG:3035") -> Path:
    layer = VectorLayer(crs, tuple(zones.values()), {"number": tuple(range(len(zones))), "name": tuple(zones)})
    write_layer(folder / "zones.gpkg", layer, name="zones", overwrite=True)
    return folder / "zones.gpkg"


# --- Totals -----------------------------------------------------------------------------------------------


def test_areas_by_hand(tmp_path: Path, class_map: Path):
    measure_map(class_map, tmp_path / "areas.csv", MeasureConfig())
    table = _table(tmp_path / "areas.csv")
    assert list(table[0]) == list(COLUMNS)
    assert [(r["class_id"], r["class_name"], r["pixels"]) for r in table] == [
        ("0", "ground", "19"),
        ("3", "building", "12"),
        ("", "nodata", "4"),
    ]
    assert [float(r["area_m2"]) for r in table] == pytest.approx([1900, 1200, 400], rel=1e-6)
    assert [float(r["area_ha"]) for r in table] == pytest.approx([0.19, 0.12, 0.04], rel=1e-6)
    assert [float(r["area_km2"]) for r in table] == pytest.approx([0.0019, 0.0012, 0.0004], rel=1e-6)
    assert [float(r["area_acres"]) for r in table] == pytest.approx([0.469500, 0.296526, 0.0988422], rel=1e-5)
    assert [r["share"] for r in table][2] == ""
    assert [float(r["share"]) for r in table[:2]] == pytest.approx([19 / 31, 12 / 31], rel=1e-6)


def test_json_beside_says_the_same(tmp_path: Path, class_map: Path):
    areas = measure_map(class_map, tmp_path / "areas.csv", MeasureConfig())
    content = json.loads((tmp_path / "areas.json").read_text())
    assert [r["area_m2"] for r in content["total"]] == [r.mapped_m2 for r in areas.total.rows]
    assert (content["method"], content["kind"], content["crs"]) == ("ellipsoid", "mapped", "EPSG:3035")
    assert content["coverage"] == pytest.approx(31 / 35, rel=1e-6)
    assert Legend.from_json(content["legend"]) == LEGEND


def test_a_second_run_gives_the_same_bytes(tmp_path: Path, class_map: Path):
    for name in ("one", "two"):
        measure_map(class_map, tmp_path / f"{name}.csv", MeasureConfig())
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def _half_built(folder: Path, side: int, **profile: object) -> Path:
    """A tile of which the left half is building, without a CRS, written strip by strip."""
    head = {"driver": "GTiff", "dtype": "uint8", "count": 1, "height": side, "width": side, "compress": "deflate"}
    head |= {"transform": Affine(0.05, 0, 0, 0, -0.05, 0), "tiled": True, **profile}
    strip = np.ones((512, side), np.uint8)
    strip[:, side // 2 :] = 2
    with rasterio.open(folder / "tile.tif", "w", **head) as dataset:
        for row in range(0, side, 512):
            rows = min(512, side - row)
            dataset.write(strip[:rows], 1, window=rasterio.windows.Window(0, row, side, rows))
    return folder / "tile.tif"


@pytest.mark.parametrize(("side", "half_m2"), [(60, 4.5), (6000, 45_000)])
def test_half_a_tile_of_buildings_at_5_cm(tmp_path: Path, side: int, half_m2: float):
    tile = _half_built(tmp_path, side)
    measure_map(tile, tmp_path / "areas.csv", MeasureConfig(gsd_m=0.05))
    building, rest, nodata = _table(tmp_path / "areas.csv")
    assert building["class_name"] == "class 1"
    assert round(float(building["area_m2"]), 2) == half_m2
    assert round(float(rest["area_m2"]), 2) == half_m2
    assert float(building["share"]) == pytest.approx(0.5, rel=1e-14)
    assert nodata["pixels"] == "0"


def test_web_mercator_is_measured_on_the_ground(tmp_path: Path):
    grid = Grid("EPSG:3857", Affine(10, 0, 1.0e6, 0, -10, 8_399_737.9), (5, 7))
    areas = measure_map(_save(tmp_path, CODES, grid), tmp_path / "areas.csv", MeasureConfig())
    assert areas.total.rows[1].mapped_m2 == pytest.approx(12 * 25, rel=0.01)
    assert areas.total.total_m2 == pytest.approx(pixel_area(grid, grid.window).sum(), rel=1e-12)


def test_a_map_of_many_strips_is_measured_whole(tmp_path: Path):
    grid = Grid("EPSG:4326", Affine(0.01, 0, 10, 0, -0.01, 60), (1100, 3))
    codes = np.zeros((1100, 3), np.uint8)
    codes[600:] = 3
    areas = measure_map(_save(tmp_path, codes, grid), tmp_path / "areas.csv", MeasureConfig())
    expected = pixel_area(grid, grid.window)
    assert [r.mapped_m2 for r in areas.total.rows] == pytest.approx([expected[:600].sum(), expected[600:].sum(), 0])


# --- Zones ------------------------------------------------------------------------------------------------

WEST = shapely.box(4_321_000, 3_210_000, 4_321_030, 3_210_050)  # the three western columns
NORTH = shapely.box(4_321_050, 3_210_030, 4_321_070, 3_210_050)  # two columns, two rows


def test_zones_and_what_lies_outside_are_the_total(tmp_path: Path, class_map: Path):
    config = MeasureConfig(zones=str(_zones(tmp_path, {"west": WEST, "north": NORTH})))
    areas = measure_map(class_map, tmp_path / "areas.csv", config)
    assert list(areas.zones) == ["west", "north", OUTSIDE]
    by_hand = CODES[:, :3]
    expected = [(by_hand == 0).sum(), (by_hand == 3).sum(), (by_hand == 255).sum()]
    assert [r.pixels for r in areas.zones["west"].rows] == expected
    assert [r.pixels for r in areas.zones["north"].rows] == [3, 0, 1]
    for k, row in enumerate(areas.total.rows):
        parts = [table.rows[k] for table in areas.zones.values()]
        assert sum(p.pixels for p in parts) == row.pixels
        assert sum(p.mapped_m2 for p in parts) == pytest.approx(row.mapped_m2, rel=1e-12)
    table = _table(tmp_path / "areas.csv")
    assert list(table[0]) == ["zone", *COLUMNS]
    assert [r["zone"] for r in table] == ["west"] * 3 + ["north"] * 3 + [OUTSIDE] * 3


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:32632"])
def test_zones_may_be_in_another_crs(tmp_path: Path, class_map: Path, crs: str):
    there = VectorLayer("EPSG:3035", (WEST.buffer(-0.01), NORTH.buffer(-0.01)), {}).to_crs(crs)
    zones = _zones(tmp_path, dict(zip(("west", "north"), there.geometries, strict=True)), crs)
    areas = measure_map(class_map, tmp_path / "areas.csv", MeasureConfig(zones=str(zones)))
    assert sum(r.pixels for r in areas.zones["west"].rows) == 15
    assert [r.pixels for r in areas.zones["north"].rows] == [3, 0, 1]


def test_zones_on_the_other_side_of_the_earth_do_not_disturb(tmp_path: Path, notes: Notes):
    grid = Grid("EPSG:32633", Affine(10, 0, 500_120, 0, -10, 5_000_370), (5, 7))
    class_map = _save(tmp_path, CODES, grid)
    zones = {
        "here": shapely.box(-30, 20, 60, 70),
        "far": shapely.box(-179, -89, -100, -10),
        "ice": shapely.box(-180, -90, 180, -60),
    }
    config = MeasureConfig(zones=str(_zones(tmp_path, zones, "EPSG:4326")))
    areas = measure_map(class_map, tmp_path / "areas.csv", config, monitor=notes)
    assert sum(r.pixels for r in areas.zones["here"].rows) == 35
    assert areas.zones["far"].total_m2 == areas.zones["ice"].total_m2 == 0
    assert "2 of 3 zones cover no pixel: far, ice" in notes.problems[0].what


def test_features_of_one_name_are_one_zone(tmp_path: Path, class_map: Path):
    layer = VectorLayer("EPSG:3035", (WEST, NORTH, WEST), {"name": ("a", "a", "a")})
    write_layer(tmp_path / "zones.gpkg", layer, name="z", overwrite=False)
    areas = measure_map(class_map, tmp_path / "areas.csv", MeasureConfig(zones=str(tmp_path / "zones.gpkg")))
    assert sum(r.pixels for r in areas.zones["a"].rows) == 15 + 4


ACROSS = shapely.box(
    4_321_004, 3_210_043, 4_321_016, 3_210_049
)  # 6 x 6 m of (0, 0), which holds the center, and of (0, 1)


def test_a_pixel_on_the_edge_counts_with_its_share(tmp_path: Path, class_map: Path):
    config = MeasureConfig(zones=str(_zones(tmp_path, {"z": ACROSS})))
    areas = measure_map(class_map, tmp_path / "areas.csv", config)
    assert [r.mapped_m2 for r in areas.zones["z"].rows] == pytest.approx([36, 36, 0], rel=1e-6)
    assert [r.mapped_m2 for r in areas.zones[OUTSIDE].rows] == pytest.approx([1864, 1164, 400], rel=1e-6)


def test_a_pixel_may_be_counted_by_its_center(tmp_path: Path, class_map: Path):
    config = MeasureConfig(zones=str(_zones(tmp_path, {"z": ACROSS})), edges="center")
    areas = measure_map(class_map, tmp_path / "areas.csv", config)
    assert [r.pixels for r in areas.zones["z"].rows] == [1, 1, 0]
    assert [r.mapped_m2 for r in areas.zones["z"].rows] == pytest.approx([100, 100, 0], rel=1e-6)


# --- Several maps -----------------------------------------------------------------------------------------


@pytest.fixture
def second_map(tmp_path: Path) -> Path:
    """Give a map 20 m east and 10 m south of the first, all building but for a pixel of nodata."""
    codes = np.full((5, 7), 3, np.uint8)
    codes[0, 1] = 255
    (tmp_path / "second").mkdir()
    return _save(tmp_path / "second", codes, Grid("EPSG:3035", EQUAL @ Affine.translation(2, 1), (5, 7)))


def test_what_overlaps_counts_once(tmp_path: Path, class_map: Path, second_map: Path, notes: Notes):
    areas = measure_maps([class_map, second_map], tmp_path / "areas.csv", MeasureConfig(), monitor=notes)
    first, second = CODES[1:, 2:], np.full((4, 5), 3)
    second[0, 1] = 255
    fresh = (first == 255) & (second != 255)  # what only the second shows of the 4 x 5 pixels of both
    building = 12 + (35 - 20) + fresh.sum()
    nodata = 4 - fresh.sum()
    assert [r.pixels for r in areas.total.rows] == [19, building, nodata]
    assert areas.total.total_m2 == pytest.approx((35 + 35 - 20) * 100, rel=1e-6)
    assert areas.overlap_m2 == pytest.approx(((first != 255) & (second != 255)).sum() * 100, rel=1e-6)
    assert "more than once" in notes.problems[0].what
    assert notes.problems[0].severity == "note"


def test_maps_of_two_utm_zones_are_measured_together(tmp_path: Path):
    for name, crs in (("a", "EPSG:32632"), ("b", "EPSG:32633")):
        (tmp_path / name).mkdir()
        x, y = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(12.0, 50.0)
        codes = np.full((40, 30), 3, np.uint8)
        _save(tmp_path / name, codes, Grid(crs, Affine(10, 0, x - 150, 0, -10, y + 200), (40, 30)))
    areas = measure_maps([tmp_path / "a/map.tif", tmp_path / "b/map.tif"], tmp_path / "areas.csv", MeasureConfig())
    one = measure_map(tmp_path / "a/map.tif", tmp_path / "one.csv", MeasureConfig()).total.total_m2
    turned = np.radians(4.6)  # the grids are turned against each other by the convergence of both zones
    assert one < areas.total.total_m2 < one * (1 + 2 * np.sin(turned))


def test_maps_of_other_classes_are_refused(tmp_path: Path, class_map: Path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / ".work").mkdir()
    other, legend = tmp_path / "other" / "map.tif", Legend.of({0: "ground", 3: "roof"})
    save_class_map(
        other, other.parent / ".work", [CODES], Grid("EPSG:3035", EQUAL, (5, 7)), legend, {}, overwrite=False
    )
    with pytest.raises(LegendError, match=r"other classes than .*class 3, '(building|roof)', is in one of them only"):
        measure_maps([class_map, other], tmp_path / "areas.csv", MeasureConfig())


def test_a_map_given_twice_is_refused(tmp_path: Path, class_map: Path):
    with pytest.raises(ConfigError, match="is given twice"):
        measure_maps([class_map, class_map], tmp_path / "areas.csv", MeasureConfig())


def test_too_little_coverage_is_refused(tmp_path: Path, class_map: Path):
    with pytest.raises(InputError, match=r"88\.6% of the area shows a class.*at least 90\.0% is asked for"):
        measure_map(class_map, tmp_path / "areas.csv", MeasureConfig(min_coverage=0.9))
    assert not (tmp_path / "areas.csv").exists()


def test_a_zone_with_a_number_for_a_name(tmp_path: Path, class_map: Path):
    config = MeasureConfig(zones=str(_zones(tmp_path, {"west": WEST})), zone_field="number")
    assert list(measure_map(class_map, tmp_path / "areas.csv", config).zones) == ["0", OUTSIDE]


# --- Refusals ---------------------------------------------------------------------------------------------


def test_without_a_crs_the_pixel_size_is_asked_for(tmp_path: Path, write_raster: WriteRaster):
    tile = write_raster("tile.png", np.ones((3, 4), np.uint8))
    with pytest.raises(GsdError, match=r"tile\.png: has no CRS, .*--gsd-m"):
        measure_map(tile, tmp_path / "areas.csv", MeasureConfig())
    assert not (tmp_path / "areas.csv").exists()


def test_with_a_crs_a_pixel_size_is_refused(tmp_path: Path, class_map: Path):
    with pytest.raises(GsdError, match="leave --gsd-m out"):
        measure_map(class_map, tmp_path / "areas.csv", MeasureConfig(gsd_m=0.5))


@pytest.mark.parametrize("gsd_m", [0, -1, float("nan")])
def test_an_impossible_pixel_size_is_refused(gsd_m: float):
    with pytest.raises(ConfigError, match="--gsd-m"):
        MeasureConfig(gsd_m=gsd_m)


def test_zones_without_a_place_are_refused(tmp_path: Path, write_raster: WriteRaster):
    tile = write_raster("tile.png", np.ones((3, 4), np.uint8))
    config = MeasureConfig(gsd_m=1, zones=str(_zones(tmp_path, {"west": WEST})))
    with pytest.raises(VectorError, match="zones cannot be laid over it"):
        measure_map(tile, tmp_path / "areas.csv", config)


@pytest.mark.parametrize(
    ("zones", "field", "message"),
    [
        ({"far": shapely.box(0, 0, 9, 9)}, None, "no zone covers a pixel"),
        ({"west": WEST}, "district", "has no field 'district'; it has number, name"),
    ],
)
def test_zones_that_do_not_fit_are_refused(
    tmp_path: Path, class_map: Path, zones: dict[str, shapely.Geometry], field: str | None, message: str
):
    config = MeasureConfig(zones=str(_zones(tmp_path, zones)), zone_field=field)
    with pytest.raises(VectorError, match=message):
        measure_map(class_map, tmp_path / "areas.csv", config)


@pytest.mark.parametrize(
    ("properties", "message"), [(None, "has no polygons"), ({}, "its features have no attributes")]
)
def test_zones_without_features_or_names_are_refused_for_that(
    tmp_path: Path, class_map: Path, properties: dict[str, str] | None, message: str
):
    ring = [[10, 52], [11, 52], [11, 53], [10, 52]]
    feature = {"type": "Feature", "properties": properties, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    features = [] if properties is None else [feature]
    (tmp_path / "z.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    with pytest.raises(VectorError, match=message):
        measure_map(class_map, tmp_path / "areas.csv", MeasureConfig(zones=str(tmp_path / "z.geojson")))


def test_a_zone_named_with_blanks_is_nameless(tmp_path: Path, class_map: Path, notes: Notes):
    config = MeasureConfig(zones=str(_zones(tmp_path, {"east": shapely.box(4_321_040, 0, 4_321_070, 4e6), " ": WEST})))
    areas = measure_map(class_map, tmp_path / "areas.csv", config, monitor=notes)
    assert next(iter(set(areas.zones) - {"east", OUTSIDE})).startswith("feature ")
    assert "1 feature(s) have no value in 'name'" in str(notes.problems)


def test_a_nameless_zone_is_not_the_one_that_really_has_its_name(tmp_path: Path, class_map: Path, notes: Notes):
    alone = MeasureConfig(zones=str(_zones(tmp_path, {"east": shapely.box(4_321_040, 0, 4_321_070, 4e6), " ": WEST})))
    first = measure_map(class_map, tmp_path / "areas.csv", alone, monitor=notes)
    number = next(name for name in first.zones if name.startswith("feature "))
    both = {number: shapely.box(4_321_040, 0, 4_321_070, 4e6), " ": WEST}
    config = MeasureConfig(zones=str(_zones(tmp_path, both)))
    areas = measure_map(class_map, tmp_path / "areas.csv", config, overwrite=True, monitor=notes)
    assert set(areas.zones) - {OUTSIDE} == {number, f"{number} (without a name)"}


def test_the_record_of_another_command_is_not_replaced(tmp_path: Path, class_map: Path):
    write_json(tmp_path / "m.json", stamp("polygons", config={}, inputs={}), overwrite=False)
    with pytest.raises(ArtefactError, match=r"m\.json: is a record of the kind 'polygons'"):
        measure_map(class_map, tmp_path / "m.csv", MeasureConfig(), overwrite=True)
    assert not (tmp_path / "m.csv").exists()


def test_what_arithmetic_leaves_of_a_pixel_is_no_area_of_a_zone(tmp_path: Path, class_map: Path):
    zone = shapely.box(4_321_000, 3_210_000, 4_321_020 + 2e-9, 3_210_050)  # the third column has nodata
    areas = measure_map(class_map, tmp_path / "areas.csv", MeasureConfig(zones=str(_zones(tmp_path, {"west": zone}))))
    assert areas.zones["west"].total_m2 == pytest.approx(1000, rel=1e-3)
    assert areas.zones["west"].rows[-1].mapped_m2 == 0


@pytest.mark.parametrize("crs", [{"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3035"}}, None])
@pytest.mark.parametrize("features", ["none", "point"])
def test_layers_without_polygons_are_refused(tmp_path: Path, class_map: Path, crs: object, features: str):
    point = {"type": "Feature", "properties": {"name": "a"}, "geometry": {"type": "Point", "coordinates": [10, 52]}}
    content = {"type": "FeatureCollection", "features": [point] if features == "point" else []}
    (tmp_path / "z.geojson").write_text(json.dumps(content | ({"crs": crs} if crs else {})))
    config = MeasureConfig(zones=str(tmp_path / "z.geojson"), zone_field="name" if features == "point" else None)
    with pytest.raises(VectorError):
        measure_map(class_map, tmp_path / "areas.csv", config)


def test_the_table_is_a_csv(tmp_path: Path, class_map: Path):
    with pytest.raises(ArtefactError, match=r"end its name in \.csv"):
        measure_map(class_map, tmp_path / "areas.txt", MeasureConfig())


@pytest.mark.parametrize("name", ["areas.csv", "areas.json"])
def test_an_existing_table_is_kept(tmp_path: Path, class_map: Path, name: str):
    (tmp_path / name).write_text("old")
    with pytest.raises(ArtefactError, match="exists already"):
        measure_map(class_map, tmp_path / "areas.csv", MeasureConfig())
    assert (tmp_path / name).read_text() == "old"
    measure_map(class_map, tmp_path / "areas.csv", MeasureConfig(), overwrite=True)
    with open_class_map(class_map) as opened:
        assert opened.read(opened.grid.window).shape == (5, 7)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_table_whose_figure_would_replace_the_map_is_refused_with_the_way_out(
    tmp_path: Path, class_map: Path, overwrite: bool
):
    class_map.rename(tmp_path / "roofs.png")
    with pytest.raises(ArtefactError, match=r"the figure beside the table would be roofs\.png.*like roofs-areas\.csv"):
        measure_map(tmp_path / "roofs.png", tmp_path / "roofs.csv", MeasureConfig(), overwrite=overwrite)


@pytest.mark.parametrize("options", [{"zone_field": "name"}, {"edges": "center"}])
def test_an_option_about_zones_is_refused_without_zones(options: dict[str, str]):
    with pytest.raises(ConfigError, match="has no effect without --zones"):
        MeasureConfig(**options)
