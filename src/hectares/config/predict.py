"""Knobs of `predict`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hectares.config.checks import at_least, between
from hectares.errors import ConfigError


@dataclass(frozen=True, slots=True)
class PredictConfig:
    """How a scene becomes a class map."""

    tile_px: int = 1024
    """Side of the windows the network sees, fitted so that equal windows cover the scene."""
    overlap_px: int | None = None
    """Overlap of neighboring windows; half of it is context on each side. By default twice the context that training
    measured, at least 64 and up to a quarter of --tile-px; half a training chip if it was not measured."""
    blend: Literal["crop", "taper"] = "crop"
    """How windows are joined: crop keeps the middle of each, taper adds their scores with weights that fall off."""
    batch: int = 1
    """Windows a forward pass; on a processor 1 is fastest."""
    bidx: str | None = None
    """Bands of the scene by 1-based number or name, if their names do not say which is which: 3,2,1."""
    gsd_tolerance: float = 0.25
    """Largest relative difference between the pixel size of the scene and of the training images."""
    resample: bool = False
    """Where the pixel size differs more, let the network see the scene with pixels of the training size; the map stays
    on the grid of the scene, each pixel with the class found at its center."""
    allow_remote: bool = False
    """Read scenes from the network too: https://..., s3://bucket/key of public buckets, or a STAC item (.json)."""
    out_of_range: bool = False
    """Also write MAP.out-of-range.tif: 1 where a band has values that the training images had hardly ever, else 0."""
    aoi: str | None = None
    """Map only inside the polygons of a vector file, FILE or FILE:LAYER, in any CRS; outside is nodata."""
    tta: Literal["none", "flips", "d4"] = "none"
    """Ask the network about mirrored (flips: 4) or mirrored and turned (d4: 8) copies too, and take the mean."""
    mean: Literal["arithmetic", "geometric"] = "arithmetic"
    """Which mean of the scores, with --tta or --with."""
    with_: tuple[str, ...] = ()
    """Another run whose scores are averaged with those of the first; may be given several times."""
    decide: Literal["argmax", "area"] = "argmax"
    """argmax takes the class with the best score; area shifts scores first, so that each class is mapped as often as it
    occurs on the validation chips: areas are less biased, single pixels usually a little less often right."""
    unsure: float | None = None
    """Pixels whose best score is lower become a class of their own, "unsure"."""
    scores_type: Literal["uint8", "float32"] = "uint8"
    """Type of the file of scores: bytes of 0 to 250, or floats of 0 to 1."""
    runtime: Literal["auto", "openvino", "onnx", "torch"] = "auto"
    """What runs the network; auto takes torch on a GPU, else the first of these that is installed and checked."""
    device: str = "auto"
    """auto, cpu or cuda."""
    threads: int | None = None
    """Processors that the network may use; by default all. The map is the same."""
    precision: Literal["auto", "fp32", "bf16", "int8"] = "auto"
    """auto takes the lowest that the processor multiplies natively and that was measured to map as fp32 does."""

    def __post_init__(self) -> None:
        at_least(1, tile_px=self.tile_px, batch=self.batch, threads=self.threads)
        at_least(0, overlap_px=self.overlap_px, gsd_tolerance=self.gsd_tolerance)
        between(0, 1, unsure=self.unsure)
        if self.decide == "area" and self.unsure is not None:
            raise ConfigError(
                "--decide area gives every pixel a class, --unsure takes some away; leave one of them out"
            )
        if self.mean != "arithmetic" and self.tta == "none" and not self.with_:
            raise ConfigError("--mean is that of several scores; give it together with --tta or --with")
