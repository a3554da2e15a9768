"""onnxruntime as a runtime, on the processor and without torch."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from hectares.core.spec import SegmenterSpec
from hectares.errors import ArtefactError
from hectares.io.segmenter import StoredSegmenter
from hectares.runtime.fit import Fit, is_out_of_memory, processors, too_large

_QUIET = 3  # errors only: what it warns about is its own business


class OnnxRuntime:
    """Runs the exported form of a segmenter, in fp32, or its form in int8.

    The order of the work is fixed; threads divide outputs and never sums, so that their number changes no bit.
    """

    def __init__(self, stored: StoredSegmenter, *, precision: str = "fp32", threads: int | None = None) -> None:
        path = stored.form_file(precision)
        assert stored.spec.stride is not None, "an export is stored together with its stride"
        self._spec, self._fit = stored.spec, Fit(stored.spec.stride, stored.spec.crop)
        self._facts = {"precision": precision, **stored.form_facts("onnx", precision)}
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
        """Name, device, versions, and hash and agreement of the exported form, for provenance."""
        return {"runtime": "onnx", "onnxruntime": ort.__version__, "device": "cpu", **self._facts}

    def logits(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, C, H, W), scaled by the spec, to logits (B, K, H, W)."""
        return run_session(self._session, image, self._fit)


def open_session(model: bytes, *, threads: int | None = None) -> ort.InferenceSession:
    """Open the bytes of an ONNX file; by default as many threads as processors that this process may use.

    The arena stays on: without it, and with freed memory kept by the process, the peak of a U-Net on 4 x 256 px was
    640 to 820 MiB instead of 260. Waiting threads sleep, so that they take no time from those that read and write.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or processors()
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
        if is_out_of_memory(error):
            raise too_large(image) from error
        raise
    result: NDArray[np.float32] = logits[..., :height, :width]
    return result
