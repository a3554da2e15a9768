"""Exit codes of `prepare`, `labels` and `check`: 2 for faults of options, 3 for what was left out, 4 for inputs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import shapely

from factory import WriteRaster
from hectares.cli.console import ConsoleMonitor, next_step, show_result
from hectares.cli.main import run
from hectares.core.legend import Legend
from hectares.monitor import Problem
from layouts.crowdai import add_extra, train_content, write_crowdai
from layouts.vectors import box, write_geojson, write_image, write_ogr, write_source


@pytest.fixture
def data(tmp_path: Path, write_raster: WriteRaster) -> Path:
    """Give a folder of four images of two bands; the last has no label."""
    for n, name in enumerate("abcd"):
        write_raster(f"my data/images/{name}.tif", np.full((2, 8, 12), n + 1, np.uint8))
        if name != "d":
            write_raster(f"my data/labels/{name}.tif", np.array([[1, 2] * 6] * 8, np.uint8))
    legend = Legend.of({1: "water", 2: "forest"})
    (tmp_path / "my data/legend.json").write_text(json.dumps(legend.to_json()))
    return tmp_path / "my data"


@pytest.fixture
def complete(data: Path) -> Path:
    """Give the same without the image that has no label."""
    (data / "images/d.tif").unlink()
    return data


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--bands", "0"], "band 0 does not exist"),
        (["--bands", "1,1"], "name the same band twice"),
        (["--bands", "1,,2"], "one of them has no name"),
        (["--config", "/missing.yaml"], "--config /missing.yaml: there is no such file"),
        (["--images", "+"], "--images is '+'"),
        (["--priority", "water,water"], "names water twice"),
        (["--crs", "nonsense"], "--crs has no effect in the layout folders; it is used by: vectors"),
        (["--counts", "3,2,1"], "--counts is used by --split counts only"),
    ],
)
def test_a_fault_of_an_option_is_usage(complete: Path, tmp_path: Path, options, message, capsys):
    assert run(["prepare", "folders", str(complete), str(tmp_path / "out"), "--chip-px", "4", *options]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--block-px", "8"], "the 3 groups of the source are split: choose --split block"),
        (["--split", "kfold", "--folds", "3", "--buffer-px", "2"], "the 3 groups of the source are dealt into folds"),
    ],
)
def test_an_option_that_the_split_turns_out_not_to_use_is_usage(complete, tmp_path, options, message, capsys):
    assert run(["prepare", "folders", str(complete), str(tmp_path / "out"), "--chip-px", "4", *options]) == 2
    assert message in capsys.readouterr().err


def test_a_band_that_a_file_does_not_have_is_refused_as_input(complete, tmp_path, capsys):
    assert run(["prepare", "folders", str(complete), str(tmp_path / "out"), "--chip-px", "4", "--bands", "3"]) == 4
    assert "band 3 does not exist; there are 2 bands" in capsys.readouterr().err


def test_a_broken_file_of_settings_is_usage(complete, tmp_path, capsys):
    (tmp_path / "run.yaml").write_text("prepare: [")
    command = ["labels", "folders", str(complete), str(tmp_path / "out"), "--config", str(tmp_path / "run.yaml")]
    assert run(command) == 2
    assert "run.yaml" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["prepare", "labels"])
def test_images_left_out_for_lack_of_a_label_make_the_result_incomplete(data, tmp_path, verb, capsys):
    command = [verb, "folders", str(data), str(tmp_path / "out"), *(["--chip-px", "4"] if verb == "prepare" else [])]
    assert run(command) == 4
    capsys.readouterr()
    assert run([*command, "--allow-unmatched", "--json"]) == 3
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert (problem["severity"], problem["remedy"]) == ("incomplete", "they are left out")


@pytest.mark.parametrize("again", [False, True])
def test_a_feature_without_a_geometry_makes_the_result_incomplete(tmp_path, again, capsys):
    write_image(tmp_path / "set/scene.tif")
    write_geojson(tmp_path / "set/scene.geojson", [(box(1, 1, 4, 5), {}), (None, {})], crs="EPSG:32633")
    command = ["labels", "vectors", str(tmp_path / "set"), str(tmp_path / "out")]
    assert run(command) == 3
    assert "with no geometry; left out" in capsys.readouterr().err
    if again:  # what was written stays, and is told again
        assert run(command) == 3
        captured = capsys.readouterr()
        assert "0 of them written now" in captured.out
        assert "with no geometry; left out" in captured.err


def test_coordinates_that_are_no_numbers_make_the_result_incomplete(tmp_path, capsys):
    write_image(tmp_path / "set/scene.tif")
    good = box(1, 1, 4, 5)
    x, y = good.exterior.coords[0]
    with np.errstate(invalid="ignore"):
        bad = shapely.Polygon([(x, y), (x + 9, float("nan")), (x + 9, y - 9)])
    write_ogr(tmp_path / "set/scene.gpkg", [good, bad])
    assert run(["labels", "vectors", str(tmp_path / "set"), str(tmp_path / "out")]) == 3
    assert "no numbers" in capsys.readouterr().err


def test_annotations_with_a_box_only_make_the_result_incomplete(tmp_path, capsys):
    source = write_crowdai(tmp_path / "set", train=add_extra(train_content(), "box-only"))
    assert run(["labels", "crowdai", str(source), str(tmp_path / "out")]) == 3
    assert "have no shape, a box at most; they are left out" in capsys.readouterr().err


def test_what_skip_bad_leaves_out_makes_the_result_incomplete(tmp_path, capsys):
    write_image(tmp_path / "set/scene.tif")
    line = shapely.LineString(box(1, 1, 4, 5).exterior.coords[:2])
    write_geojson(tmp_path / "set/scene.geojson", [(box(1, 1, 4, 5), {}), (line, {})], crs="EPSG:32633")
    command = ["labels", "vectors", str(tmp_path / "set"), str(tmp_path / "out")]
    assert run(command) == 4
    assert run([*command, "--skip-bad"]) == 3
    assert "with lines or points; left out" in capsys.readouterr().err


# --- Notes ------------------------------------------------------------------------------------------------


def test_notes_are_shown_and_never_change_the_exit_code(capsys):
    monitor = ConsoleMonitor(quiet=False, as_json=False)
    monitor.problem(Problem("aoi.gpkg", "is taken for the areas", "outside of them nobody looked", "note"))
    assert capsys.readouterr().err == "note: aoi.gpkg: is taken for the areas; outside of them nobody looked\n"
    assert show_result({}, [], monitor.problems, notes=monitor.notes, as_json=True) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["problems"] == []
    assert content["notes"][0]["severity"] == "note"


def test_labels_of_areas_are_complete(tmp_path, capsys):
    source = write_source(tmp_path / "set")
    assert run(["labels", "vectors", str(source), str(tmp_path / "out"), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["problems"] == []
    assert len(content["notes"]) == 2


# --- Check ------------------------------------------------------------------------------------------------


def test_a_missing_path_is_refused_once(tmp_path, capsys):
    assert run(["check", str(tmp_path / "none.tif")]) == 4
    captured = capsys.readouterr()
    assert captured.err == f"error: {tmp_path / 'none.tif'}: there is no such file or folder\n"
    assert captured.out == ""


def test_an_option_that_no_checked_path_uses_is_usage(complete, tmp_path, capsys):
    assert run(["check", str(complete), "--class-field", "crop"]) == 2
    assert "--class-field has no effect on what is checked here" in capsys.readouterr().err
    shapes = write_geojson(tmp_path / "fields.geojson", [(box(1, 1, 4, 5), {})], crs="EPSG:32633")
    assert run(["check", str(complete), str(shapes), "--crs", "nonsense"]) == 2


def test_an_option_for_one_of_the_checked_paths_does_not_stop_the_others(complete, tmp_path):
    shapes = write_geojson(tmp_path / "fields.geojson", [(box(1, 1, 4, 5), {})], crs="EPSG:32633")
    assert run(["check", str(complete), str(shapes), "--crs", "EPSG:32633", "--no-duplicates"]) in {0, 3}


# --- What to run next -------------------------------------------------------------------------------------


def test_the_next_command_can_be_pasted_into_a_shell(complete, tmp_path, capsys):
    out = tmp_path / "my labels"
    assert run(["labels", "folders", str(complete), str(out)]) == 0
    assert f"next: hectares prepare catalog '{out}' chips" in capsys.readouterr().out
    assert next_step("train", Path("a$b"), "run") == "hectares train 'a$b' run"


def test_a_layout_lists_the_options_it_understands(capsys):
    assert run(["formats", "folders", "--json"]) == 0
    options = json.loads(capsys.readouterr().out)["result"]["options"]
    assert "--label-by" in options
    assert "--crs" not in options
    assert run(["formats", "vectors"]) == 0
    assert "--class-field" in capsys.readouterr().out.rpartition("Options: ")[2]
