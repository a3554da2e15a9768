"""Options of a split: each is used by the way to split, or refused."""

from __future__ import annotations

from typing import Any

import pytest

from hectares.config.prepare import PrepareConfig
from hectares.errors import ConfigError

GIVEN: dict[str, Any] = {
    "val_share": 0.2,
    "test_share": 0.2,
    "ratio": "8,1,1",
    "counts": "4,2,1",
    "folds": 4,
    "fold": 2,
    "block_px": 512,
    "buffer_px": 8,
    "stratify": True,
}
USED = {
    "auto": {"val_share", "test_share", "ratio", "block_px", "buffer_px", "stratify"},
    "official": set(),
    "group": {"val_share", "test_share", "ratio", "stratify"},
    "block": {"val_share", "test_share", "ratio", "block_px", "buffer_px", "stratify"},
    "kfold": {"val_share", "folds", "fold", "block_px", "buffer_px"},
    "ratio": {"val_share", "test_share", "ratio", "stratify"},
    "counts": {"counts"},
    "splits.csv": set(),
}


@pytest.mark.parametrize("option", GIVEN)
@pytest.mark.parametrize("split", USED)
def test_an_option_is_used_by_the_split_or_refused(split: str, option: str):
    given = {"counts": "4,2,1"} if split == "counts" else {}
    given |= {option: GIVEN[option]}
    if option in USED[split]:
        assert getattr(PrepareConfig(split=split, **given), option) == GIVEN[option]
        return
    with pytest.raises(ConfigError, match=f"--{option.replace('_', '-')} is used by --split .* only$"):
        PrepareConfig(split=split, **given)


def test_the_ways_to_split_that_use_an_option_are_named():
    with pytest.raises(ConfigError, match=r"^--counts is used by --split counts only$"):
        PrepareConfig(counts="4,2,1")


def test_shares_beside_a_ratio_are_refused():
    with pytest.raises(ConfigError, match="--val-share has no effect beside --ratio"):
        PrepareConfig(ratio="8,1,1", val_share=0.3)


def test_a_reflectance_scale_without_indices_is_refused():
    with pytest.raises(ConfigError, match="--indices"):
        PrepareConfig(reflectance_scale=0.0001)
    assert PrepareConfig(reflectance_scale=0.0001, indices="evi").reflectance_scale == 0.0001
