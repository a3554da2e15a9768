"""Losses: values by hand and of libraries, and that an ignored pixel has no say."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import segmentation_models_pytorch as smp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss

from hectares.errors import ConfigError
from hectares.model.loss.losses import LOSSES, find_loss

ROOT = Path(__file__).parents[3]
CLASSES = [n for n, entry in LOSSES.items() if entry.suits(multilabel=False)]
PLANES = [n for n, entry in LOSSES.items() if entry.suits(multilabel=True)]
EVERY = [(n, False) for n in [*CLASSES, "0.7*ce(smoothing=0.1)+lovasz", "focal(gamma=0.5)"]]
EVERY += [(n, True) for n in [*PLANES, "bce+log-jaccard"]]

_drawn = torch.Generator().manual_seed(0)
LOGITS = torch.randn(2, 3, 4, 5, generator=_drawn)
LABEL = torch.randint(0, 3, (2, 4, 5), generator=_drawn)
LABEL[0, 1, 2] = LABEL[1, 0] = 255
MANY = torch.randint(0, 2, LOGITS.shape, generator=_drawn)
MANY[0, 1, 2] = MANY[1, 0, 3, 4] = 255
FULL, FULL_MANY = LABEL.where(LABEL != 255, 1), MANY.where(MANY != 255, 1)
WEIGHTS = torch.tensor([0.2, 1.0, 1.8])


def _label(multilabel: bool) -> torch.Tensor:
    return MANY if multilabel else LABEL


def _loss(name: str, logits: torch.Tensor, label: torch.Tensor, *weights: torch.Tensor | None) -> float:
    return find_loss(name, multilabel=label.dim() == 4)(logits, label, *weights).item()


def _value_and_gradient(
    name: str, logits: torch.Tensor, label: torch.Tensor, *weights: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    leaf = logits.clone().requires_grad_()
    loss = find_loss(name, multilabel=label.dim() == 4)(leaf, label, *weights)
    loss.backward()
    return loss.detach(), leaf.grad


# --- Ignore -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "multilabel"), EVERY)
@pytest.mark.parametrize("weighted", [False, True])
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6), odd=st.sampled_from([-1e4, 0.0, 30.0, math.inf, math.nan]))
def test_logits_at_ignored_pixels_change_neither_value_nor_gradient(
    name: str, multilabel: bool, weighted: bool, seed: int, odd: float
):
    drawn = torch.Generator().manual_seed(seed)
    label = _label(multilabel).where(torch.rand(_label(multilabel).shape, generator=drawn) > 0.3, 255)
    ignored = (label if multilabel else label[:, None]).eq(255).expand_as(LOGITS)
    weights = (WEIGHTS, 0.5 + torch.rand(2, 4, 5, generator=drawn)) if weighted else ()
    value, gradient = _value_and_gradient(name, LOGITS, label, *weights)
    other = torch.where(ignored, LOGITS * -3 + odd, LOGITS)
    other_value, other_gradient = _value_and_gradient(name, other, label, *weights)
    assert value.isfinite()
    assert torch.equal(value, other_value)
    assert torch.equal(gradient, other_gradient)
    assert not gradient[ignored].any()
    assert gradient[~ignored].any()


@pytest.mark.parametrize(("name", "multilabel"), EVERY)
@pytest.mark.parametrize("weights", [(), (WEIGHTS, torch.ones(2, 4, 5))])
def test_a_batch_without_labels_gives_0_and_no_gradient(name: str, multilabel: bool, weights: tuple):
    value, gradient = _value_and_gradient(name, LOGITS, torch.full_like(_label(multilabel), 255), *weights)
    assert value == 0
    assert torch.equal(gradient, torch.zeros_like(LOGITS))


# --- Arithmetic -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "multilabel"), EVERY)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_logits_are_reckoned_in_float32(name: str, multilabel: bool, dtype: torch.dtype):
    logits = (LOGITS * 1000).to(dtype)
    value, gradient = _value_and_gradient(name, logits, _label(multilabel))
    assert value.dtype == torch.float32
    assert value.item() == _loss(name, logits.float(), _label(multilabel))
    assert gradient.isfinite().all()


@pytest.mark.parametrize(("name", "multilabel"), EVERY)
def test_autocast_changes_nothing(name: str, multilabel: bool):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = _loss(name, LOGITS, _label(multilabel))
    assert value == _loss(name, LOGITS, _label(multilabel))


@pytest.mark.parametrize(("name", "multilabel"), EVERY)
def test_a_step_along_the_gradient_lowers_the_loss(name: str, multilabel: bool):
    value, gradient = _value_and_gradient(name, LOGITS, _label(multilabel))
    assert _loss(name, LOGITS - 0.01 * gradient, _label(multilabel)) < value


@pytest.mark.parametrize(("name", "multilabel"), [n for n in EVERY if "smoothing" not in n[0]])
def test_a_sure_and_right_answer_costs_nothing(name: str, multilabel: bool):
    label = _label(multilabel)
    right = label if multilabel else F.one_hot(label.where(label != 255, 0), 3).movedim(-1, 1)
    assert _loss(name, (2.0 * right - 1) * 40, label) == pytest.approx(0, abs=1e-6)


# --- By hand ----------------------------------------------------------------------------------------------

SCORES = torch.tensor([[0.8, 0.3], [0.2, 0.7]])  # classes x pixels; the reference is 0, 1
TWO = SCORES.log()[None, :, None]
TWO_LABEL = torch.tensor([[[0, 1]]])


def test_cross_entropy_of_indifference_is_the_logarithm_of_the_number_of_classes():
    assert _loss("ce", torch.zeros(1, 3, 1, 2), torch.tensor([[[0, 2]]])) == pytest.approx(math.log(3))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ce", -(math.log(0.8) + math.log(0.7)) / 2),
        ("focal", -(0.2**2 * math.log(0.8) + 0.3**2 * math.log(0.7)) / 2),
        ("focal(gamma=1)", -(0.2 * math.log(0.8) + 0.3 * math.log(0.7)) / 2),
        ("dice", 1 - (2 * 0.8 / (1.1 + 1) + 2 * 0.7 / (0.9 + 1)) / 2),
        ("log-dice", -(math.log(1.6 / 2.1) + math.log(1.4 / 1.9)) / 2),
        ("jaccard", 1 - (0.8 / (1.1 + 1 - 0.8) + 0.7 / (0.9 + 1 - 0.7)) / 2),
        ("log-jaccard", -(math.log(0.8 / 1.3) + math.log(0.7 / 1.2)) / 2),
        ("tversky", 1 - (0.8 / (0.8 + 0.3 * 0.3 + 0.7 * 0.2) + 0.7 / (0.7 + 0.3 * 0.2 + 0.7 * 0.3)) / 2),
        # Errors 0.3 and 0.2: in class 0 a false alarm halves the IoU before the miss, in class 1 the miss comes first.
        ("lovasz", (0.3 * 0.5 + 0.2 * 0.5 + 0.3 * 1 + 0.2 * 0) / 2),
    ],
)
def test_one_class_a_pixel_by_hand(name: str, expected: float):
    assert _loss(name, TWO, TWO_LABEL) == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bce", -(math.log(0.8) + math.log(0.7)) / 2),
        ("focal", -(0.2**2 * math.log(0.8) + 0.3**2 * math.log(0.7)) / 2),
        ("dice", 1 - 2 * 0.8 / (1.1 + 1)),
        ("jaccard", 1 - 0.8 / (1.1 + 1 - 0.8)),
        ("bce+log-jaccard", -(math.log(0.8) + math.log(0.7)) / 2 - math.log(0.8 / 1.3)),
        ("tversky(alpha=0.5,beta=2)", 1 - 0.8 / (0.8 + 0.5 * 0.3 + 2 * 0.2)),
        ("lovasz", 0.5 * (1 - math.log(7 / 3)) + 0),
    ],
)
def test_a_plane_by_hand(name: str, expected: float):
    logits = torch.tensor([0.8, 0.3]).logit()[None, None, None]
    assert _loss(name, logits, torch.tensor([[[[1, 0]]]])) == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("name", ["dice", "log-dice", "jaccard", "log-jaccard", "tversky", "lovasz"])
def test_only_classes_that_are_there_count(name: str):
    logits = torch.tensor([[[[9.0, 9.0]], [[-9.0, -9.0]], [[-9.0, -9.0]]]])
    assert _loss(name, logits, torch.zeros(1, 1, 2, dtype=torch.long)) == pytest.approx(0, abs=1e-5)


# --- As libraries have it ---------------------------------------------------------------------------------


def test_cross_entropy_is_that_of_torch():
    assert _loss("ce", LOGITS, LABEL) == pytest.approx(F.cross_entropy(LOGITS, LABEL, ignore_index=255).item())


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_smoothing_is_that_of_torch(weights: torch.Tensor | None):
    expected = F.cross_entropy(LOGITS, LABEL, weight=weights, ignore_index=255, label_smoothing=0.1)
    assert _loss("ce(smoothing=0.1)", LOGITS, LABEL, weights) == pytest.approx(expected.item())


def test_binary_cross_entropy_is_the_mean_of_that_of_torch_over_what_is_known():
    expected = F.binary_cross_entropy_with_logits(LOGITS[MANY != 255], MANY[MANY != 255].float())
    assert _loss("bce", LOGITS, MANY) == pytest.approx(expected.item())


@pytest.mark.parametrize("gamma", [0, 1, 2, 3.5])
def test_focal_of_planes_is_that_of_torchvision(gamma: float):
    known = MANY != 255
    expected = sigmoid_focal_loss(LOGITS[known], MANY[known].float(), alpha=-1, gamma=gamma, reduction="mean")
    assert _loss(f"focal(gamma={gamma})", LOGITS, MANY) == pytest.approx(expected.item())


def test_focal_without_focus_is_cross_entropy():
    assert _loss("focal(gamma=0)", LOGITS, LABEL) == pytest.approx(_loss("ce", LOGITS, LABEL))


ORACLES = {
    "dice": (smp.losses.DiceLoss, {}),
    "log-dice": (smp.losses.DiceLoss, {"log_loss": True}),
    "jaccard": (smp.losses.JaccardLoss, {}),
    "log-jaccard": (smp.losses.JaccardLoss, {"log_loss": True}),
    "tversky": (smp.losses.TverskyLoss, {"alpha": 0.3, "beta": 0.7}),
}


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("mode", ["multiclass", "multilabel"])
def test_overlap_is_that_of_smp_where_every_class_is_there(name: str, mode: str):
    oracle, options = ORACLES[name]
    label = _label(mode == "multilabel")
    expected = oracle(mode, ignore_index=255, **options)(LOGITS, label)
    assert _loss(name, LOGITS, label) == pytest.approx(expected.item(), abs=1e-5)


def test_lovasz_is_that_of_smp():
    expected = smp.losses.LovaszLoss("multiclass", ignore_index=255)(LOGITS, LABEL)
    assert _loss("lovasz", LOGITS, LABEL) == pytest.approx(expected.item(), abs=1e-6)


def test_lovasz_of_planes_is_the_mean_of_that_of_smp_of_each():
    of_each = [
        smp.losses.LovaszLoss("binary", ignore_index=255)(LOGITS[:, k], MANY[:, k].float()).item() for k in range(3)
    ]
    assert _loss("lovasz", LOGITS, MANY) == pytest.approx(sum(of_each) / 3, abs=1e-6)


# --- Weights ----------------------------------------------------------------------------------------------


def test_weighted_cross_entropy_is_that_of_torch():
    expected = F.cross_entropy(LOGITS, LABEL, weight=WEIGHTS, ignore_index=255)
    assert _loss("ce", LOGITS, LABEL, WEIGHTS) == pytest.approx(expected.item())


@pytest.mark.parametrize(("name", "multilabel"), EVERY)
def test_equal_weights_change_nothing(name: str, multilabel: bool):
    label = _label(multilabel)
    weighted = _loss(name, LOGITS, label, torch.ones(3), torch.ones(2, 4, 5))
    assert weighted == pytest.approx(_loss(name, LOGITS, label))


@pytest.mark.parametrize(("name", "multilabel"), EVERY)
def test_a_heavier_class_has_more_say(name: str, multilabel: bool):
    label = _label(multilabel)
    assert _loss(name, LOGITS, label, WEIGHTS) != pytest.approx(_loss(name, LOGITS, label), rel=1e-4)


@pytest.mark.parametrize(("name", "multilabel"), EVERY)
def test_a_pixel_of_weight_2_counts_as_if_it_were_there_twice(name: str, multilabel: bool):
    label = _label(multilabel)
    weights = torch.ones(2, 4, 5)
    weights[:, :, 4] = 2
    twice, label_twice = torch.cat([LOGITS, LOGITS[..., 4:]], -1), torch.cat([label, label[..., 4:]], -1)
    expected = _loss(name, twice, label_twice, WEIGHTS)
    assert _loss(name, LOGITS, label, WEIGHTS, weights) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("name", "multilabel"), EVERY)
def test_a_pixel_of_weight_0_is_as_good_as_ignored(name: str, multilabel: bool):
    label = _label(multilabel)
    weights = torch.ones(2, 4, 5)
    weights[0, 2:] = 0
    left_out = label.clone()
    left_out[0, ..., 2:, :] = 255
    assert _loss(name, LOGITS, label, None, weights) == pytest.approx(_loss(name, LOGITS, left_out), rel=1e-5)


def test_planes_weigh_the_pixels_of_their_class():
    logits, planes = torch.zeros(1, 2, 1, 2), torch.tensor([[[[1, 0]], [[0, 0]]]])
    logits[0, 0, 0, 0] = -2.0
    hit, others = math.log1p(math.exp(2)), math.log(2)
    assert _loss("bce", logits, planes, torch.tensor([3.0, 1.0])) == pytest.approx((3 * hit + 3 * others) / 6)


# --- By name ----------------------------------------------------------------------------------------------


def test_a_sum_is_the_sum():
    expected = _loss("ce", LOGITS, LABEL) + 0.5 * _loss("dice", LOGITS, LABEL)
    assert _loss("ce + 0.5*dice", LOGITS, LABEL) == pytest.approx(expected)


def test_auto_is_the_usual_loss_of_the_kind_of_label():
    assert _loss("auto", LOGITS, LABEL) == _loss("ce+dice", LOGITS, LABEL)
    assert _loss("auto", LOGITS, MANY) == _loss("bce", LOGITS, MANY)


def test_an_unknown_loss_lists_the_known():
    with pytest.raises(ConfigError, match=r"loss 'ce\+dise': 'dise' at character 4 is unknown; known: ce, bce.*dice\?"):
        find_loss("ce+dise")


def test_a_loss_must_fit_the_kind_of_label():
    with pytest.raises(ConfigError, match="loss ce does not fit chips with one plane a class; choose bce, jaccard"):
        find_loss("ce+dice", multilabel=True)
    with pytest.raises(ConfigError, match="loss bce does not fit chips with one class a pixel; choose ce, jaccard"):
        find_loss("bce")


def test_a_parameter_has_limits():
    with pytest.raises(ConfigError, match=r"smoothing at character 14 is 1, expected 0 to 0\.99"):
        find_loss("ce(smoothing=1)")


def test_every_loss_is_in_the_table_of_the_docs():
    page = (ROOT / "docs/losses.md").read_text(encoding="utf-8")
    for name, entry in LOSSES.items():
        assert f"| `{name}` |" in page
        assert all(f"`{parameter}`" in page for parameter in entry.parameters)
