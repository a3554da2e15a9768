"""A network in int8: ranges and moments from calibration images, weights rounded, and what that does to its answers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process

from hectares.errors import ArtefactError
from hectares.model.onnx_convs import (
    GraphConvolution,
    read_convolutions,
    with_biases,
    with_metadata_of,
    with_outputs,
    with_tensors,
)
from hectares.model.onnx_graph import IMAGE
from hectares.runtime.fit import Fit
from hectares.runtime.onnx import open_session
from hectares.runtime.rounding import Moments, parts_of, round_weights, steps_of

Image = NDArray[np.float32]
Told = Callable[[int, int], None]
"""Steps done, of how many."""

OPERATORS = ["Conv", "Clip", "Relu", "Add", "Concat", "Resize", "MaxPool"]
"""Convolutions, and what can stay in int8 between them."""
_PLACES = 384
"""Of each image, where it is looked at what a kernel sees."""
_MOST_VALUES = 1152
"""Values of a kernel that make up for each other; larger kernels are rounded in parts."""


def quantize_network(model: bytes, images: Sequence[Image], fit: Fit, *, threads: int | None, told: Told) -> bytes:
    """Give an ONNX file in int8, with the metadata of the one in fp32; the same input gives the same bytes.

    Activations have 256 steps between the least and the largest value that the images gave, weights 255 steps for
    each output. Weights are rounded so that the outputs change least, and what is left of the mean of that change
    goes into the bias. Raises ArtefactError if the network has nothing to quantize, or no form in int8.
    """
    padded = [fit.put_on(image[None]) for image in images]
    with tempfile.TemporaryDirectory(prefix="hectares-") as folder:
        try:
            plain = with_biases(_prepared(model, Path(folder)))
            convolutions = read_convolutions(plain)
            if not convolutions:
                raise ArtefactError("the network has no convolution that could be quantized")
            total = 2 * len(padded) + len(convolutions)
            moments = _moments(plain, convolutions, padded, threads, lambda done: told(done, total))
            rounded, steps = _round(plain, convolutions, moments, lambda done: told(len(padded) + done, total))
            reader = _Reader(padded, lambda done: told(len(padded) + len(convolutions) + done, total))
            return with_metadata_of(_quantized(rounded, steps, reader, Path(folder)), model)
        except (ValueError, RuntimeError, NotImplementedError) as error:
            raise ArtefactError(f"the network has no form in int8 ({' '.join(str(error).split())[:300]})") from error


def _prepared(model: bytes, folder: Path) -> bytes:
    """Fold constants and fuse what can be fused, so that convolutions stand alone."""
    source, target = folder / "source.onnx", folder / "prepared.onnx"
    source.write_bytes(model)
    quant_pre_process(source, target, skip_symbolic_shape=True)
    return target.read_bytes()


def _moments(
    model: bytes,
    convolutions: Sequence[GraphConvolution],
    images: Sequence[Image],
    threads: int | None,
    told: Callable[[int], None],
) -> list[Moments]:
    """Give the moments of what each kernel sees of the images, (1, C, h, w) each."""
    found = []
    for convolution in convolutions:
        values = int(np.prod(convolution.weights.shape[1:]))
        parts = parts_of(values, most=_MOST_VALUES)
        found.append(Moments.empty(convolution.groups * parts, values // parts))
    names = list(dict.fromkeys(c.input_name for c in convolutions if c.input_name != IMAGE))
    session = open_session(with_outputs(model, names), threads=threads)
    for number, image in enumerate(images, start=1):
        inside = {IMAGE: image, **dict(zip(names, session.run(names, {IMAGE: image}), strict=True))} if names else {}
        for convolution, moments in zip(convolutions, found, strict=True):
            seen = convolution.seen(inside.get(convolution.input_name, image)[0], most=_PLACES)
            groups, values = moments.first.shape
            places = seen.shape[1]
            parts = groups // convolution.groups
            split = seen.reshape(convolution.groups, places, parts, values).transpose(0, 2, 1, 3)
            moments.add(split.reshape(groups, places, values))
        told(number)
    return found


def _round(
    model: bytes, convolutions: Sequence[GraphConvolution], moments: Sequence[Moments], told: Callable[[int], None]
) -> tuple[bytes, dict[str, NDArray[np.float32]]]:
    """Give the graph with weights that are whole steps and biases that fit them, and the steps by name of weights."""
    tensors: dict[str, NDArray[np.float32]] = {}
    steps: dict[str, NDArray[np.float32]] = {}
    for number, (convolution, found) in enumerate(zip(convolutions, moments, strict=True), start=1):
        outputs = len(convolution.weights)
        # the steps are those of the file, in float32
        size = steps_of(convolution.weights.reshape(outputs, -1), convolution.bias)
        size = size.astype(np.float32).astype(np.float64)
        groups, values = found.first.shape
        parts = groups // convolution.groups
        each = outputs // convolution.groups
        whole = convolution.weights.astype(np.float64).reshape(convolution.groups, each, parts, values)
        weights = whole.transpose(0, 2, 1, 3).reshape(groups, each, values)
        by_group = np.repeat(size.reshape(convolution.groups, each), parts, axis=0)
        rounded = round_weights(weights, found.covariance, by_group) * by_group[:, :, None]
        shift = np.einsum("gov,gv->go", rounded - weights, found.mean)
        shift = shift.reshape(convolution.groups, parts, each).sum(axis=1).reshape(-1)
        back = rounded.reshape(convolution.groups, parts, each, values).transpose(0, 2, 1, 3)
        tensors[convolution.weight_name] = back.reshape(convolution.weights.shape).astype(np.float32)
        tensors[convolution.bias_name] = (convolution.bias - shift).astype(np.float32)
        steps[convolution.weight_name] = size.astype(np.float32)
        told(number)
    return with_tensors(model, tensors), steps


def _quantized(model: bytes, steps: Mapping[str, NDArray[np.float32]], reader: _Reader, folder: Path) -> bytes:
    source, target = folder / "rounded.onnx", folder / "int8.onnx"
    source.write_bytes(model)
    quantization.quantize_static(
        source,
        target,
        reader,
        quant_format=quantization.QuantFormat.QDQ,
        op_types_to_quantize=OPERATORS,
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        extra_options={"TensorQuantOverrides": {name: _override(size) for name, size in steps.items()}},
    )
    return target.read_bytes()


def _override(steps: NDArray[np.float32]) -> list[dict[str, Any]]:
    """Give the steps of the weights of each output as onnxruntime takes them."""
    kind = quantization.QuantType.QInt8
    channels: list[dict[str, Any]] = [{"quant_type": kind, "scale": s, "zero_point": np.int8(0)} for s in steps]
    channels[0]["axis"] = 0
    return channels


class _Reader(quantization.CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """Gives calibration images one by one."""

    def __init__(self, images: Sequence[Image], told: Callable[[int], None]) -> None:
        self._images: Iterator[tuple[int, Image]] = enumerate(images)
        self._told = told

    def get_next(self) -> dict[str, Image] | None:
        """Give the next image by the name of the input; None after the last."""
        number, image = next(self._images, (0, None))
        if image is None:
            return None
        self._told(number + 1)
        return {IMAGE: image}
