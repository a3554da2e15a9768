"""Knobs of `prepare`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hectares.config.checks import at_least, between
from hectares.config.source import SourceConfig
from hectares.errors import ConfigError

Scaling = Literal["standard", "percentile", "scene-percentile", "minmax", "depth", "imagenet", "none"]
_MOST_CHIP_PX = 2**14
"""A chip is in memory whole, a few times over."""
_MOST_RESIZED_PX = 2**16
_SPLITS = ("auto", "official", "group", "block", "kfold", "ratio", "counts")
SPLIT_OPTIONS = {
    "val_share": ("group", "block", "kfold", "ratio"),
    "test_share": ("group", "block", "ratio"),
    "ratio": ("group", "block", "ratio"),
    "counts": ("counts",),
    "folds": ("kfold",),
    "fold": ("kfold",),
    "block_px": ("block", "kfold"),
    "buffer_px": ("block", "kfold"),
    "stratify": ("group", "block", "ratio"),
}
"""Ways to split that use an option; `auto` comes to be official, group or block."""


@dataclass(frozen=True, slots=True)
class PrepareConfig(SourceConfig):
    """How scenes become chips."""

    bands: str = "all"
    """Bands by 1-based number or name, in order: 4,3,2 or red,green,blue or all."""
    indices: str | None = None
    """Spectral indices as extra bands: ndvi, ndwi, mndwi, ndre, evi, savi, ccci, or nbr=(nir-swir2)/(nir+swir2)."""
    reflectance_scale: float = 1.0
    """Factor from values to reflectance of 0 to 1, for evi and savi (Sentinel-2: 0.0001); 1 if files declare it."""
    harmonize: bool = False
    """Sentinel-2: take the offset of 1000 out of scenes of processing baseline 04.00 and later."""
    scaling: Scaling = "standard"
    """How values are scaled for the network: by mean and deviation, percentiles 2 and 98 (of all or by scene) ..."""
    align: bool = False
    """Measure how the images of a scene are shifted against each other (DSTL), store it, and undo it."""
    chip_px: int = 256
    """Side of the square chips, in pixels."""
    stride_px: int | None = None
    """Distance from chip to chip, in pixels; by default the chip size."""
    edge: Literal["pad", "shift", "drop", "mirror"] = "pad"
    """Last row and column: pad beyond the scene as unlabelled, shift back inside, drop, or mirror."""
    resize_px: int | None = None
    """Resample every scene so that its longer side is this, before chips are cut; labels by nearest neighbor."""
    store: Literal["compact", "raw", "scenes"] = "compact"
    """Pixels packed, unpacked (larger, faster), or none: training reads windows of the scenes, anew each epoch."""
    split: str = "auto"
    """auto, official, group, block, kfold, ratio, counts, a CSV (scene or group, split), or a folder of train.txt."""
    val_share: float = 0.15
    """Share of the validation split."""
    test_share: float = 0.15
    """Share of the test split."""
    ratio: str | None = None
    """Weights of train, val and test instead of the two shares: 20000,1000,888."""
    counts: str | None = None
    """Numbers of train, val and test chips, for --split counts: 400,100,30."""
    folds: int = 5
    """Number of folds, for --split kfold."""
    fold: int = 1
    """Fold that is the test split, from 1; the next one is the validation split."""
    block_px: int | None = None
    """Side of the spatial blocks of --split block; by default four chips."""
    buffer_px: int = 0
    """Leave out chips nearer than this to one of another split."""
    stratify: bool = False
    """Give each split its share of every class."""
    copies: Literal["refuse", "drop", "keep"] = "refuse"
    """One image in two splits: refuse, drop it where it is trained on (and repeats within a split), or keep it."""
    min_labelled: float = 0.0
    """Leave out chips of which less than this share is labelled; wholly unlabelled ones always."""
    max_nodata: float = 1.0
    """Leave out chips of which more than this share was not observed."""
    seed: int = 0
    """Seed of the split."""

    def __post_init__(self) -> None:
        SourceConfig.__post_init__(self)
        between(1, _MOST_CHIP_PX, chip_px=self.chip_px)
        between(1, _MOST_RESIZED_PX, resize_px=self.resize_px)
        at_least(1, stride_px=self.stride_px, block_px=self.block_px)
        at_least(0, seed=self.seed, buffer_px=self.buffer_px)
        at_least(2, folds=self.folds)
        between(1, self.folds, fold=self.fold)
        between(0, 0.9, val_share=self.val_share, test_share=self.test_share)
        between(0, 1, min_labelled=self.min_labelled, max_nodata=self.max_nodata)
        if self.val_share + self.test_share >= 1:
            raise ConfigError("--val-share and --test-share leave nothing to train on; their sum must be below 1")
        _ = self.shares, self.chip_counts
        self._refuse_idle()
        if self.reflectance_scale != 1.0 and self.indices is None:
            raise ConfigError("--reflectance-scale is used by --indices only; values are scaled by --scaling")
        if self.split == "counts" and self.counts is None:
            raise ConfigError("--split counts needs --counts, the numbers of train, val and test chips: 400,100,30")
        if self.split not in _SPLITS and Path(self.split).suffix != ".csv" and not Path(self.split).is_dir():
            raise ConfigError(
                f"--split is {self.split!r}; expected {', '.join(_SPLITS)}, a CSV file, or a folder of train.txt"
            )

    def _refuse_idle(self) -> None:
        if self.split != "auto":
            self.refuse_idle(self.split)
            return
        for name in self._given_for_split():
            if not {"group", "block"} & set(SPLIT_OPTIONS[name]):
                raise ConfigError(f"{_flag(name)} is used by --split {', '.join(SPLIT_OPTIONS[name])} only")

    def refuse_idle(self, kind: str, why: str = "") -> None:
        """Raise ConfigError for an option that the way to split does not use; `why` says how it came to be."""
        for name in self._given_for_split():
            if kind not in SPLIT_OPTIONS[name]:
                raise ConfigError(f"{_flag(name)} is used by --split {', '.join(SPLIT_OPTIONS[name])} only{why}")

    def _given_for_split(self) -> list[str]:
        given = [n for n in SPLIT_OPTIONS if getattr(self, n) != self.__dataclass_fields__[n].default]
        beside = [name for name in ("val_share", "test_share") if name in given]
        if "ratio" in given and beside:
            raise ConfigError(f"{_flag(beside[0])} has no effect beside --ratio, which gives all shares; drop one")
        return given

    @property
    def shares(self) -> dict[str, float]:
        """Weights of train, val and test."""
        if self.ratio is not None:
            return _three("ratio", self.ratio)
        rest = 1 - self.val_share - self.test_share
        return {"train": rest, "val": self.val_share, "test": self.test_share}

    @property
    def chip_counts(self) -> dict[str, int]:
        """Numbers of train, val and test chips; empty if none are given."""
        return {} if self.counts is None else {k: int(v) for k, v in _three("counts", self.counts).items()}


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _three(option: str, text: str) -> dict[str, float]:
    """Read up to three numbers: train, val, test."""
    parts = text.split(",")
    try:
        values = [float(p) for p in parts]
    except ValueError:
        values = []
    if not 1 <= len(values) <= 3 or not values[0] > 0 or not all(0 <= v < 1e12 for v in values):
        raise ConfigError(f"--{option} is {text!r}; expected numbers for train, val and test: 70,15,15")
    if option == "counts" and any(v != int(v) for v in values):
        raise ConfigError(f"--counts is {text!r}; expected whole numbers of chips")
    return dict(zip(("train", "val", "test"), [*values, 0.0, 0.0], strict=False))
