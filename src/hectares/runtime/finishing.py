"""What is made and measured when training ends: the exported form, its agreement, how far the network looks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from hectares import __version__
from hectares.core.spec import SegmenterSpec
from hectares.errors import ArtefactError
from hectares.io.segmenter import (
    LEAST_AGREEMENT,
    Agreement,
    OnnxExport,
    StoredSegmenter,
    amend_segmenter,
    find_segmenter,
)
from hectares.model.onnx_graph import IMAGE, LOGITS, OPSET, to_onnx
from hectares.model.receptive_field import effective_radius
from hectares.model.segmenter import Segmenter
from hectares.monitor import QUIET, Monitor, Problem
from hectares.runtime.fit import Fit
from hectares.runtime.onnx import open_session, run_session
from hectares.runtime.openvino import Network
from hectares.runtime.torch import TorchRuntime

METADATA_KEY = "hectares"
RANDOM_TILES = "random tiles"
MAX_IMAGES = 32
_MAX_IN_BF16 = 8
"""Fewer: processors that do not know bf16 are slow at it."""
_BATCH = 4
_TOLERANCE = 1e-2
"""Of the largest logit: a graph that took a size for a constant is off by far more, one in fp32 by far less."""

Images = Iterable[NDArray[np.float32]]
"""(C, h, w) each, scaled, 0 where not valid."""
Answer = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""(B, C, h, w) to logits (B, K, h, w)."""


def finish_segmenter(
    folder: Path,
    images: Images,
    *,
    calibration: Mapping[str, Any] | None = None,
    measured_on: str = "validation chips",
    monitor: Monitor = QUIET,
) -> StoredSegmenter:
    """Complete a segmenter that was just saved: stride, context, ONNX form, calibration, and how well all forms agree.

    Up to 32 images are compared: onnxruntime with torch; OpenVINO, if it is installed; and both engines in bf16.
    A network that has no ONNX form stays a segmenter: that is noted as a problem, in `segmenter.json` as well.
    """
    stored, segmenter = restore(find_segmenter(folder))
    spec, compared = stored.spec, list(islice(images, MAX_IMAGES))
    agreements = _measure_bf16(stored, segmenter, compared, measured_on)
    try:
        exported = export_onnx(segmenter, compared, calibration=calibration, measured_on=measured_on)
    except ArtefactError as error:
        monitor.problem(Problem(str(folder), str(error), "predict runs it in torch"))
        return amend_segmenter(
            stored, spec=spec, agreements=agreements, calibration=calibration, problems=(str(error),)
        )
    agreements |= _measure_openvino(exported[0], segmenter, compared, measured_on)
    if not exported[1].is_checked:
        what = f"the ONNX form agrees on {exported[1].agreement:.3%} of pixels, less than {LEAST_AGREEMENT:.1%}"
        monitor.problem(Problem(str(folder), what, "predict runs it in torch unless --runtime onnx is given"))
    return amend_segmenter(stored, spec=spec, onnx=exported, agreements=agreements, calibration=calibration)


def restore(stored: StoredSegmenter) -> tuple[StoredSegmenter, Segmenter]:
    """Give the network, and the segmenter with its stride and context filled in, which older ones lack."""
    segmenter = Segmenter.restore(stored.spec, stored.weights(), "cpu")
    context = stored.spec.context_px
    if context is None:
        context = effective_radius(segmenter.network, bands=len(stored.spec.bands), stride=segmenter.stride)
    shape = segmenter.network
    segmenter.spec = replace(stored.spec, stride=shape.stride, crop=shape.crop, context_px=context)
    return replace(stored, spec=segmenter.spec), segmenter


def export_onnx(
    segmenter: Segmenter,
    images: Images | None = None,
    *,
    calibration: Mapping[str, Any] | None = None,
    measured_on: str = RANDOM_TILES,
) -> tuple[bytes, OnnxExport]:
    """Give an ONNX file and how well it agrees with the network, on images or else on random tiles.

    Raises ArtefactError if the network has no ONNX form, or one that gives other logits for some size.
    """
    spec = segmenter.spec
    metadata = {METADATA_KEY: json.dumps(describe(spec, calibration), sort_keys=True)}
    model = to_onnx(segmenter.network, bands=len(spec.bands), metadata=metadata)
    session = open_session(model)
    _check_sizes(segmenter, session)
    fit = _fit(segmenter)
    found = _compare(segmenter, lambda batch: run_session(session, batch, fit), images or (), measured_on)
    record = OnnxExport(
        sha256=hashlib.sha256(model).hexdigest(),
        bytes=len(model),
        opset=OPSET,
        agreement=found.agreement,
        max_difference=found.max_difference,
        chips=found.chips,
        measured_on=found.measured_on,
    )
    return model, record


def _measure_bf16(
    stored: StoredSegmenter, segmenter: Segmenter, images: Sequence[NDArray[np.float32]], measured_on: str
) -> dict[str, Agreement]:
    lower = TorchRuntime(stored, device="cpu", precision="bf16")
    return {"torch bf16": _compare(segmenter, lower.logits, images[:_MAX_IN_BF16], measured_on)}


def _measure_openvino(
    model: bytes, segmenter: Segmenter, images: Sequence[NDArray[np.float32]], measured_on: str
) -> dict[str, Agreement]:
    """Compare what OpenVINO gives, if it is installed; in bf16 if it knows how to on this processor."""
    if find_spec("openvino") is None:
        return {}
    fit, full, lower = _fit(segmenter), Network(model), Network(model, precision="bf16")
    found = {"openvino fp32": _compare(segmenter, lambda batch: full.run(batch, fit), images, measured_on)}
    probe = next(_random_tiles(len(segmenter.spec.bands), segmenter.spec.tile_px))[None]
    if not np.array_equal(full.run(probe, fit), lower.run(probe, fit)):  # else it has silently stayed with fp32
        few = images[:_MAX_IN_BF16]
        found["openvino bf16"] = _compare(segmenter, lambda batch: lower.run(batch, fit), few, measured_on)
    return found


def describe(spec: SegmenterSpec, calibration: Mapping[str, Any] | None) -> dict[str, Any]:
    """Give what another tool must know to use the ONNX file alone."""
    size = f"height and width are multiples of {spec.stride}; fill up with zeros below and to the right"
    cut = f"; {spec.crop} px less on each side: mirror as many around the input first" if spec.crop else ""
    meaning = "sigmoid gives the scores of each class" if spec.multilabel else "softmax over classes gives scores"
    return {
        "made_by": f"hectares {__version__}",
        "input": {"name": IMAGE, "layout": "batch, bands, height, width", "dtype": "float32", "size": size},
        "output": {"name": LOGITS, "layout": "batch, classes, height, width" + cut, "meaning": meaning},
        "bands": list(spec.bands),
        "dtype": spec.dtype,
        "scaling": spec.scaler.to_json() | {"formula": "(value - subtract) / divide, then 0..1 where clip"},
        "plan": spec.plan.to_json(),
        "legend": spec.legend.to_json(),
        "multilabel": spec.multilabel,
        "network": spec.network,
        "gsd_m": spec.gsd_m,
        "tile_px": spec.tile_px,
        "stride": spec.stride,
        "crop": spec.crop,
        "context_px": spec.context_px,
        "calibration": None if calibration is None else {k: v for k, v in calibration.items() if k != "area"},
    }


def _fit(segmenter: Segmenter) -> Fit:
    return Fit(segmenter.network.stride, segmenter.network.crop)


def _check_sizes(segmenter: Segmenter, session: ort.InferenceSession) -> None:
    """Refuse a graph that holds for the traced size alone."""
    rng, bands, stride = np.random.default_rng(0), len(segmenter.spec.bands), segmenter.stride
    for count, rows, cols in ((1, 2, 5), (3, 5, 2)):
        image = rng.standard_normal((count, bands, rows * stride, cols * stride), np.float32)
        expected = segmenter.logits(image)
        at = f"at {rows * stride} x {cols * stride} px"
        try:
            found = run_session(session, image, _fit(segmenter))
        except Exception as error:
            # onnxruntime raises classes of its own that share no parent but this one
            raise ArtefactError(f"the ONNX form fails {at} ({' '.join(str(error).split())[:200]})") from error
        bound = _TOLERANCE * max(1.0, float(np.abs(expected).max()))
        if found.shape != expected.shape or not float(np.abs(found - expected).max()) <= bound:
            raise ArtefactError(f"the ONNX form gives other logits than the network {at}")


def _random_tiles(bands: int, side: int) -> Iterator[NDArray[np.float32]]:
    """Give noise at several scales, so that flat and busy places both occur."""
    rng = np.random.default_rng(1)
    for number in range(8):
        block = 2 ** (number % 4)
        coarse = rng.standard_normal((bands, -(-side // block), -(-side // block)), np.float32)
        yield np.kron(coarse, np.ones((1, block, block), np.float32))[:, :side, :side]


def _compare(segmenter: Segmenter, answer: Answer, images: Images, measured_on: str) -> Agreement:
    """Compare decisions and logits with those of the network, on images or else on random tiles."""
    compared = list(islice(images, MAX_IMAGES))
    if not compared:
        compared, measured_on = list(_random_tiles(len(segmenter.spec.bands), segmenter.spec.tile_px)), RANDOM_TILES
    same, total, largest = 0, 0, 0.0
    for batch in _batches(compared):
        expected, found = segmenter.logits(batch), answer(batch)
        each = segmenter.spec.multilabel or expected.shape[1] == 1
        equal = (expected > 0) == (found > 0) if each else expected.argmax(axis=1) == found.argmax(axis=1)
        same, total = same + int(equal.sum()), total + equal.size
        largest = max(largest, float(np.abs(expected - found).max()))
    return Agreement(same / total, largest, len(compared), measured_on)


def _batches(images: Sequence[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """Stack neighbors of one size, a few at a time."""
    for _, alike in groupby(images, key=np.shape):
        waiting = iter(alike)
        while batch := list(islice(waiting, _BATCH)):
            yield np.stack(batch)
