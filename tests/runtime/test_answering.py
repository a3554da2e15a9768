"""One answer of several networks and of turned copies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from hectares.core.decision import softmax_planes
from hectares.runtime.answering import VIEWS, Answering, Member

IMAGE = np.random.default_rng(2).random((1, 2, 3, 5)).astype(np.float32)


@dataclass
class Fake:
    """Gives its input times a factor; the left column gets one more for the second class."""

    factor: float = 1.0
    uneven: bool = False
    seen: int = 0
    spec: Any = None
    stride: int = 1

    @property
    def facts(self) -> dict[str, str]:
        """Nothing to tell."""
        return {}

    def logits(self, image: np.ndarray) -> np.ndarray:
        """Give logits."""
        assert image.flags.c_contiguous
        self.seen += 1
        logits = image * np.float32(self.factor)
        if self.uneven:
            logits[:, 1, :, 0] += 1
        return logits


@pytest.mark.parametrize(("views", "count"), [("none", 1), ("flips", 4), ("d4", 8)])
def test_views_are_different_and_come_back(views: Any, count: int):
    turned = {v.apply(IMAGE).tobytes() + bytes(v.apply(IMAGE).shape) for v in VIEWS[views]}
    assert len(turned) == count
    assert all(np.array_equal(v.undo(v.apply(IMAGE)), IMAGE) for v in VIEWS[views])


def test_one_network_asked_once_gives_its_logits():
    answering = Answering([Member(Fake(2.0), 5.0)])
    assert answering.are_logits
    assert np.array_equal(answering([IMAGE]), IMAGE * 2)


@pytest.mark.parametrize("mean", ["arithmetic", "geometric"])
def test_a_pointwise_network_answers_the_same_from_all_sides(mean: Any):
    answering = Answering([Member(Fake())], VIEWS["d4"], mean)
    assert np.allclose(answering([IMAGE]), softmax_planes(IMAGE), atol=1e-6)
    assert answering.passes == 8


def test_what_differs_from_side_to_side_is_averaged():
    image = np.zeros((1, 2, 4, 4), np.float32)
    found = Answering([Member(Fake(uneven=True))], VIEWS["d4"])([image])
    assert np.allclose(found, found[..., ::-1])
    assert np.allclose(found, found.swapaxes(-1, -2))


def test_the_means_of_two_networks():
    image = np.log(np.array([[[[1.0]], [[3.0]]]], np.float32))  # scores 1/4 and 3/4; twice the logits: 1/10 and 9/10
    members = [Member(Fake(1.0)), Member(Fake(2.0))]
    arithmetic = Answering(members)([image, image])
    assert arithmetic[0, 0, 0, 0] == pytest.approx((0.25 + 0.1) / 2)
    geometric = Answering(members, mean="geometric")([image, image])
    assert geometric[0, 1, 0, 0] / geometric[0, 0, 0, 0] == pytest.approx((3 * 9) ** 0.5)


def test_each_network_has_its_own_image_and_temperature():
    image = np.log(np.array([[[[1.0]], [[9.0]]]], np.float32))
    found = Answering([Member(Fake(), 2.0), Member(Fake(), 1.0)])([image, image * 0])
    assert found[0, 1, 0, 0] == pytest.approx((0.75 + 0.5) / 2)
