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


def save_convolution(folder: Path, legend: Legend, *, seed: int = 3, **changes: Any) -> StoredSegmenter:
    """Save one convolution of 5 x 5 px on the bands red and nir as ONNX alone: it runs without torch, and at once."""
    import hashlib

    import numpy as np
    import onnx
    from onnx import TensorProto, helper

    from hectares.io.segmenter import OnnxExport, amend_segmenter

    fields = {"network": "conv", "options": {}, "gsd_m": 10.0, "tile_px": 32, "stride": 4, "context_px": 2} | changes
    stats = BandStats(("red", "nir"), (100.0, 50.0), (40.0, 20.0), (0.0, 0.0), (200.0, 100.0))
    spec = SegmenterSpec(stats=stats, legend=legend.for_maps(), **fields)
    kernel = np.random.default_rng(seed).normal(size=(len(spec.legend), 2, 5, 5)).astype(np.float32)
    node = helper.make_node("Conv", ["image", "kernel"], ["logits"], pads=[2, 2, 2, 2])
    shapes = [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["b", 2, "h", "w"])]
    found = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["b", len(spec.legend), "h", "w"])]
    initial = [onnx.numpy_helper.from_array(kernel, "kernel")]
    graph = helper.make_graph([node], "conv", shapes, found, initial)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model = made.SerializeToString()
    onnx.checker.check_model(made)
    folder.mkdir(parents=True)
    save_segmenter(folder, spec, {"kernel": kernel}, stamp("segmenter", config={}, inputs={}))
    record = OnnxExport(hashlib.sha256(model).hexdigest(), len(model), 17, 1.0, 0.0, 1, "chips")
    return amend_segmenter(find_segmenter(folder), onnx=(model, record))
