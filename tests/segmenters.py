"""Tiny segmenters with random weights, as training leaves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hectares.core.bands import BandStats
from hectares.core.legend import Legend
from hectares.core.spec import SegmenterSpec
from hectares.io.artefact import stamp
from hectares.io.segmenter import StoredSegmenter, find_segmenter, save_segmenter


def save_random_segmenter(folder: Path, legend: Legend, **changes: Any) -> StoredSegmenter:
    """Save a U-Net of two channels on the bands red and nir, with reproducible weights."""
    import torch

    from hectares.model.networks.zoo import build_network
    from hectares.model.segmenter import weights_of

    fields = {"network": "unet-elu", "options": {"width": 2}, "gsd_m": 10.0, "tile_px": 32} | changes
    stats = BandStats(("red", "nir"), (100.0, 50.0), (40.0, 20.0), (0.0, 0.0), (200.0, 100.0))
    spec = SegmenterSpec(stats=stats, legend=legend.for_maps(), **fields)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = build_network(spec.network, spec.options, bands=2, classes=len(spec.legend))
    folder.mkdir(parents=True)
    save_segmenter(folder, spec, weights_of(network), stamp("segmenter", config={}, inputs={}))
    return find_segmenter(folder)
