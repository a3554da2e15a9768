"""The convolutions of an ONNX graph: their weights read and replaced, and what goes into them brought out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from onnx import numpy_helper

FloatArray = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class GraphConvolution:
    """One convolution over two axes whose weights are its own."""

    input_name: str
    weight_name: str
    bias_name: str
    weights: FloatArray
    """(out, in / groups, rows, cols)."""
    bias: FloatArray
    groups: int
    strides: tuple[int, int]
    dilations: tuple[int, int]
    pads: tuple[int, int, int, int]
    """Above, left, below, right."""

    def seen(self, image: FloatArray, *, most: int) -> NDArray[np.float32]:
        """Give what the kernel sees of (C, H, W) at up to about `most` places spread evenly, (groups, places, values).

        Values come in the order of the weights of one output.
        """
        above, left, below, right = self.pads
        padded = np.pad(image, ((0, 0), (above, below), (left, right)))
        size = [(n - 1) * d + 1 for n, d in zip(self.weights.shape[2:], self.dilations, strict=True)]
        (down, across), (rows, cols) = self.strides, self.dilations
        views = sliding_window_view(padded, size, axis=(1, 2))[:, ::down, ::across, ::rows, ::cols]
        step = max(1, int(np.ceil(np.sqrt(views.shape[1] * views.shape[2] / most))))
        views = views[:, step // 2 :: step, step // 2 :: step] if min(views.shape[1:3]) > step // 2 else views
        places = views.shape[1] * views.shape[2]
        return views.transpose(1, 2, 0, 3, 4).reshape(places, self.groups, -1).transpose(1, 0, 2).astype(np.float32)


def read_convolutions(model: bytes) -> list[GraphConvolution]:
    """Give the convolutions of a graph that can be rounded one by one, in order.

    Left out are those over one or three axes, with weights that are computed or shared, or padded by a rule.
    """
    graph = onnx.load_model_from_string(model).graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    users = Counter(name for node in graph.node for name in node.input)
    found: list[GraphConvolution] = []
    for node in graph.node:
        if node.op_type != "Conv" or len(node.input) != 3 or any(users[n] > 1 for n in node.input[1:]):
            continue
        options = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if any(n not in stored for n in node.input[1:]) or options.get("auto_pad", b"NOTSET") != b"NOTSET":
            continue
        weights, bias = (numpy_helper.to_array(stored[n]) for n in node.input[1:])
        if weights.ndim == 4 and weights.dtype == np.float32:
            found.append(
                GraphConvolution(
                    node.input[0],
                    node.input[1],
                    node.input[2],
                    weights,
                    bias,
                    int(options.get("group", 1)),
                    tuple(options.get("strides", (1, 1))),
                    tuple(options.get("dilations", (1, 1))),
                    tuple(options.get("pads", (0, 0, 0, 0))),
                )
            )
    return found


def with_biases(model: bytes) -> bytes:
    """Give every convolution a bias, of zeros where it had none."""
    loaded = onnx.load_model_from_string(model)
    stored = {tensor.name: tensor for tensor in loaded.graph.initializer}
    for number, node in enumerate(loaded.graph.node):
        if node.op_type == "Conv" and len(node.input) == 2 and node.input[1] in stored:
            name = f"bias_of_convolution_{number}"
            zeros = np.zeros(stored[node.input[1]].dims[0], np.float32)
            loaded.graph.initializer.append(numpy_helper.from_array(zeros, name))
            node.input.append(name)
    return bytes(loaded.SerializeToString(deterministic=True))


def with_tensors(model: bytes, values: Mapping[str, FloatArray]) -> bytes:
    """Replace stored tensors by others of the same shape."""
    loaded = onnx.load_model_from_string(model)
    for tensor in loaded.graph.initializer:
        if tensor.name in values:
            tensor.CopyFrom(numpy_helper.from_array(values[tensor.name].astype(np.float32), tensor.name))
    return bytes(loaded.SerializeToString(deterministic=True))


def with_outputs(model: bytes, names: Iterable[str]) -> bytes:
    """Give out tensors inside the graph as well; what goes into it is no output."""
    loaded = onnx.load_model_from_string(model)
    known = {value.name for value in [*loaded.graph.output, *loaded.graph.input]}
    for name in dict.fromkeys(names):
        if name not in known:
            loaded.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    return bytes(loaded.SerializeToString(deterministic=True))


def with_metadata_of(model: bytes, other: bytes) -> bytes:
    """Give a graph the metadata of another, and a check."""
    loaded, source = onnx.load_model_from_string(model), onnx.load_model_from_string(other)
    entries = {entry.key: entry.value for entry in source.metadata_props}
    del loaded.metadata_props[:]
    onnx.helper.set_model_props(loaded, dict(sorted(entries.items())))
    loaded.producer_name, loaded.producer_version = source.producer_name, source.producer_version
    onnx.checker.check_model(loaded)
    return bytes(loaded.SerializeToString(deterministic=True))
