"""Weights to start an encoder from: what fits, what is told, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from factory import Notes
from hectares.errors import ArtefactError, ConfigError
from hectares.io.weight_sets import read_weight_sets
from hectares.model.networks.zoo import build_network
from hectares.model.weights.encoder_parts import encoder_of
from hectares.model.weights.pretrained import LoadReport, load_encoder
from hectares.model.weights.weight_origin import describe_origin
from hectares.model.weights.weights_file import find_weights
from hectares.monitor import QUIET

RGB = ("red", "green", "blue")
S2 = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
DATA = Path(__file__).parents[3] / "../shared/data/pretrained-weights"


class Tiny(nn.Module):
    """A network with an encoder of two stages, named as those of a ResNet."""

    def __init__(self, bands: int = 3) -> None:
        super().__init__()
        self.encoder = nn.Sequential()
        self.encoder.add_module("conv1", nn.Conv2d(bands, 4, 3, stride=2, bias=False))
        self.encoder.add_module("bn1", nn.BatchNorm2d(4))
        self.encoder.add_module("conv2", nn.Conv2d(4, 5, 3, stride=2))
        self.head = nn.Conv2d(5, 2, 1)


def tiny_state(bands: int = 3) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(6)
    state = Tiny(bands).encoder.state_dict()
    return {k: torch.rand(v.shape, generator=generator) if v.is_floating_point() else v for k, v in state.items()}


def load(
    network: nn.Module, state: object, folder: Path, *, bands=RGB, named: str | None = None, monitor=QUIET
) -> LoadReport:
    torch.save(state, folder / "w.pth")
    weights = find_weights(str(folder / "w.pth"), encoder="x", sets=read_weight_sets(), bands=named)
    return load_encoder(network, weights, bands=bands, monitor=monitor)


def test_all_arrays_are_filled_and_the_rest_is_told(tmp_path: Path, notes: Notes):
    network, state = Tiny(), tiny_state()
    report = load(network, state | {"fc.weight": torch.zeros(9)}, tmp_path, monitor=notes)
    assert (report.loaded, report.total, report.missing, report.unexpected) == (7, 7, (), ("fc.weight",))
    for name, value in network.encoder.state_dict().items():
        assert torch.equal(value, state[name]), name
    assert "7 of 7 arrays of the encoder are filled; 1 left over (fc.weight)" in str(notes.problems[0])
    assert [p.severity for p in notes.problems] == ["note", "note"]
    assert "red, green, blue is assumed" in str(notes.problems[1])


@pytest.mark.parametrize(
    ("shells", "prefix"),
    [
        (("state_dict",), "module."),
        (("teacher",), "backbone."),
        (("state_dict",), "module.encoder_q."),
        ((), "net.encoder."),
    ],
)
def test_checkpoints_of_other_tools_are_unwrapped(tmp_path: Path, shells: tuple[str, ...], prefix: str):
    state: dict[str, object] = {prefix + k: v for k, v in tiny_state().items()}
    state |= {"queue": torch.zeros(2), "module.encoder_k.conv1.weight": torch.zeros(4, 3, 3, 3)}
    for shell in shells:
        state = {shell: state, "epoch": 7}
    network = Tiny()
    report = load(network, state, tmp_path)
    assert (report.loaded, report.shells, report.prefix) == (7, shells, prefix)
    assert torch.equal(network.encoder.conv1.weight, tiny_state()["conv1.weight"])
    assert set(report.unexpected) == {"queue", "module.encoder_k.conv1.weight"}


def test_of_two_encoders_the_one_that_learned_is_taken(tmp_path: Path):
    good = {f"module.encoder_q.{k}": v for k, v in tiny_state().items()}
    mean = {f"module.encoder_k.{k}": v + 1 for k, v in tiny_state().items()}
    assert load(Tiny(), mean | good, tmp_path).prefix == "module.encoder_q."


def test_what_is_missing_is_a_problem(tmp_path: Path, notes: Notes):
    state = tiny_state()
    del state["conv2.bias"]
    report = load(Tiny(), state, tmp_path, monitor=notes)
    assert (report.loaded, report.missing) == (6, ("conv2.bias",))
    assert notes.problems[0].severity == "warning"


def test_counters_of_steps_do_not_count(tmp_path: Path):
    state = {k: v for k, v in tiny_state().items() if not k.endswith("num_batches_tracked")}
    report = load(Tiny(), state, tmp_path)
    assert (report.loaded, report.total, report.missing) == (7, 7, ())


def test_weights_of_another_network_are_refused_with_counts_and_change_nothing(tmp_path: Path):
    network = Tiny()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    state = {
        "state_dict": {f"module.{k}": v for k, v in tiny_state().items()}
        | {"module.conv2.weight": torch.zeros(7, 4, 3, 3)}
    }
    state["state_dict"] |= {"module.bn1.weight": torch.zeros(3)}
    with pytest.raises(ArtefactError) as caught:
        load(network, state, tmp_path)
    text = str(caught.value)
    assert "5 of 7 arrays of the encoder are filled; 2 of another shape (bn1.weight, conv2.weight)" in text
    assert "taken from state_dict > module.; they look made for another network" in text
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


def test_values_that_are_not_finite_are_refused(tmp_path: Path):
    state = tiny_state()
    state["conv2.bias"][1] = torch.nan
    with pytest.raises(ArtefactError, match=r"array conv2\.bias holds values that are not finite"):
        load(Tiny(), state, tmp_path)


def test_a_network_without_an_encoder_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="has no exchangeable encoder, which --weights"):
        load(build_network("unet-elu", {"width": 1}, bands=3, classes=2), tiny_state(), tmp_path)


# --- Bands ------------------------------------------------------------------------------------------------


def test_red_gets_the_red_filter_whatever_its_place(tmp_path: Path):
    network, given = Tiny(), tiny_state()["conv1.weight"]
    report = load(network, tiny_state(), tmp_path, bands=("blue", "green", "red"))
    assert torch.equal(network.encoder.conv1.weight, given[:, [2, 1, 0]])
    assert report.reshaped == ("conv1.weight",)
    assert [(s.band, s.origin) for s in report.bands] == [("blue", "blue"), ("green", "green"), ("red", "red")]


def test_a_fourth_band_gets_the_mean_and_the_sum_stays(tmp_path: Path):
    network, given = Tiny(4), tiny_state()["conv1.weight"]
    load(network, tiny_state(), tmp_path, bands=("B08", "B04", "B03", "B02"))
    weight = network.encoder.conv1.weight
    torch.testing.assert_close(weight[:, 1], 0.75 * given[:, 0])
    torch.testing.assert_close(weight[:, 0], 0.75 * given.mean(dim=1))
    torch.testing.assert_close(weight.sum(dim=1), given.sum(dim=1))


def test_satellite_weights_are_matched_by_their_order_of_bands(tmp_path: Path):
    network, given = Tiny(2), tiny_state(13)["conv1.weight"]
    load(network, tiny_state(13), tmp_path, bands=("nir_narrow", "red"), named="sentinel-2")
    rest = [k for k in range(13) if k not in {3, 8}]
    expected = torch.stack([given[:, 8], given[:, 3]], dim=1) + given[:, rest].sum(dim=1, keepdim=True) / 2
    torch.testing.assert_close(network.encoder.conv1.weight, expected)


def test_bands_of_weights_are_never_guessed_from_their_number(tmp_path: Path):
    with pytest.raises(
        ConfigError, match="first layer takes 13 bands, and nothing says which; name them in order with"
    ):
        load(Tiny(), tiny_state(13), tmp_path)


def test_a_wrong_number_of_named_bands_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="takes 13 bands, but 3 are named"):
        load(Tiny(), tiny_state(13), tmp_path, named="rgb")


def test_bands_without_meaning_are_told(tmp_path: Path, notes: Notes):
    load(Tiny(), tiny_state(), tmp_path, bands=("band1", "band2", "band3"), monitor=notes)
    assert "name them by what they measure with --band-names" in str(notes.problems[-1])
    assert notes.problems[-1].severity == "warning"


# --- Networks of the libraries ----------------------------------------------------------------------------


def _filled(encoder: str, source: nn.Module, folder: Path, **options) -> LoadReport:
    network = build_network("unet", {"encoder": encoder}, bands=3, classes=2)
    return load(network, source.state_dict(), folder, **options)


@pytest.mark.parametrize("encoder", ["resnet18", "tu-resnet18"])
def test_resnets_of_torchvision_fill_those_of_the_libraries(tmp_path: Path, encoder: str):
    from torchvision.models import resnet18

    report = _filled(encoder, resnet18(weights=None), tmp_path)
    assert (report.loaded, report.unexpected) == (report.total, ("fc.weight", "fc.bias"))
    assert report.looks_like == "resnet18 (--encoder resnet18)"


def test_a_convnext_of_timm_fills_its_features(tmp_path: Path):
    import timm

    report = _filled("tu-convnext_atto", timm.create_model("convnext_atto"), tmp_path)
    assert report.loaded == report.total
    assert all(name.startswith("head.") for name in report.unexpected)


def test_a_mobilenet_of_timm_fills_that_of_torchvision(tmp_path: Path):
    import timm

    report = _filled("mobilenet_v2", timm.create_model("mobilenetv2_100"), tmp_path)
    assert (report.loaded, report.naming) == (260, "mobilenetv2_100 of timm, for torchvision")


def test_an_encoder_of_another_depth_is_refused_by_name(tmp_path: Path):
    from torchvision.models import resnet34

    with pytest.raises(ArtefactError, match=r"does not fit this encoder, resnet50: .* look made for resnet34 \(--enc"):
        _filled("resnet50", resnet34(weights=None), tmp_path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("net._conv_stem.weight", "EfficientNet of segmentation_models"),
        ("layers.0.blocks.1.attn.qkv.weight", "Swin"),
        ("blocks.1.attn.qkv.weight", "Vision Transformer"),
        ("features.28.bias", "VGG"),
        ("what", ""),
    ],
)
def test_weights_are_recognized_by_names(name: str, expected: str):
    found = describe_origin({name: torch.zeros(1)})
    assert expected in found
    assert bool(expected) == bool(found)


# --- Real weights -----------------------------------------------------------------------------------------


def real(name: str, encoder: str):
    if not DATA.is_dir():
        pytest.skip("no real weights here")
    return find_weights(str(DATA / name), encoder=encoder, sets=read_weight_sets())


@pytest.mark.data
@pytest.mark.parametrize("encoder", ["mobilenet_v2", "tu-mobilenetv2_100"])
def test_imagenet_weights_give_the_features_that_torchvision_computes(encoder: str):
    from torchvision.models import mobilenet_v2

    weights = real("mobilenet_v2_imagenet_ptq.pth", encoder)
    network = build_network("unet", {"encoder": encoder}, bands=3, classes=2)
    report = load_encoder(network, weights, bands=RGB, monitor=QUIET)
    assert report.loaded == report.total == (260 if encoder == "mobilenet_v2" else 255)
    theirs = mobilenet_v2()
    theirs.load_state_dict(torch.load(weights.path, weights_only=True))
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        expected = theirs.eval().features[:14](image)
        found = encoder_of(network, "this").eval()(image)[4]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.data
@pytest.mark.parametrize("bands", [("B02", "B03", "B04", "B08"), S2])
def test_imagenet_features_of_a_gray_scene_are_the_same_in_any_bands(bands: tuple[str, ...]):
    weights = real("mobilenet_v2_imagenet_ptq.pth", "mobilenet_v2")
    gray = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(5))
    found = []
    for names in (RGB, bands):
        network = build_network("unet", {"encoder": "mobilenet_v2"}, bands=len(names), classes=2)
        report = load_encoder(network, weights, bands=names, monitor=QUIET)
        assert report.loaded == 260
        with torch.no_grad():
            found.append(encoder_of(network, "this").eval()(gray.expand(1, len(names), 64, 64))[3])
    torch.testing.assert_close(found[1], found[0], rtol=1e-3, atol=1e-3)


@pytest.mark.data
def test_the_wrapped_resnet_of_cifar_is_unwrapped_and_refused():
    network = build_network("unet", {"encoder": "resnet18"}, bands=3, classes=2)
    with pytest.raises(ArtefactError) as caught:
        load_encoder(network, real("resnet20-12fca82f.th", "resnet18"), bands=RGB, monitor=QUIET)
    text = str(caught.value)
    assert "of 100 arrays of the encoder are filled" in text
    assert "taken from state_dict > module.; they look made for a ResNet of 3+3+3 blocks" in text
