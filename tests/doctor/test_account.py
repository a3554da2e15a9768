"""What is counted over all scenes of a data set."""

import numpy as np
import pytest

from hectares.core.legend import Legend
from hectares.doctor.account import Account

LEGEND = Legend.of({1: "road", 2: "car"})


def test_where_classes_overlap_shares_are_of_the_labelled_pixels():
    account = Account(LEGEND)
    account.add_label("train", np.array([80, 10, 20]), None, 80)  # all cars stand on roads
    road, car = account.classes()
    assert (road.share, car.share) == (1, 0.125)
    assert (road.share_by_split, car.share_by_split) == ({"train": 1}, {"train": 0.125})
    assert account.facts()["labelled_share"] == pytest.approx(0.8)


def test_splits_come_in_their_order_and_not_in_that_of_the_scenes():
    account = Account(LEGEND)
    for split in ("test", "val", "train"):
        account.add_label(split, np.array([1, 1, 0]), None, 2)
    assert list(account.class_pixels) == list(account.classes()[0].by_split) == ["train", "val", "test"]
