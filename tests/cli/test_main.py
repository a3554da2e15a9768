"""The command line as a user meets it: help, results, errors, exit codes."""

import inspect
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from affine import Affine

from hectares.cli import commands
from hectares.cli.main import run
from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.io.rasters.class_map import write_class_map


@pytest.fixture
def class_map(tmp_path):
    grid = Grid("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_000_000), (3, 4))
    legend = Legend.of({1: "forest", 2: "water"}).for_maps()
    indices = np.array([[0, 0, 1, 255], [0, 1, 1, 255], [0, 0, 0, 1]], np.uint8)
    path = tmp_path / "map.tif"
    write_class_map(path, indices, grid, legend, {}, overwrite=False)
    return path


@pytest.mark.parametrize("command", commands.NAMES)
def test_every_command_has_help_with_an_example_and_json(command, capsys):
    assert run([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"Example: hectares {command}" in " ".join(text.split())
    assert "--json" in text


@pytest.mark.parametrize("command", commands.NAMES)
def test_the_line_of_a_command_in_the_list_is_the_first_of_its_help(command):
    line = next(group[command][1] for group in commands.GROUPS.values() if command in group)
    text = inspect.cleandoc(commands.find_command(command).__doc__).split("\n\n")[0]
    assert line == " ".join(text.replace("`", "").split())


def test_a_command_that_is_not_asked_is_known_by_its_name(capsys):
    assert run(["predit", "a", "b"]) == 2
    assert 'Did you mean "predict"?' in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("command", ["demo", "prepare", "train", "predict", "evaluate", "measure", "report"])
def test_every_command_that_writes_has_overwrite(command, capsys):
    run([command, "--help"])
    assert "--overwrite" in capsys.readouterr().out


def test_an_unknown_option_is_usage_and_names_the_near_one(capsys):
    assert run(["train", "chips", "run", "--epoch", "3"]) == 2
    assert "--epochs" in capsys.readouterr().err


def test_a_value_out_of_range_is_usage(capsys):
    assert run(["train", "chips", "run", "--epochs", "0"]) == 2
    assert "--epochs is 0; expected at least 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    "tokens",
    [("check", ""), ("prepare", "folders", ".", ""), ("prepare", "folders", "", "out"), ("check", ".", "--legend=")],
)
def test_an_empty_argument_is_usage_and_never_means_the_current_folder(tokens, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(tokens) == 2
    assert "write a name, or . for the current folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_missing_input_is_refused_in_one_sentence(tmp_path, capsys):
    assert run(["measure", str(tmp_path / "no.tif"), str(tmp_path / "a.csv")]) == 4
    assert capsys.readouterr().err.strip() == f"error: {tmp_path / 'no.tif'}: there is no such file"


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (MemoryError("Unable to allocate 273. TiB"), 5, "memory is not enough (Unable to allocate 273. TiB)"),
        (OSError(5, "Input/output error", "/mount/a.csv"), 5, "/mount/a.csv: Input/output error"),
        (PermissionError(13, "Permission denied", "/locked"), 4, "/locked: Permission denied; change its permissions"),
        (FileNotFoundError(2, "No such file or directory", "zones.gpkg"), 4, "zones.gpkg: there is no such file"),
        (OSError(28, "No space left on device"), 5, "the disk is full that the answer is written to"),
    ],
)
def test_what_the_system_refuses_is_a_sentence(monkeypatch, capsys, error, code, sentence):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("hectares.measure.measure_maps", fail)
    assert run(["measure", "map.tif", "areas.csv"]) == code
    assert capsys.readouterr().err.startswith(f"error: {sentence}")


def test_a_second_interrupt_says_so_and_exits_6(monkeypatch, capsys):
    def fail(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("hectares.measure.measure_maps", fail)
    assert run(["measure", "map.tif", "areas.csv"]) == 6
    assert capsys.readouterr().err.startswith("stopped at once")


def test_a_name_in_letters_that_the_terminal_does_not_have_is_no_failure(class_map, tmp_path):
    leaf = tmp_path / "\N{EVERGREEN TREE}.csv"
    found = subprocess.run(
        [sys.executable, "-m", "hectares", "measure", str(class_map), str(leaf)],
        env=os.environ | {"PYTHONIOENCODING": "ascii"}, capture_output=True, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert b"?.csv" in found.stdout


def test_an_error_as_json_names_kind_and_exit_code(tmp_path, capsys):
    assert run(["info", str(tmp_path / "no.tif"), "--json"]) == 4
    record = json.loads(capsys.readouterr().out)
    assert (record["error"], record["exit_code"], record["complete"]) == ("RasterError", 4, False)


def test_measure_prints_json_on_stdout_and_progress_elsewhere(class_map, tmp_path, capsys):
    assert run(["measure", str(class_map), str(tmp_path / "areas.csv"), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["result"]["rows"]
    assert [(r[1], r[2]) for r in rows] == [("forest", 6), ("water", 4), ("nodata", 2)]


@pytest.mark.parametrize(("written_as", "title"), [("class-map", "Mapped area"), ("reference", "Reference area")])
def test_measure_says_whether_the_areas_are_those_of_a_map_or_of_labels(tmp_path, capsys, written_as, title):
    grid = Grid("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_000_000), (1, 3))
    legend, made = Legend.of({1: "forest", 2: "water"}).for_maps(), {"hectares": written_as}
    write_class_map(tmp_path / "m.tif", np.array([[0, 1, 255]], np.uint8), grid, legend, made, overwrite=False)
    assert run(["measure", str(tmp_path / "m.tif"), str(tmp_path / "areas.csv")]) == 0
    assert capsys.readouterr().out.splitlines()[0].strip() == title


def test_an_existing_result_is_refused_without_overwrite_and_kept(class_map, tmp_path, capsys):
    out = tmp_path / "areas.csv"
    out.write_text("mine")
    assert run(["measure", str(class_map), str(out)]) == 4
    assert out.read_text() == "mine"
    assert "--overwrite" in capsys.readouterr().err
    assert run(["measure", str(class_map), str(out), "--overwrite"]) == 0
    assert out.read_text().startswith("class_id,class_name,pixels,area_m2,area_ha")


def test_options_come_from_the_file_and_the_command_line_counts_more(tmp_path, capsys):
    settings = tmp_path / "run.yaml"
    settings.write_text("train:\n  lr: 1e-4\n  epochs: 7\n  network: fpn\n")
    line = ["train", "a", "b", "--config", str(settings), "--set", "train.epochs=8", "--network", "unet"]
    assert run([*line, "--print-config", "--json"]) == 0
    config = json.loads(capsys.readouterr().out)["result"]
    assert (config["lr"], config["epochs"], config["network"]) == (1e-4, 8, "unet")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("train:\n  lrr: 1\n", "lrr"),
        ("trian:\n  lr: 1\n", "'trian' is no command"),
        ("train:\n  lr: 1\n  lr: 2\n", "stands twice"),
        ("train: fast\n", "expected options"),
    ],
)
def test_a_typo_in_the_file_is_refused_by_name(tmp_path, capsys, content, said):
    settings = tmp_path / "run.yaml"
    settings.write_text(content)
    assert run(["train", "a", "b", "--config", str(settings)]) in {2, 4}
    assert said in capsys.readouterr().err


def test_the_settings_that_init_writes_are_read_back(tmp_path, capsys):
    assert run(["init", str(tmp_path / "project")]) == 0
    settings = tmp_path / "project" / "run.yaml"
    uncommented = settings.read_text().replace("  # ", "  ")
    values = [line for line in uncommented.splitlines() if line and (line[0] != " " or ": " in line[:30])]
    settings.write_text("\n".join(line for line in values if not line.strip()[0].isupper()))
    capsys.readouterr()
    assert run(["train", "a", "b", "--config", str(settings), "--print-config", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["result"]["batch"] == 8


def test_init_is_idempotent_and_keeps_what_is_there(tmp_path, capsys):
    project = tmp_path / "project"
    assert run(["init", str(project)]) == 0
    assert (project / "images").is_dir()
    assert (project / "catalog.json").is_file()
    (project / "legend.json").write_text("mine")
    capsys.readouterr()
    assert run(["init", str(project)]) == 0
    assert "complete already" in capsys.readouterr().out
    assert (project / "legend.json").read_text() == "mine"


def test_check_exits_3_with_problems_and_0_without(class_map, tmp_path, capsys):
    assert run(["check", str(class_map)]) == 0
    broken = tmp_path / "broken.tif"
    broken.write_bytes(b"")
    assert run(["check", str(class_map), str(broken)]) == 3
    assert "is empty (0 bytes)" in capsys.readouterr().out


def test_networks_prints_the_published_parameter_count(capsys):
    assert run(["networks", "unet-elu", "--bands", "3", "--classes", "1"]) == 0
    assert "7852545" in capsys.readouterr().out


def test_formats_describes_a_layout(capsys):
    assert run(["formats", "folders"]) == 0
    assert "img_dir" in capsys.readouterr().out


def test_a_layout_that_is_unknown_is_usage_and_the_known_ones_are_listed(capsys):
    assert run(["formats", "NOSUCH"]) == 2
    error = capsys.readouterr().err
    assert "format 'NOSUCH' is unknown; known: catalog, coco," in error
    assert "folders" in error


def test_help_answers_without_heavy_imports():
    code = (
        "import sys; from hectares.cli.main import run; run(['--help']); run(['train', '--help']);"
        "heavy = {'torch', 'rasterio', 'pandas', 'matplotlib', 'scipy', 'pyogrio'} & set(sys.modules);"
        "print('HEAVY', sorted(heavy))"
    )
    environment = {**os.environ, "COLUMNS": "100"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert "HEAVY []" in done.stdout
