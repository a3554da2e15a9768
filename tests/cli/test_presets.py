"""Presets are files of options that the commands take."""

import pytest
import yaml

from hectares.cli.main import run
from hectares.cli.presets import find_preset, preset_files
from hectares.config.prepare import PrepareConfig
from hectares.errors import ConfigError

NAMES = sorted(preset_files())
REQUIRED = (
    "dstl-unet", "inria-vgg-unet", "potsdam-unet", "leaftype-unet", "leaftype-unet-12band", "leaftype-unet-simple",
    "leaftype-unet-vgg19", "leaftype-deeplab", "dfc2019-unet", "crowdai-rooftops",
)  # fmt: skip


@pytest.mark.parametrize("name", REQUIRED)
def test_every_publication_has_a_faithful_and_a_modern_form(name):
    assert {name, f"{name}@modern"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("command", ["prepare folders a", "train a"])
def test_a_preset_has_only_options_that_its_commands_know(name, command, capsys):
    assert run([*command.split(), "b", "--preset", name, "--print-config"]) == 0
    printed = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    section = yaml.safe_load(find_preset(name).read_text()).get(command.split(maxsplit=1)[0], {})
    for option, value in section.items():
        shown = yaml.safe_load(printed[option.replace("-", "_")])
        assert shown == value or str(shown) == str(value) or float(shown) == float(value)


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_names_a_network_a_loss_and_an_augmentation_that_exist(name):
    augment = pytest.importorskip("hectares.model.augmentation.augment")
    from hectares.model.loss.losses import find_loss
    from hectares.model.loss.weighting import find_weighting
    from hectares.model.networks.options import read_options
    from hectares.model.networks.zoo import network_options

    content = yaml.safe_load(find_preset(name).read_text())
    train, multilabel = content["train"], content.get("prepare", {}).get("multilabel", False)
    find_loss(train["loss"], multilabel=multilabel)
    augment.find_augmentation(train["augment"])
    find_weighting(train.get("pixel-weights", "none"))
    extra = read_options(train.get("network-option", []))
    network_options(train["network"], encoder=train.get("encoder"), extra=extra, size_px=PrepareConfig().chip_px)


def test_the_command_line_counts_more_than_a_file_and_a_file_more_than_a_preset(tmp_path, capsys):
    file = tmp_path / "mine.yaml"
    file.write_text("train: {epochs: 7, batch: 3}\n")
    run(["train", "a", "b", "--preset", "potsdam-unet", "--config", str(file), "--batch", "2", "--print-config"])
    printed = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert (printed["network"], printed["epochs"], printed["batch"]) == ('"unet-classic"', "7", "2")


@pytest.mark.parametrize("way", [["--split", "group"], ["--set", "prepare.split=group"], ["--config", "mine.yaml"]])
def test_another_way_to_split_than_that_of_the_preset_leaves_its_options_behind(way, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("prepare: {split: group}\n")
    assert run(["prepare", "folders", "a", "b", "--preset", "leaftype-unet-12band", *way, "--print-config"]) == 0
    printed = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert (printed["split"], printed["counts"], printed["chip_px"]) == ('"group"', "null", "64")


def test_a_printed_preset_is_a_file_of_options(tmp_path, capsys):
    run(["presets", "crowdai-rooftops"])
    file = tmp_path / "mine.yaml"
    file.write_text(capsys.readouterr().out)
    assert run(["train", "a", "b", "--config", str(file), "--print-config"]) == 0
    assert "adamax" in capsys.readouterr().out


def test_an_unknown_preset_is_refused_with_similar_ones():
    with pytest.raises(ConfigError, match="potsdam-unet"):
        find_preset("potsdam")
    assert run(["train", "a", "b", "--preset", "potsdam"]) == 2
