"""A network as an ONNX graph: any batch, any size that is a multiple of the stride."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from copy import deepcopy
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from hectares.errors import ArtefactError
from hectares.model.networks.zoo import AnySize

OPSET = 18
IMAGE, LOGITS = "image", "logits"
_AXES = {0: "batch", 2: "height", 3: "width"}
_CROPPED = {0: "batch", 2: "cropped_height", 3: "cropped_width"}


def to_onnx(network: AnySize, *, bands: int, metadata: Mapping[str, str]) -> bytes:
    """Give the bytes of a checked ONNX file; the same network in the same release of torch gives the same ones.

    Takes `image` (batch, bands, height, width) float32, scaled, with sides that are multiples of `network.stride`,
    and gives `logits` (batch, classes, height - 2 crop, width - 2 crop): what AnySize does around the network is
    left to the caller. Raises ArtefactError saying what has no ONNX form.

    The exporter that traces is used: measured on a U-Net with MobileNetV2, it takes 1 s where the one that works
    out symbolic shapes takes 30 s and more, and it fuses normalization into convolutions just as well.
    """
    copy = deepcopy(network.network).cpu().to(memory_format=torch.contiguous_format).eval()
    sides = (3 * network.stride, 4 * network.stride)  # not square, so that no side is taken for the other
    file = io.BytesIO()
    try:
        with warnings.catch_warnings(), _silence(), _TraceablePooling():
            warnings.simplefilter("ignore")  # about shapes that tracing takes for constants: sizes are compared later
            torch.onnx.export(
                copy,
                (torch.zeros(2, bands, *sides),),
                file,  # type: ignore[arg-type]  # it writes to any binary file
                dynamo=False,
                input_names=[IMAGE],
                output_names=[LOGITS],
                dynamic_axes={IMAGE: _AXES, LOGITS: _CROPPED if network.crop else _AXES},
                opset_version=OPSET,
            )
        return _finish(onnx.load_model_from_string(file.getvalue()), metadata)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise ArtefactError(f"the network has no ONNX form ({type(error).__name__}: {reason})") from error


def _finish(model: onnx.ModelProto, metadata: Mapping[str, str]) -> bytes:
    """Take out what the machine left in it, put in what the user needs, and check it."""
    for node in model.graph.node:
        node.doc_string = ""
    model.doc_string = model.graph.doc_string = ""
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, dict(sorted(metadata.items())))
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


@contextmanager
def _silence() -> Iterator[None]:
    """Keep the thousands of lines that the exporter writes about a graph it cannot make off standard output."""
    said = io.StringIO()
    sys.stdout.flush()
    with redirect_stdout(said), redirect_stderr(said):
        try:
            kept = os.dup(1)
        except OSError:  # a process without one
            yield
            return
        try:  # the lines come from below Python
            with Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), 1)
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)


class _TraceablePooling(TorchFunctionMode):
    """Within it, adaptive average pooling is two matrix products: ONNX has no operator for it at any size.

    >>> image = torch.rand(1, 2, 7, 5)
    >>> expected = torch.nn.functional.adaptive_avg_pool2d(image, (3, 2))
    >>> with _TraceablePooling():
    ...     torch.allclose(torch.nn.functional.adaptive_avg_pool2d(image, (3, 2)), expected)
    True
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:  # what torch passes on is of any kind
        """Take the place of one function, and leave all others alone."""
        del types
        options = kwargs or {}
        if func is functional.adaptive_avg_pool2d:
            return _pool(*args, **options)
        if func is functional.interpolate and options.get("mode") == "area" and options.get("size") is not None:
            return _pool(args[0], options["size"])  # another name for the same
        return func(*args, **options)


def _pool(image: Tensor, output_size: int | tuple[int, int]) -> Tensor:
    """(B, C, H, W) to (B, C, rows, cols)."""
    rows, cols = (output_size, output_size) if isinstance(output_size, int) else output_size
    if (rows, cols) == (1, 1):
        return image.mean(dim=(2, 3), keepdim=True)
    by_row, by_col = (_bins(image.shape[2 + axis], count, image.device) for axis, count in enumerate((rows, cols)))
    return by_row @ image @ by_col.transpose(0, 1)


def _bins(size: int, count: int, device: torch.device) -> Tensor:
    """Give the weight (count, size) of each pixel in each bin; bin i holds the pixels it touches."""
    pixel = torch.arange(size, device=device)
    number = torch.arange(count, device=device)[:, None]
    inside = ((pixel + 1) * count > number * size) & (pixel * count < (number + 1) * size)
    weights = inside.to(torch.float32)
    return weights / weights.sum(dim=1, keepdim=True)
