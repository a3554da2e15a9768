"""An exported network in the form that Deepness, a plugin of QGIS, runs: pixels of 0 to 1 in, scores out.

What the plugin does: it divides bytes by 255, subtracts a mean and divides by a deviation from the metadata, gives
squares of a fixed side to the network, sets scores below a threshold to 0, and takes the class with the highest one.
So scaling, mirrored borders and softmax go into the graph, and its mean, deviation and threshold are 0, 1 and 0.
Source: https://github.com/PUTvision/qgis-plugin-deepness, version 0.6.5.
"""

from __future__ import annotations

import json
import math

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from hectares.core.spec import SegmenterSpec
from hectares.errors import ArtefactError
from hectares.model.onnx_graph import IMAGE, LOGITS

PIXELS, SCORES = "pixels", "scores"
_MOST_OVERLAP = 0.25
_LARGEST_PX = 1024


def to_deepness(model: bytes, spec: SegmenterSpec, *, temperature: float = 1.0) -> bytes:
    """Give the bytes of an ONNX file for Deepness, made from the plain form of a segmenter.

    Takes `pixels` (batch, bands, side, side) float32, bytes divided by 255, and gives `scores` (batch, classes, side,
    side). Raises ArtefactError for a segmenter whose input the plugin cannot prepare.
    """
    _refuse(spec)
    graph = onnx.load_model_from_string(model)
    side, overlap = tiles_of(spec)
    body = graph.graph
    before, named = _prepared(spec)
    after = [
        helper.make_node("Div", [LOGITS, "hectares_temperature"], ["hectares_calibrated"]),
        helper.make_node("Softmax", ["hectares_calibrated"], [SCORES], axis=1),
    ]
    named["hectares_temperature"] = np.array(temperature, np.float32)
    nodes = [*before, *body.node, *after]
    del body.node[:], body.input[:], body.output[:]
    body.node.extend(nodes)
    body.initializer.extend(numpy_helper.from_array(value, name) for name, value in named.items())
    body.input.append(_image(PIXELS, len(spec.bands), side))
    body.output.append(_image(SCORES, len(spec.legend), side))
    facts = {p.key: p.value for p in graph.metadata_props} | _facts(spec, side, overlap)
    del graph.metadata_props[:]
    helper.set_model_props(graph, dict(sorted(facts.items())))
    onnx.checker.check_model(graph, full_check=True)
    return bytes(graph.SerializeToString(deterministic=True))


def _refuse(spec: SegmenterSpec) -> None:
    reasons = {
        "lets classes overlap, and Deepness gives each pixel one class": spec.multilabel or len(spec.legend) < 2,
        f"takes {spec.dtype} pixels, and Deepness knows bytes alone": spec.dtype != "uint8",
        "scales each scene by its own range, and Deepness sees no more than a tile": spec.scaler.by_scene,
        f"computes the bands {', '.join(spec.plan.index_names)}, and Deepness computes none": bool(spec.plan.indices),
    }
    for reason, holds in reasons.items():
        if holds:
            raise ArtefactError(f"the segmenter {reason}; map with `hectares predict`, and open the map in QGIS")


def tiles_of(spec: SegmenterSpec) -> tuple[int, int]:
    """Give the side of the squares in pixels, and by how many percent they overlap."""
    context, stride = spec.context_px or 0, spec.stride or 1
    side = max(spec.tile_px, min(_LARGEST_PX, math.ceil(2 * context / _MOST_OVERLAP)))
    side += -(side + 2 * spec.crop) % stride
    return side, math.ceil(100 * 2 * context / side)


def _prepared(spec: SegmenterSpec) -> tuple[list[onnx.NodeProto], dict[str, NDArray[np.generic]]]:
    """Give the nodes from `pixels` to what the network takes, and their constants."""
    scaling, shape = spec.scaler, (1, -1, 1, 1)
    factor = [1 / d if d > 0 else 0.0 for d in scaling.divide]
    named: dict[str, NDArray[np.generic]] = {
        "hectares_bytes": np.array(255, np.float32),
        "hectares_subtract": np.array(scaling.subtract, np.float32).reshape(shape),
        "hectares_factor": np.array(factor, np.float32).reshape(shape),
    }
    nodes = [
        helper.make_node("Mul", [PIXELS, "hectares_bytes"], ["hectares_nearly"]),
        helper.make_node("Round", ["hectares_nearly"], ["hectares_whole"]),  # the very bytes again
        helper.make_node("Sub", ["hectares_whole", "hectares_subtract"], ["hectares_centered"]),
        helper.make_node("Mul", ["hectares_centered", "hectares_factor"], ["hectares_scaled"]),
    ]
    if any(scaling.clip):
        low = [0.0 if clipped else -np.inf for clipped in scaling.clip]
        high = [1.0 if clipped else np.inf for clipped in scaling.clip]
        named["hectares_low"] = np.array(low, np.float32).reshape(shape)
        named["hectares_high"] = np.array(high, np.float32).reshape(shape)
        nodes += [
            helper.make_node("Max", ["hectares_scaled", "hectares_low"], ["hectares_above"]),
            helper.make_node("Min", ["hectares_above", "hectares_high"], ["hectares_clipped"]),
        ]
    if spec.crop:
        named["hectares_mirrored"] = np.array([0, 0, spec.crop, spec.crop, 0, 0, spec.crop, spec.crop], np.int64)
        inputs = [nodes[-1].output[0], "hectares_mirrored"]
        nodes.append(helper.make_node("Pad", inputs, ["hectares_wide"], mode="reflect"))
    nodes[-1].output[0] = IMAGE
    return nodes, named


def _image(name: str, planes: int, side: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", planes, side, side])


def _facts(spec: SegmenterSpec, side: int, overlap: int) -> dict[str, str]:
    """Give the metadata that the plugin reads; each value is JSON."""
    bands = len(spec.bands)
    facts = {
        "model_type": "Segmentor",
        "class_names": {str(number): name for number, name in enumerate(spec.legend.names)},
        "standardization_mean": [0.0] * bands,
        "standardization_std": [1.0] * bands,
        "tile_size": side,
        "tiles_overlap": overlap,
        "seg_thresh": 0.0,
        "seg_small_segment": 0,
    }
    if spec.gsd_m is not None:
        facts["resolution"] = round(100 * spec.gsd_m, 6)
    return {key: json.dumps(value) for key, value in facts.items()}
