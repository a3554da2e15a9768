"""OpenVINO as a runtime, on the processor and without torch."""

from __future__ import annotations

import sys
from collections import OrderedDict
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.core.spec import SegmenterSpec
from hectares.errors import ArtefactError
from hectares.io.segmenter import StoredSegmenter
from hectares.runtime.fit import Fit, is_out_of_memory, processors, too_large

_TELEMETRY, _CONVERTER = "openvino_telemetry", "openvino.tools.ovc"
_HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}
"""How what is no int8 is computed; int8 itself stands in the file."""
_MOST_SHAPES = 4


class OpenvinoRuntime:
    """Runs the exported form of a segmenter in fp32 or bf16, or its form in int8.

    The network is compiled for the shape of a batch: the same shape gives the same code, whatever came before.
    """

    def __init__(self, stored: StoredSegmenter, *, precision: str = "fp32", threads: int | None = None) -> None:
        path = stored.form_file(precision)
        assert stored.spec.stride is not None, "an export is stored together with its stride"
        self._spec, self._fit = stored.spec, Fit(stored.spec.stride, stored.spec.crop)
        self._network = Network(path.read_bytes(), precision=precision, threads=threads)
        self._facts = {"precision": precision, **stored.form_facts("openvino", precision)}

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
        return {"runtime": "openvino", "openvino": self._network.version, "device": "cpu", **self._facts}

    def logits(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, C, H, W), scaled by the spec, to logits (B, K, H, W)."""
        return self._network.run(image, self._fit)


class Network:
    """An ONNX file that OpenVINO has read."""

    def __init__(self, model: bytes, *, precision: str = "fp32", threads: int | None = None) -> None:
        self._engine = import_openvino()
        self._core = self._engine.Core()
        self._settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": "1",
            "INFERENCE_NUM_THREADS": threads or processors(),
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "ENABLE_CPU_PINNING": False,  # worker processes would all take the same processors
        }
        self._compiled: OrderedDict[tuple[int, ...], Any] = OrderedDict()
        try:
            self._model = self._core.read_model(model)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:300]
            raise ArtefactError(f"the ONNX form cannot be opened by openvino {self.version} ({reason})") from error

    @property
    def version(self) -> str:
        """The release that runs it."""
        return str(self._engine.__version__).split("-", maxsplit=1)[0]

    def run(self, image: NDArray[np.float32], fit: Fit) -> NDArray[np.float32]:
        """Run an image of any size (B, C, H, W), padded to fit and cut back, as the network in torch does."""
        height, width = image.shape[-2:]
        padded = fit.put_on(image)
        try:
            logits: NDArray[np.float32] = self._for_shape(padded.shape)([padded])[0]
        except (RuntimeError, MemoryError) as error:
            if is_out_of_memory(error) or isinstance(error, MemoryError):
                raise too_large(image) from error
            raise
        return logits[..., :height, :width]

    def _for_shape(self, shape: tuple[int, ...]) -> Any:  # what OpenVINO compiles has no type of its own
        """Compile for a shape, or give what was compiled; the shape that waits longest makes room."""
        if shape not in self._compiled:
            while len(self._compiled) >= _MOST_SHAPES:
                self._compiled.popitem(last=False)
            model = self._model.clone()
            model.reshape(list(shape))
            self._compiled[shape] = self._core.compile_model(model, "CPU", self._settings)
        self._compiled.move_to_end(shape)
        return self._compiled[shape]


def import_openvino() -> Any:  # a module without types
    """Import openvino without its telemetry, and without its converter until somebody calls it.

    Where the package openvino-telemetry is installed, the import alone would send an event to a server. While
    openvino is imported that package is not to be found, so that openvino takes the stub it has for such a case. The
    converter takes longer to load than all the rest; openvino does without where it is not installed.
    """
    if "openvino" not in sys.modules:
        known = {name: sys.modules.pop(name, None) for name in (_TELEMETRY, _CONVERTER)}
        sys.modules.update(dict.fromkeys(known))  # type: ignore[arg-type]  # documented: an import of None fails
        try:
            openvino = import_module("openvino")
        finally:
            for name, module in known.items():
                del sys.modules[name]
                if module is not None:
                    sys.modules[name] = module
        if not hasattr(openvino, "convert_model"):
            openvino.convert_model = _convert_model  # type: ignore[attr-defined]  # for others in this process
    return import_module("openvino")


def _convert_model(*args: Any, **kwargs: Any) -> Any:  # the signature is that of the converter
    return import_module(_CONVERTER).convert_model(*args, **kwargs)
