"""onnxruntime as a runtime, on the processor and without torch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from hectares.core.spec import SegmenterSpec
from hectares.errors import ArtefactError, ResourceError
from hectares.io.segmenter import StoredSegmenter

_QUIET = 3  # errors only: what it warns about is its own business


class OnnxRuntime:
    """Runs the exported form of a segmenter, in fp32.

    The order of the work is fixed; threads divide outputs and never sums, so that their number changes no bit.
    """

    def __init__(self, stored: StoredSegmenter, *, threads: int | None = None) -> None:
        path = stored.onnx_file()
        assert stored.spec.stride is not None, "an export is stored together with its stride"
        self._spec, self._fit = stored.spec, Fit(stored.spec.stride, stored.spec.crop)
        self._export = stored.onnx
        self._session = open_session(path.read_bytes(), threads=threads)

    @property
    def spec(self) -> SegmenterSpec:
        """What the segmenter expects and means."""
        return self._spec

    @property
    def stride(self) -> int:
        """Tile origins are multiples of this."""
        return self._fit.stride

    @property
    def facts(self) -> dict[str, str]:
        """Name, device, versions and the hash of the exported form, for provenance."""
        assert self._export is not None
        return {
            "runtime": "onnx",
            "onnxruntime": ort.__version__,
            "device": "cpu",
            "precision": "fp32",
            "model_sha256": self._export.sha256,
            "agreement": f"{self._export.agreement:.6f}",
        }

    def logits(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, C, H, W), scaled by the spec, to logits (B, K, H, W)."""
        return run_session(self._session, image, self._fit)


@dataclass(frozen=True, slots=True)
class Fit:
    """What a network wants of the size of its input."""

    stride: int
    """Sides are multiples of this: zeros fill them up, below and to the right."""
    crop: int = 0
    """Pixels that the network cuts off each side: mirrored ones are put there first."""

    def put_on(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Pad (B, C, H, W) of any size.

        >>> Fit(stride=4, crop=1).put_on(np.array([[[[1, 2, 3], [4, 5, 6]]]], np.float32))[0, 0].astype(int).tolist()
        [[5, 4, 5, 6, 5, 0, 0, 0], [2, 1, 2, 3, 2, 0, 0, 0], [5, 4, 5, 6, 5, 0, 0, 0], [2, 1, 2, 3, 2, 0, 0, 0]]
        """
        if self.crop:
            mirror = min(image.shape[-2:]) > self.crop
            sides = ((0, 0), (0, 0), (self.crop, self.crop), (self.crop, self.crop))
            image = np.pad(image, sides, mode="reflect" if mirror else "edge")
        below, right = (-side % self.stride for side in image.shape[-2:])
        if below or right:
            image = np.pad(image, ((0, 0), (0, 0), (0, below), (0, right)))
        return np.ascontiguousarray(image)


def open_session(model: bytes, *, threads: int | None = None) -> ort.InferenceSession:
    """Open the bytes of an ONNX file; by default as many threads as processors that this process may use.

    The arena stays on: without it, and with freed memory kept by the process, the peak of a U-Net on 4 x 256 px was
    640 to 820 MiB instead of 260. Waiting threads sleep, so that they take no time from those that read and write.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or _processors()
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.enable_cpu_mem_arena = True
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = _QUIET
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # onnxruntime raises classes of its own that share no parent but this one
        reason = " ".join(str(error).split())[:300]
        raise ArtefactError(f"the ONNX form cannot be opened by onnxruntime {ort.__version__} ({reason})") from error


def run_session(session: ort.InferenceSession, image: NDArray[np.float32], fit: Fit) -> NDArray[np.float32]:
    """Run an image of any size (B, C, H, W), padded to fit and cut back, as the network in torch does."""
    height, width = image.shape[-2:]
    try:
        [logits] = session.run(None, {session.get_inputs()[0].name: fit.put_on(image)})
    except Exception as error:
        if _is_out_of_memory(error):
            raise ResourceError(
                f"memory is not enough for {image.shape[0]} tile(s) of {height} x {width} px; "
                "use a smaller --batch or --tile-px"
            ) from error
        raise
    result: NDArray[np.float32] = logits[..., :height, :width]
    return result


def _is_out_of_memory(error: Exception) -> bool:
    text = str(error).lower()
    return "allocate" in text or "bad_alloc" in text or "out of memory" in text


def _processors() -> int:
    available: Any = getattr(os, "sched_getaffinity", None)  # not on every system
    return len(available(0)) if available is not None else os.cpu_count() or 1
