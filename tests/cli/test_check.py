"""`hectares check` as a user meets it."""

import json

import numpy as np
import pytest

from hectares.cli.main import run
from hectares.io.artefact import dump_json
from layouts.blocks import draw, write_blocks, write_pair


@pytest.fixture
def data(tmp_path, legend):
    (tmp_path / "legend.json").write_text(dump_json(legend.to_json()))
    return write_blocks(tmp_path / "data [1]")


@pytest.fixture
def damaged(data):
    for number in range(4):
        label = draw(number)[1]
        label[5, 6] = 77
        write_pair(data, number, label=label)
    return data


def check(data, *options):
    return run(["check", str(data), "--legend", str(data.parent / "legend.json"), "--quiet", *options])


def test_a_clean_data_set_ends_with_0_and_shows_its_classes(data, capsys):
    assert check(data) == 0
    out = capsys.readouterr().out
    assert f"{data}: data set, 6 scenes, 96 x 80 px, 10 m, 3 bands of uint8 (red, green, blue)" in out
    for name in ("water", "forest", "built-up", "train %", "val %", "ha"):
        assert name in out
    assert out.rstrip().endswith("no problem in 1 path")


def test_findings_are_grouped_with_their_number_and_place(damaged, capsys):
    assert check(damaged) == 3
    out = capsys.readouterr().out
    assert "codes (4)" in out
    assert "train/labels/s0.tif, row 5, col 6: code 77 (1 px) is not in the legend" in out
    assert "... and 1 more" in out
    assert out.rstrip().endswith("4 problem(s) in 1 path")
    check(damaged, "--verbose")
    assert "train/labels/s3.tif" in capsys.readouterr().out


def test_json_holds_everything(damaged, capsys):
    assert check(damaged, "--json") == 3
    record = json.loads(capsys.readouterr().out)
    assert record["complete"] is False
    assert len(record["problems"]) >= 4
    (checked,) = record["result"]["checked"]
    assert checked["checks"][0] == {"check": "codes", "severity": "error", "count": 4}
    assert checked["findings"][0]["places"][0]["row"] == 5
    assert sum(row["share"] for row in checked["classes"]) == pytest.approx(1)
    assert checked["facts"]["imbalance"] > 1


def test_notes_alone_do_not_count_as_problems(data, capsys):
    write_pair(data, 5, split="val", label=np.full_like(draw(5)[1], 20))
    assert check(data) == 0
    assert "note    one class" in capsys.readouterr().out


def test_places_are_written_and_named(damaged, tmp_path, capsys):
    assert check(damaged, "--places", str(tmp_path / "look.csv")) == 3
    assert f"places to look at: {tmp_path / 'look.csv'}" in capsys.readouterr().out
    assert (tmp_path / "look.csv").read_text().count("\n") == 5
    assert check(damaged, "--places", str(tmp_path / "look.csv")) == 2
    assert check(damaged, "--places", str(tmp_path / "look.csv"), "--overwrite") == 3


def test_nothing_to_check_is_usage(capsys):
    assert run(["check"]) == 2


def test_a_distance_out_of_range_is_usage(data, capsys):
    assert check(data, "--near", "20") == 2
    assert "--near is 20; expected 0 to 8" in capsys.readouterr().err
