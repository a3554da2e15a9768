"""The data doctor: a clean data set has no findings, and each defect exactly its own."""

import csv
import json
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely
from affine import Affine

from factory import save_raster
from hectares.check import check_paths
from hectares.config.check import CheckConfig
from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.errors import ConfigError, InputError, Interrupted
from hectares.io.artefact import dump_json
from hectares.io.rasters.class_map import write_class_map
from layouts.blocks import draw, place, write_blocks, write_pair


@pytest.fixture
def legend_file(tmp_path, legend):
    path = tmp_path / "legend.json"
    path.write_text(dump_json(legend.to_json()))
    return path


@pytest.fixture
def data(tmp_path):
    return write_blocks(tmp_path / "data")


@pytest.fixture
def examine(data, legend_file):
    def run(**options):
        (examined,) = check_paths([data], CheckConfig(legend=legend_file, **options)).examined
        return examined

    return run


def weighty(examined):
    return [(f.check, f.severity, f.scene) for f in examined.findings if f.has_weight]


def test_a_clean_data_set_has_no_findings(examine):
    examined = examine()
    assert weighty(examined) == []
    assert examined.problems == 0
    assert (examined.kind, examined.facts["scenes"], examined.facts["gsd_m"]) == ("data set", 6, [10, 10])
    assert (examined.facts["smallest_px"], examined.facts["nodata_share"]) == ([96, 80], 0)


def test_classes_are_counted_by_split_with_their_area(examine):
    by_name = {row.name: row for row in examine().classes}
    labels = np.stack([draw(n)[1] for n in range(6)])
    water = by_name["water"]
    assert water.by_split == {"train": int((labels[:4] == 20).sum()), "val": int((labels[4:] == 20).sum())}
    assert water.share == pytest.approx((labels == 20).mean())
    assert water.area_ha == pytest.approx(water.pixels / 100, rel=0.002)  # UTM is up to 0.1 % off the ellipsoid


def test_an_unknown_code_has_its_place(data, examine):
    label = draw(2)[1]
    label[40, 50:53] = 77
    write_pair(data, 2, label=label)
    examined = examine()
    assert weighty(examined) == [("codes", "error", "train/s2")]
    (finding,) = [f for f in examined.findings if f.has_weight]
    assert (finding.place.row, finding.place.col, finding.count) == (40, 50, 3)


def test_a_label_that_is_shifted_is_told(data, examine):
    write_pair(data, 3, label=np.roll(draw(3)[1], (0, 5), (0, 1)))
    examined = examine()
    assert weighty(examined) == [("shifted labels", "warning", "train/s3")]
    assert "5 px too far right (50.0 m)" in examined.findings[0].what
    assert weighty(examine(shift=False)) == []


def test_labels_that_are_all_shifted_are_told_together(data, examine):
    for number in range(6):
        write_pair(data, number, split="train" if number < 4 else "val", label=np.roll(draw(number)[1], 4, 0))
    assert ("all labels shifted", "warning", "") in weighty(examine())
    assert examine().facts["shift"] == {"rows": 4, "cols": 0}


def test_the_same_image_in_two_splits_is_an_error(data, examine):
    write_pair(data, 4, split="val", image=draw(1)[0], label=draw(1)[1])
    examined = examine()
    assert weighty(examined) == [("duplicates", "error", "train/s1")]
    assert examined.facts["duplicates"] == {"groups": 1, "images": 2, "across_splits": {"train and val": 2}}
    assert weighty(examine(duplicates=False)) == []


def test_a_brighter_copy_is_a_near_duplicate(data, examine):
    write_pair(data, 2, image=draw(0)[0] + np.uint8(20), label=draw(0)[1])
    examined = examine()
    assert weighty(examined) == [("near duplicates", "warning", "train/s0")]
    assert "train/s0, train/s2" in examined.findings[0].what


def test_a_flipped_copy_is_found_when_asked_for(data, examine):
    write_pair(data, 2, image=draw(0)[0][:, ::-1], label=draw(0)[1][::-1])
    assert weighty(examine()) == []
    assert weighty(examine(flips=True)) == [("near duplicates", "warning", "train/s0")]


def test_an_image_of_one_value_is_empty(data, examine):
    write_pair(data, 1, image=np.zeros_like(draw(1)[0]))
    assert weighty(examine()) == [("empty image", "warning", "train/s1")]


def test_an_image_of_other_bands_is_told(data, examine):
    write_pair(data, 1, image=draw(1)[0][:1])
    examined = examine(duplicates=False)
    assert weighty(examined) == [("bands", "error", "train/s1")]


def test_a_label_of_another_size_is_told(data, examine):
    write_pair(data, 5, split="val", label=draw(5)[1][:90])
    assert weighty(examine()) == [("grid", "error", "val/s5")]


def test_a_file_that_is_no_image_is_told_and_the_others_are_checked(data, examine):
    (data / "train/images/s0.tif").write_text("<html>not found</html>")
    label = draw(5)[1]
    label[0, 0] = 77
    write_pair(data, 5, split="val", label=label)
    examined = examine()
    assert weighty(examined) == [("reading", "error", "train/s0"), ("codes", "error", "val/s5")]
    assert "web page" in examined.findings[0].what


def test_a_label_of_ignored_pixels_only_is_told(data, examine):
    write_pair(data, 5, split="val", label=np.zeros_like(draw(5)[1]))
    assert weighty(examine()) == [("no label", "warning", "val/s5")]


def test_a_label_that_is_refused_is_not_also_called_empty(data, examine):
    label = draw(5)[1].astype(np.float32)
    label[3, 7] = np.nan
    write_pair(data, 5, split="val", label=label)
    examined = examine()
    assert weighty(examined) == [("labels", "error", "val/s5")]
    assert examined.findings[0].what.startswith("1 px are NaN, first at row 3, col 7")


def test_a_class_that_training_lacks_is_told(data, examine):
    for number in range(4):
        label = draw(number)[1]
        label[label == 35] = 20
        write_pair(data, number, label=label)
    found = examine(shift=False)
    assert weighty(found) == [("classes", "warning", "")]
    assert found.findings[0].what == "class 'built-up' has no pixel in training"


def test_scenes_of_two_splits_on_the_same_ground_are_told(data, examine):
    save_raster(data / "val/images/s4.tif", draw(4)[0], transform=place(0))
    save_raster(data / "val/labels/s4.tif", draw(4)[1], transform=place(0))
    assert weighty(examine()) == [("overlap of splits", "error", "train/s0")]


def test_partners_missing_on_either_side_are_told_and_the_rest_is_checked(data, examine):
    (data / "train/images/s0.tif").unlink()
    (data / "val/labels/s5.tif").unlink()
    examined = examine()
    assert [f.check for f in examined.findings if f.has_weight] == ["pairs"]
    what = examined.findings[0].what
    assert "train/labels/s0.tif" in what
    assert "val/images/s5.tif" in what
    assert examined.facts["scenes"] == 4


def test_a_folder_that_nobody_knows_is_told_with_the_way_out(tmp_path):
    (tmp_path / "odd").mkdir()
    (finding,) = check_paths([tmp_path / "odd"]).findings
    assert "--layout" in finding.remedy
    assert finding.severity == "error"


def test_a_layout_that_nobody_knows_is_a_wrong_option(data):
    with pytest.raises(ConfigError, match="format 'foldrs' is unknown"):
        check_paths([data], CheckConfig(layout="foldrs"))


def test_a_catalog_may_hold_scenes_without_a_label(data, tmp_path, legend_file):
    catalog = tmp_path / "catalog.json"
    scenes = [{"image": f"data/train/images/s{n}.tif"} for n in range(2)]
    catalog.write_text(json.dumps({"legend": legend_file.name, "scenes": scenes}))
    (examined,) = check_paths([catalog]).examined
    assert examined.problems == 0
    assert examined.classes == ()
    assert examined.facts["scenes"] == 2


def test_a_wish_to_stop_is_heard(data, legend_file):
    class Stopping:
        def progress(self, stage, done, total, note=""): ...
        def problem(self, problem): ...
        def raise_if_stopped(self):
            raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        check_paths([data], CheckConfig(legend=legend_file), monitor=Stopping())


# --- Single files -----------------------------------------------------------------------------------------


def test_a_clean_scene_has_facts_and_no_findings(data):
    (examined,) = check_paths([data / "train/images/s0.tif"]).examined
    assert (examined.kind, examined.findings) == ("scene", ())
    assert examined.facts["size_px"] == [96, 80]


def test_a_scene_without_a_crs_is_told(tmp_path):
    save_raster(tmp_path / "a.png", draw(0)[0])
    (finding,) = check_paths([tmp_path / "a.png"]).findings
    assert (finding.check, finding.has_weight) == ("CRS", True)


def test_a_class_map_is_counted(tmp_path):
    grid = Grid("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_000_000), (3, 4))
    indices = np.array([[0, 0, 1, 255], [0, 1, 1, 255], [0, 0, 0, 1]], np.uint8)
    legend = Legend.of({1: "forest", 2: "water"}).for_maps()
    write_class_map(tmp_path / "map.tif", indices, grid, legend, {}, overwrite=False)
    (examined,) = check_paths([tmp_path / "map.tif"]).examined
    assert (examined.kind, examined.findings) == ("class map", ())
    assert examined.facts["bands"] == [{"names": ["class"], "dtype": "uint8"}]  # whatever its color table says
    assert [(r.name, r.pixels, r.share) for r in examined.classes] == [("forest", 6, 0.6), ("water", 4, 0.4)]


def test_a_vector_file_is_examined(tmp_path):
    tie = shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
    collection = {"type": "Feature", "properties": {}, "geometry": json.loads(shapely.to_geojson(tie))}
    (tmp_path / "a.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [collection]}))
    (examined,) = check_paths([tmp_path / "a.geojson"]).examined
    assert examined.kind == "vectors"
    assert [f.check for f in examined.findings] == ["broken shapes"]


def test_a_path_that_is_missing_is_refused_before_the_others_are_read(data, tmp_path):
    with pytest.raises(InputError, match=r"none\.tif: there is no such file or folder \(and 1 more: .*gone\)"):
        check_paths([data, tmp_path / "none.tif", tmp_path / "gone"])


# --- Places -----------------------------------------------------------------------------------------------


@pytest.fixture
def defects(data):
    label = draw(2)[1]
    label[40, 50] = label[90, 1] = 77
    write_pair(data, 2, label=label)
    return data


@pytest.mark.parametrize("name", ["places.gpkg", "places.geojson"])
def test_places_are_points_in_degrees(defects, legend_file, tmp_path, name):
    checkup = check_paths([defects], CheckConfig(legend=legend_file, places=tmp_path / name))
    assert checkup.places == tmp_path / name
    meta, _, wkb, values = pyogrio.raw.read(checkup.places)
    rows = dict(zip(meta["fields"], values, strict=True))
    assert rows["check"].tolist() == ["codes"]
    assert (rows["row"].tolist(), rows["col"].tolist()) == ([40], [50])
    (point,) = shapely.from_wkb(wkb)
    assert (point.x, point.y) == pytest.approx((15.0318, 45.1497), abs=1e-3)
    assert pyogrio.read_info(checkup.places)["crs"] == "EPSG:4326"


def test_places_are_a_table_for_a_csv_and_where_nothing_is_georeferenced(tmp_path):
    save_raster(tmp_path / "a.png", np.zeros_like(draw(0)[0]))
    checkup = check_paths([tmp_path / "a.png"], CheckConfig(places=tmp_path / "places.gpkg"))
    assert checkup.places == tmp_path / "places.csv"
    with checkup.places.open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["check"], r["row"], r["col"]) for r in rows] == [("empty image", "48", "40"), ("CRS", "", "")]


def test_no_places_are_written_where_there_is_nothing_to_look_at(data, legend_file, tmp_path):
    assert check_paths([data], CheckConfig(legend=legend_file, places=tmp_path / "p.gpkg")).places is None
    assert not (tmp_path / "p.gpkg").exists()


def test_a_wrong_or_existing_name_for_places_is_refused_before_the_work(data, tmp_path):
    with pytest.raises(ConfigError, match=r"\.gpkg, \.geojson, \.csv"):
        check_paths([data], CheckConfig(places=tmp_path / "places.shp"))
    (tmp_path / "places.csv").write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        check_paths([data], CheckConfig(places=tmp_path / "places.csv"))


# --- Real data --------------------------------------------------------------------------------------------

REAL = Path(__file__).parents[1] / "../shared/data"
needs_data = [pytest.mark.data, pytest.mark.skipif(not REAL.is_dir(), reason="no real data beside the checkout")]


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("sundarbans-s2/scenes/north.tif", marks=needs_data),
        pytest.param("vegas-wv3/spacenet_style/vegas_wv3_8band_uint8.tif", marks=needs_data),
    ],
)
def test_real_scenes_are_clean(path):
    assert check_paths([REAL / path]).problems == 0


@pytest.mark.data
@pytest.mark.skipif(not REAL.is_dir(), reason="no real data beside the checkout")
def test_the_known_traps_of_real_labels_are_named(tmp_path):
    colors = {"building": "#3c1098", "land": "#8429f6", "road": "#6ec1e4", "vegetation": "#fedd3a", "water": "#e2a929"}
    legend = {"ignore_colors": ["#9b9b9b"], "classes": [{"name": n, "color": c} for n, c in colors.items()]}
    (tmp_path / "legend.json").write_text(json.dumps(legend))
    config = CheckConfig(layout="folders", legend=tmp_path / "legend.json", shift=False)
    checkup = check_paths([REAL / "dubai-aerial"], config)
    found = {f.scene: (f.check, f.count) for f in checkup.findings if f.has_weight}
    assert found == {
        "Tile 6/image_part_005": ("colors", 678),
        "Tile 6/image_part_006": ("colors", 185),
        "Tile 7/image_part_002": ("colors", 1147),
        "Tile 7/image_part_009": ("colors", 2725),
    }
