"""Losses, and that an ignored pixel has no say."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from hectares.errors import ConfigError
from hectares.model.losses import LOSSES, PLANE_LOSSES, binary_cross_entropy, cross_entropy, dice, find_loss

torch.manual_seed(0)
LOGITS = torch.randn(2, 3, 4, 5)
LABEL = torch.randint(0, 3, (2, 4, 5), generator=torch.Generator().manual_seed(1))
LABEL[0, 1, 2] = LABEL[1, 0] = 255


def _value_and_gradient(name: str, logits: torch.Tensor, label: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    leaf = logits.clone().requires_grad_()
    loss = find_loss(name)(leaf, label, None)
    loss.backward()
    return loss.detach(), leaf.grad


@pytest.mark.parametrize("name", [n for n in LOSSES if n not in PLANE_LOSSES])
def test_logits_under_ignored_pixels_change_neither_value_nor_gradient(name: str):
    ignored = (LABEL == 255)[:, None].expand_as(LOGITS)
    other = torch.where(ignored, LOGITS * -30 + 5, LOGITS)
    value, gradient = _value_and_gradient(name, LOGITS, LABEL)
    other_value, other_gradient = _value_and_gradient(name, other, LABEL)
    assert torch.equal(value, other_value)
    assert torch.equal(gradient, other_gradient)
    assert not gradient[ignored].any()
    assert gradient[~ignored].any()


@pytest.mark.parametrize("name", [n for n in LOSSES if n not in PLANE_LOSSES])
def test_a_batch_without_labels_gives_0_and_no_gradient(name: str):
    value, gradient = _value_and_gradient(name, LOGITS, torch.full_like(LABEL, 255))
    assert value == 0
    assert not gradient.any()


def test_cross_entropy_is_that_of_torch():
    assert cross_entropy(LOGITS, LABEL).item() == pytest.approx(
        F.cross_entropy(LOGITS, LABEL, ignore_index=255).item(), rel=1e-6
    )


def test_cross_entropy_of_indifference_is_the_logarithm_of_the_number_of_classes():
    assert cross_entropy(torch.zeros(1, 3, 1, 2), torch.tensor([[[0, 2]]])).item() == pytest.approx(math.log(3))


def test_dice_by_hand():
    scores = torch.tensor([[0.8, 0.3], [0.2, 0.7]])  # classes x pixels; the reference is 0, 1
    logits = scores.log()[None, :, None]
    class_0 = 1 - 2 * 0.8 / ((0.8 + 0.3) + 1)
    class_1 = 1 - 2 * 0.7 / ((0.2 + 0.7) + 1)
    assert dice(logits, torch.tensor([[[0, 1]]])).item() == pytest.approx((class_0 + class_1) / 2, abs=1e-6)


def test_dice_counts_only_classes_that_are_there():
    logits = torch.tensor([[[[9.0, 9.0]], [[-9.0, -9.0]], [[-9.0, -9.0]]]])
    assert dice(logits, torch.zeros(1, 1, 2, dtype=torch.long)).item() == pytest.approx(0, abs=1e-6)


def test_the_sum_is_the_sum():
    both = find_loss("ce+dice")(LOGITS, LABEL, None)
    assert both.item() == pytest.approx((cross_entropy(LOGITS, LABEL) + dice(LOGITS, LABEL)).item())


def test_an_unknown_loss_lists_the_known():
    with pytest.raises(ConfigError, match=r"'focal' is unknown; known: ce, dice, ce\+dice"):
        find_loss("focal")


# --- Planes -----------------------------------------------------------------------------------------------


PLANES = torch.randint(0, 2, LOGITS.shape, generator=torch.Generator().manual_seed(2))
PLANES[0, 1, 2] = PLANES[1, 0, 3, 4] = 255


def test_binary_cross_entropy_is_the_mean_over_what_is_known():
    known = PLANES != 255
    expected = F.binary_cross_entropy_with_logits(LOGITS[known], PLANES[known].float())
    assert binary_cross_entropy(LOGITS, PLANES).item() == pytest.approx(expected.item(), rel=1e-6)


def test_unknown_answers_have_no_gradient():
    leaf = LOGITS.clone().requires_grad_()
    binary_cross_entropy(leaf, PLANES).backward()
    assert not leaf.grad[PLANES == 255].any()
    assert leaf.grad[PLANES != 255].all()
    assert binary_cross_entropy(LOGITS, torch.full_like(PLANES, 255)) == 0


def test_a_loss_must_fit_the_kind_of_label():
    assert find_loss("auto", multilabel=True) is binary_cross_entropy
    with pytest.raises(ConfigError, match="loss ce does not fit chips with one plane a class; choose bce"):
        find_loss("ce", multilabel=True)
    with pytest.raises(ConfigError, match="loss bce does not fit chips with one class a pixel"):
        find_loss("bce")


# --- Weights ----------------------------------------------------------------------------------------------


WEIGHTS = torch.tensor([0.2, 1.0, 1.8])


def test_weighted_cross_entropy_is_that_of_torch():
    expected = F.cross_entropy(LOGITS, LABEL, weight=WEIGHTS, ignore_index=255)
    assert cross_entropy(LOGITS, LABEL, WEIGHTS).item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("name", ["ce", "dice", "ce+dice"])
def test_equal_weights_change_nothing(name: str):
    plain, weighted = find_loss(name)(LOGITS, LABEL, None), find_loss(name)(LOGITS, LABEL, torch.ones(3))
    assert weighted.item() == pytest.approx(plain.item(), rel=1e-5)


def test_planes_weigh_the_pixels_of_their_class():
    logits, planes = torch.zeros(1, 2, 1, 2), torch.tensor([[[[1, 0]], [[0, 0]]]])
    logits[0, 0, 0, 0] = -2.0
    hit, others = F.softplus(torch.tensor(2.0)), math.log(2)
    found = binary_cross_entropy(logits, planes, torch.tensor([3.0, 1.0]))
    assert found.item() == pytest.approx(float((3 * hit + 3 * others) / 6), rel=1e-5)
