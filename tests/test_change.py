"""Two class maps to a table and a map of change."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from factory import Notes
from hectares.change import COLUMNS, measure_change
from hectares.cli.main import run
from hectares.config.change import ChangeConfig
from hectares.config.report import ReportConfig
from hectares.core.area import pixel_area
from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.errors import ArtefactError, ConfigError, GridError, InputError
from hectares.io.rasters.class_map import open_class_map, write_class_map
from hectares.report import write_report

BEFORE = Legend.of({10: "wood", 20: "lake"})
AFTER = Legend.of({1: "lake", 2: "town", 3: "wood"})
GRID = Grid("EPSG:4326", Affine(0.01, 0, 20, 0, -0.01, 60), (3, 4))
A = np.array([[0, 0, 1, 255], [0, 1, 1, 255], [0, 0, 0, 0]], np.uint8)
B = np.array([[2, 1, 0, 1], [2, 255, 0, 255], [1, 1, 2, 2]], np.uint8)


@pytest.fixture
def maps(tmp_path: Path) -> tuple[Path, Path]:
    """Give two maps of 3 x 4 px in degrees, with other classes and other holes."""
    write_class_map(tmp_path / "a.tif", A, GRID, BEFORE, {"trained_on": [[0, 0, 1, 1]]}, overwrite=False)
    write_class_map(tmp_path / "b.tif", B, GRID, AFTER, {"trained_on": [[0, 0, 1, 1], [2, 2, 1, 1]]}, overwrite=False)
    return tmp_path / "a.tif", tmp_path / "b.tif"


def _table(path: Path) -> dict[tuple[str, str], dict[str, str]]:
    with path.open(newline="") as file:
        return {(r["from_name"], r["to_name"]): r for r in csv.DictReader(file)}


def test_every_pair_has_its_area_on_the_ellipsoid(tmp_path: Path, maps: tuple[Path, Path]):
    measure_change(*maps, tmp_path / "change.csv", ChangeConfig())
    rows = _table(tmp_path / "change.csv")
    areas = pixel_area(GRID, GRID.window)
    assert list(next(iter(rows.values()))) == list(COLUMNS)
    assert float(rows["wood", "town"]["area_m2"]) == pytest.approx(areas[0, 1] + 2 * areas[2, 0])
    assert (rows["wood", "town"]["from_id"], rows["wood", "town"]["to_id"]) == ("10", "2")
    assert rows["wood", "wood"]["pixels"] == "4"
    assert float(rows["lake", "lake"]["area_ha"]) == pytest.approx((areas[0, 2] + areas[1, 2]) / 1e4)
    assert (rows["nodata", "town"]["from_id"], rows["nodata", "town"]["share"]) == ("", "")
    assert rows["lake", "nodata"]["pixels"] == "1"
    assert sum(float(r["area_m2"]) for r in rows.values()) == pytest.approx(areas.sum(), rel=1e-12)
    assert sum(float(r["share"] or 0) for r in rows.values()) == pytest.approx(1)


def test_the_json_says_what_it_was_made_from(tmp_path: Path, maps: tuple[Path, Path]):
    found = measure_change(*maps, tmp_path / "change.csv", ChangeConfig())
    content = json.loads((tmp_path / "change.json").read_text())
    assert (content["hectares"], content["maps"]) == ("change", ["a.tif", "b.tif"])
    assert set(content["inputs"]) == {"before", "after"}
    assert content["coverage"] == pytest.approx(9 / 12, rel=1e-3)
    assert content["stable_ha"] == pytest.approx(found.table.stable_m2 / 1e4)
    assert [Legend.from_json(legend).names for legend in content["legends"]] == [BEFORE.names, AFTER.names]


def test_a_map_of_change_can_be_sampled(tmp_path: Path, maps: tuple[Path, Path]):
    measure_change(*maps, tmp_path / "change.csv", ChangeConfig(map=tmp_path / "change.tif"))
    with open_class_map(tmp_path / "change.tif") as opened:
        assert opened.legend.names == ("wood to town", "wood unchanged", "lake unchanged")
        assert opened.read(GRID.window).tolist() == [[1, 0, 2, 255], [1, 255, 2, 255], [0, 0, 1, 1]]
        assert opened.provenance["trained_on"] == [[0, 0, 1, 1], [2, 2, 1, 1]]
        assert set(opened.provenance["inputs"]) == {"before", "after"}


def test_the_same_maps_give_the_same_bytes(tmp_path: Path, maps: tuple[Path, Path]):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        config = ChangeConfig(map=tmp_path / name / "map.tif")
        measure_change(*maps, tmp_path / name / "change.csv", config)
    for file in ("change.csv", "change.json", "map.tif"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_maps_on_other_grids_are_refused_with_the_way_out(tmp_path: Path, maps: tuple[Path, Path]):
    shifted = Grid("EPSG:4326", Affine(0.01, 0, 20.005, 0, -0.01, 60), (3, 4))
    write_class_map(tmp_path / "c.tif", B, shifted, AFTER, {}, overwrite=False)
    with pytest.raises(
        GridError, match=r"c\.tif: is not on the grid of .*from 20\.005, 60 against .*from 20, 60; .*gdalwarp"
    ):
        measure_change(maps[0], tmp_path / "c.tif", tmp_path / "change.csv", ChangeConfig())
    assert not (tmp_path / "change.csv").exists()


def test_a_map_against_itself_is_refused(tmp_path: Path, maps: tuple[Path, Path]):
    with pytest.raises(InputError, match="is the same map"):
        measure_change(maps[0], maps[0], tmp_path / "change.csv", ChangeConfig())


def test_legends_without_a_common_name_are_told(tmp_path: Path, maps: tuple[Path, Path]):
    write_class_map(tmp_path / "c.tif", B, GRID, Legend.of({1: "Wasser", 2: "Ort", 3: "Wald"}), {}, overwrite=False)
    notes = Notes()
    found = measure_change(maps[0], tmp_path / "c.tif", tmp_path / "change.csv", ChangeConfig(), monitor=notes)
    assert "shares no class name" in notes.problems[0].what
    assert notes.problems[0].severity == "incomplete"  # which ends with exit code 3
    assert found.table.stable_m2 == 0


def test_results_do_not_take_the_place_of_anything(tmp_path: Path, maps: tuple[Path, Path]):
    with pytest.raises(ArtefactError, match="is a CSV"):
        measure_change(*maps, tmp_path / "change.tif", ChangeConfig())
    with pytest.raises(ArtefactError, match="is an input"):
        measure_change(*maps, tmp_path / "change.csv", ChangeConfig(map=maps[0]), overwrite=True)
    (tmp_path / "change.tif").write_text("mine")
    with pytest.raises(ArtefactError, match="exists already"):
        measure_change(*maps, tmp_path / "change.csv", ChangeConfig(map=tmp_path / "change.tif"))
    assert not (tmp_path / "change.csv").exists()
    with pytest.raises(ConfigError, match="--other-below"):
        ChangeConfig(other_below=2)


def test_a_report_shows_what_became_what(tmp_path: Path, maps: tuple[Path, Path]):
    measure_change(*maps, tmp_path / "change.csv", ChangeConfig())
    write_report([tmp_path / "change.csv"], tmp_path / "report.html", ReportConfig())
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    for said in ("Mapped change, a.tif to b.tif", "1 kind of change occur", "errors of both maps"):
        assert said in text


def test_the_command_lists_changes_and_what_to_do_next(
    tmp_path: Path, maps: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
):
    options = ["--map", str(tmp_path / "change.tif")]
    assert run(["change", *map(str, maps), str(tmp_path / "change.csv"), *options]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "wood town" in told
    assert "nodata in one map or both" in told
    assert "next: hectares sample" in told


def test_what_a_killed_run_left_is_in_nobodys_way(tmp_path: Path, maps: tuple[Path, Path]):
    (tmp_path / ".hectares-change.tif").mkdir()
    measure_change(*maps, tmp_path / "change.csv", ChangeConfig(map=tmp_path / "change.tif"))
    assert (tmp_path / "change.tif").is_file()
    assert not (tmp_path / ".hectares-change.tif").exists()


def test_a_least_share_is_refused_without_the_map_that_it_is_about():
    with pytest.raises(ConfigError, match="--other-below has no effect without --map"):
        ChangeConfig(other_below=0.1)
