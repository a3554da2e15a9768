"""The command `networks`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hectares.cli.main import run


def test_networks_are_listed_by_group_with_their_source(capsys):
    assert run(["networks"]) == 0
    lines = capsys.readouterr().out
    assert lines.index("parity:") < lines.index("unet-elu") < lines.index("library:") < lines.index("floor:")
    assert "arXiv 1802.02611" in lines


def test_json_holds_layers_options_and_counts(capsys):
    assert run(["networks", "unet-small", "--classes", "1", "--size-px", "32", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    assert (result["parameters"], result["frozen"], result["options"]) == (1_941_105, 0, {"width": 16, "dropout": 0.3})
    assert result["layers"][0] == ["encoder.0.0", "Conv2d", [16, 32, 32], 448]


def test_a_frozen_part_is_counted_apart(capsys):
    assert run(["networks", "unet-vgg19", "--classes", "3", "--size-px", "32"]) == 0
    assert "8,415,491 parameters (8415491) and 12,944,960 frozen (12944960)" in capsys.readouterr().out


def test_rates_that_reach_too_far_are_noted(capsys):
    assert run(["networks", "deeplab-r50", "--size-px", "64", "--network-option", "biases=true"]) == 0
    assert "beyond features of 4 px" in capsys.readouterr().out


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_a_network_is_drawn_and_a_drawing_is_not_replaced_unasked(tmp_path: Path, capsys, suffix: str):
    out = tmp_path / f"net{suffix}"
    line = ["networks", "unet-elu", "--width", "2", "--size-px", "32", "--out", str(out)]
    assert run(line) == 0
    assert out.stat().st_size > 1000
    assert run(line) == 4
    assert "exists already" in capsys.readouterr().err
    assert run([*line, "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["unet-elu", "--bands", "0"], "--bands 0"),
        (["unet-elu", "--size-px", "0"], "--size-px 0"),
        (["unet-elu", "--out", "net.pdf"], ".svg or .png"),
        (["--out", "net.svg"], "name a network"),
        (["unet-elu", "--network-option", "depth=3"], "no option 'depth'"),
        (["unet", "--encoder", "resnt18"], "the nearest are"),
    ],
)
def test_what_cannot_be_shown_is_refused(line: list[str], message: str, capsys):
    assert run(["networks", *line]) == 2
    assert message in capsys.readouterr().err
