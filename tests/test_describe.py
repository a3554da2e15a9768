"""Facts about files, for the command `info`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from factory import UTM, WriteRaster
from hectares.cli.main import run
from hectares.cli.showing import show_facts
from hectares.config.measure import MeasureConfig
from hectares.config.sample import SampleConfig
from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.describe import describe_file
from hectares.errors import InputError
from hectares.io.rasters.class_map import write_class_map
from hectares.measure import measure_map
from hectares.sample import sample_map

LEGEND = Legend.of({3: "ground", 7: "water"})
INDICES = np.array([[0, 0, 1, 1, 0], [0, 255, 1, 1, 0], [0, 0, 0, 1, 0]], np.uint8)


@pytest.fixture
def class_map(tmp_path: Path) -> Path:
    """Give a map of 3 x 5 pixels."""
    write_class_map(tmp_path / "map.tif", INDICES, Grid("EPSG:32633", UTM, (3, 5)), LEGEND, {}, overwrite=False)
    return tmp_path / "map.tif"


def test_a_table_is_told_by_the_record_beside_it(tmp_path: Path, class_map: Path):
    measure_map(class_map, tmp_path / "areas.csv", MeasureConfig())
    found = describe_file(tmp_path / "areas.csv")
    assert (found["what"], found["rows"]) == ("table of the kind areas", 3)
    assert found["columns"][:2] == ["class_id", "class_name"]
    (tmp_path / "areas.json").unlink()
    assert describe_file(tmp_path / "areas.csv")["what"] == "table"


def test_what_is_no_file_of_any_kind_is_refused_without_a_word_of_images_alone(tmp_path: Path):
    (tmp_path / "x.py").write_text("import numpy")
    with pytest.raises(InputError, match=r"x\.py: is not a file that `info` knows .* tables \(\.csv\), and what"):
        describe_file(tmp_path / "x.py")


def test_a_file_that_did_not_arrive_is_told_as_such(tmp_path: Path):
    (tmp_path / "x.tif").write_text("<html>404</html>")
    with pytest.raises(InputError, match="is a web page"):
        describe_file(tmp_path / "x.tif")


def test_a_plain_folder_is_refused_with_a_file_to_look_at(tmp_path: Path, class_map: Path):
    with pytest.raises(InputError, match=r"is a folder, and neither .*; look at one of its files, such as .*map\.tif"):
        describe_file(tmp_path)


def test_a_comparison_and_a_map_page_are_told_by_their_record(tmp_path: Path):
    for kind, name in (("comparison", "comparison.json"), ("map page", "page.json")):
        folder = tmp_path / kind
        folder.mkdir()
        (folder / name).write_text(json.dumps({"hectares": kind, "schema": 1}))
        assert describe_file(folder)["what"] == kind


def test_a_sample_is_told_from_other_vector_files(tmp_path: Path, class_map: Path):
    sample_map(class_map, tmp_path / "s.gpkg", SampleConfig(size=8, min_per_class=2))
    found = describe_file(tmp_path / "s.gpkg")
    assert (found["what"], found["map"], found["points"], found["labelled"]) == ("sample", "map.tif", 8, 0)
    assert [list(s) for s in found["strata"]] == [["class_name", "area_ha", "points"]] * 2
    assert [s["class_name"] for s in found["strata"]] == ["ground", "water"]


def test_areas_are_shown_as_a_table(tmp_path: Path, class_map: Path, capsys: pytest.CaptureFixture[str]):
    measure_map(class_map, tmp_path / "areas.csv", MeasureConfig())
    assert run(["info", str(tmp_path / "areas.json")]) == 0
    shown = capsys.readouterr().out
    assert "class_name  pixels" in shown
    assert "{" not in shown


def test_records_with_other_records_inside_are_no_table():
    assert show_facts({"a": [{"b": {"c": 1}}]}) == ["a: {'b': {'c': 1}}"]


def test_a_class_map_of_another_program_is_told_with_what_to_do(write_raster: WriteRaster):
    codes = np.array([[0, 1, 1], [4, 4, 9]], np.uint8)
    found = describe_file(write_raster("m.tif", codes, nodata=0))
    assert found["looks_like"].endswith("one band of 3 whole numbers (1, 4, 9)")
    assert "measure" in found["next"]


@pytest.mark.parametrize("kind", ["float32", "many", "negative", "three bands"])
def test_what_does_not_look_like_classes_is_a_scene(write_raster: WriteRaster, kind: str):
    image = {
        "float32": np.zeros((2, 3), np.float32),
        "many": np.arange(80, dtype=np.uint8).reshape(8, 10),
        "negative": np.array([[-1, 2]], np.int16),
        "three bands": np.zeros((3, 2, 3), np.uint8),
    }[kind]
    found = describe_file(write_raster("s.tif", image, transform=Affine(1, 0, 0, 0, -1, 0)))
    assert (found["what"], found.get("looks_like")) == ("scene", None)
