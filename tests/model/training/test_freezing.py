"""Freezing: what learns in which epoch, and that a resumed run does what the unbroken one does."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from hectares.errors import ConfigError
from hectares.model.networks.zoo import build_network
from hectares.model.training.freezing import Freezing, parameter_groups
from hectares.model.weights.encoder_parts import first_layers, stages_of


class Encoder(nn.Module):
    """Three stages with normalization; gives the image and an output of each."""

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(bands, 3, 3, stride=2, padding=1), nn.BatchNorm2d(3))
        self.deep = nn.Sequential(nn.Conv2d(4, 5, 3, stride=2, padding=1), nn.BatchNorm2d(5), nn.Dropout(0.5))
        self.middle = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4))

    def forward(self, image: Tensor) -> list[Tensor]:
        one = self.stem(image)
        two = self.middle(one)
        return [image, one, two, self.deep(two)]


class Net(nn.Module):
    def __init__(self, bands: int = 3) -> None:
        super().__init__()
        self.encoder = Encoder(bands)
        self.head = nn.Conv2d(5, 2, 1)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.encoder(image)[-1])


def network() -> Net:
    torch.manual_seed(3)
    return Net().train()


def learning(net: Net) -> set[str]:
    return {name.split(".")[1] for name, p in net.named_parameters() if p.requires_grad and name.startswith("encoder")}


def train(net: Net, freezing: Freezing, optimizer: torch.optim.Optimizer, epochs: range) -> None:
    for epoch in epochs:
        generator = torch.Generator().manual_seed(epoch)
        torch.manual_seed(epoch)
        net.train()
        for _ in range(2):
            freezing.apply(epoch)
            optimizer.zero_grad()
            net(torch.rand(2, 3, 16, 16, generator=generator)).square().mean().backward()
            optimizer.step()


def adamw(net: Net) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameter_groups(net, lr=1e-2, encoder_lr=1e-3), weight_decay=0.1)


def test_stages_are_found_by_what_outputs_depend_on():
    encoder = network().encoder
    assert [{id(p) for p in s} for s in stages_of(encoder)] == [
        {id(p) for p in part.parameters()} for part in (encoder.stem, encoder.middle, encoder.deep)
    ]


def test_looking_for_stages_changes_nothing():
    net = network()
    net.encoder.stem.requires_grad_(requires_grad=False)
    before, draws = copy.deepcopy(net.state_dict()), torch.random.get_rng_state()
    stages_of(net.encoder)
    first_layers(net.encoder)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), draws)
    assert net.encoder.deep[2].training
    assert not net.encoder.stem[0].weight.requires_grad
    assert all(p.grad is None for p in net.parameters())


def test_a_frozen_encoder_keeps_weights_and_statistics_whatever_the_mode():
    net = network()
    before = copy.deepcopy(net.encoder.state_dict())
    head = net.head.weight.clone()
    train(net, Freezing(net, epochs=2), adamw(net), range(2))
    assert all(torch.equal(v, before[k]) for k, v in net.encoder.state_dict().items())
    assert not torch.equal(net.head.weight, head)


def test_all_of_it_learns_after_the_frozen_epochs():
    net = network()
    freezing = Freezing(net, epochs=2)
    freezing.apply(1)
    assert learning(net) == set()
    freezing.apply(2)
    assert learning(net) == {"stem", "middle", "deep"}
    assert all(part.training for part in net.encoder.modules())


def test_stages_thaw_from_the_deepest_upward():
    net = network()
    freezing = Freezing(net, epochs=1, every=2)
    seen = []
    for epoch in range(7):
        freezing.apply(epoch)
        seen.append(sorted(learning(net)))
    one, two, three = ["deep"], ["deep", "middle"], ["deep", "middle", "stem"]
    assert seen == [[], one, one, two, two, three, three]


def test_normalization_follows_its_stage_and_dropout_waits_for_all():
    net = network()
    freezing = Freezing(net, epochs=1, every=2)
    freezing.apply(1)
    assert [net.encoder.stem[1].training, net.encoder.deep[1].training] == [False, True]
    assert not net.encoder.deep[2].training
    freezing.apply(5)
    assert net.encoder.deep[2].training


def test_it_can_stay_frozen_for_good():
    net = network()
    Freezing(net, epochs=None).apply(10_000)
    assert learning(net) == set()


def test_what_was_frozen_before_stays_so():
    net = network()
    net.encoder.stem.requires_grad_(requires_grad=False)
    Freezing(net, epochs=1).apply(5)
    assert learning(net) == {"middle", "deep"}
    assert not net.encoder.stem[1].training


def test_a_first_layer_for_other_bands_learns_from_the_start():
    net = network()
    Freezing(net, epochs=3, learn_from_start=("stem.0.weight",)).apply(0)
    assert [n for n, p in net.encoder.named_parameters() if p.requires_grad] == ["stem.0.weight"]
    assert not net.encoder.stem[1].training


@pytest.mark.parametrize("stop", [1, 2, 4])
def test_a_resumed_run_equals_the_unbroken_one(stop: int):
    whole = network()
    train(whole, Freezing(whole, epochs=2, every=1), adamw(whole), range(6))

    broken = network()
    optimizer = adamw(broken)
    train(broken, Freezing(broken, epochs=2, every=1), optimizer, range(stop))
    resumed = network()
    resumed.load_state_dict(broken.state_dict())
    again = adamw(resumed)
    again.load_state_dict(optimizer.state_dict())
    train(resumed, Freezing(resumed, epochs=2, every=1), again, range(stop, 6))
    assert all(torch.equal(v, resumed.state_dict()[k]) for k, v in whole.state_dict().items())


def test_the_encoder_has_its_own_learning_rate():
    net = network()
    outside, inside = parameter_groups(net, lr=1e-3, encoder_lr=1e-5)
    assert {id(p) for p in inside["params"]} == {id(p) for p in net.encoder.parameters()}
    assert {id(p) for p in outside["params"]} == {id(p) for p in net.head.parameters()}
    assert (outside["highest_lr"], inside["highest_lr"], inside["lr"]) == (1e-3, 1e-5, 1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Freezing(Net(), epochs=-1), "expected 0 or more"),
        (lambda: Freezing(Net(), epochs=0, every=2), "--unfreeze-every .* needs --freeze-epochs"),
        (lambda: Freezing(nn.Conv2d(1, 1, 1), epochs=1), "has no exchangeable encoder, which freezing is about"),
        (lambda: parameter_groups(Net(), lr=1, encoder_lr=0), "--encoder-lr is 0; expected more than 0"),
        (lambda: parameter_groups(nn.Conv2d(1, 1, 1), lr=1, encoder_lr=1), "which --encoder-lr 1 is about"),
    ],
)
def test_what_cannot_be_frozen_is_refused(call, message: str):
    with pytest.raises(ConfigError, match=message):
        call()


@pytest.mark.parametrize(
    ("name", "encoder", "stages", "first"),
    [
        ("unet", "mobilenet_v2", 5, ["features.0.0"]),
        ("unet", "resnet18", 5, ["conv1"]),
        ("unet", "efficientnet-b0", 5, ["_conv_stem"]),
        ("unet", "tu-convnext_atto", 4, ["model.stem_0"]),
        ("segformer", "mit_b0", 4, ["patch_embed1.proj"]),
    ],
)
def test_encoders_of_the_libraries_have_stages_and_a_first_layer(
    name: str, encoder: str, stages: int, first: list[str]
):
    net = build_network(name, {"encoder": encoder}, bands=4, classes=2)
    freezing = Freezing(net, epochs=1, every=1)
    assert freezing.stages == stages
    assert first_layers(net.network.encoder) == first
    freezing.apply(1)
    learns = {n for n, p in net.network.encoder.named_parameters() if p.requires_grad}
    assert learns
    assert not any(n.startswith(first[0]) for n in learns)
