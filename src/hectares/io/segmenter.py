"""The segmenter as files, each with its SHA-256, and no pickle.

    segmenter.json          spec, provenance, hashes, how well the exported form agrees, calibration
    weights.safetensors     parameters and running statistics
    model.onnx              the same network for onnxruntime and OpenVINO, if it was exported
    model.int8.onnx         the same in numbers of 8 bits, if `hectares quantize` made it

A RUN holds such a folder as `segmenter`; `builtin:NAME` is one that ships with the package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from hectares.core.spec import SegmenterSpec
from hectares.errors import ArtefactError
from hectares.io.artefact import dump_json, fingerprint, read_artefact, sha256_file
from hectares.io.builtin import locate
from hectares.io.outputs import commit_file, work_path

KIND = "segmenter"
SPEC_FILE = "segmenter.json"
WEIGHTS_FILE = "weights.safetensors"
ONNX_FILE = "model.onnx"
INT8_FILE = "model.int8.onnx"
LEAST_AGREEMENT = 0.999
"""Share of pixels on which an exported form must answer as the network does, before it is taken unasked."""
MOST_IOU_LOST = 0.003
"""Mean IoU that a form in int8 may lose on any split before it is no longer taken unasked."""

Scores = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class OnnxExport:
    """An ONNX file, and how well it agrees with the network it was made from."""

    sha256: str
    bytes: int
    opset: int
    agreement: float
    """Share of the pixels whose decision is the same."""
    max_difference: float
    """Largest absolute difference of two logits."""
    chips: int
    """How many images were compared."""
    measured_on: str
    """What these were: chips, or random tiles."""

    @property
    def is_checked(self) -> bool:
        """True if it agrees well enough to stand for the network.

        >>> OnnxExport("ab12", 9, 18, agreement=0.9989, max_difference=0.1, chips=8, measured_on="chips").is_checked
        False
        """
        return self.agreement >= LEAST_AGREEMENT


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well a runtime agrees, in some precision, with the network in fp32."""

    agreement: float
    """Share of the pixels whose decision is the same."""
    max_difference: float
    chips: int
    measured_on: str

    @property
    def is_enough(self) -> bool:
        """True if it may stand for the network."""
        return self.agreement >= LEAST_AGREEMENT


@dataclass(frozen=True, slots=True)
class Int8Export:
    """An ONNX file in int8, and what it does to decisions and scores."""

    sha256: str
    bytes: int
    calibrated_on: Mapping[str, Any]
    """Fingerprint of the chips, split, and how many of them."""
    measured: Mapping[str, Mapping[str, Scores]]
    """For each runtime and split: chips, agreement, miou and fp32_miou."""
    agreement: float
    """The lowest of all that were measured."""
    miou_change: float
    """Of the runtime and split that loses most."""

    @classmethod
    def of(
        cls, sha256: str, size: int, calibrated_on: Mapping[str, Any], measured: Mapping[str, Mapping[str, Scores]]
    ) -> Int8Export:
        """Describe a file of so many bytes.

        >>> one = {"chips": 9, "agreement": 0.9995, "miou": 0.702, "fp32_miou": 0.704}
        >>> [Int8Export.of("ab", 9, {}, {"onnx": {"val": one | {"miou": m}}}).is_enough("onnx") for m in (0.702, 0.7)]
        [True, False]
        """
        splits = [split for found in measured.values() for split in found.values()]
        lowest = min(split["agreement"] for split in splits)
        change = min(split["miou"] - split["fp32_miou"] for split in splits)
        return cls(sha256, size, calibrated_on, measured, lowest, change)

    def of_runtime(self, name: str) -> tuple[float, float] | None:
        """Give the lowest agreement and the worst change of mean IoU in a runtime; None if it was not measured."""
        splits = list(self.measured.get(name, {}).values())
        if not splits:
            return None
        return min(s["agreement"] for s in splits), min(s["miou"] - s["fp32_miou"] for s in splits)

    def is_enough(self, name: str) -> bool:
        """Tell if a runtime may take it unasked."""
        found = self.of_runtime(name)
        return found is not None and found[0] >= LEAST_AGREEMENT and found[1] >= -MOST_IOU_LOST


@dataclass(frozen=True)
class StoredSegmenter:
    """A segmenter on disk, checked."""

    folder: Path
    spec: SegmenterSpec
    content: Mapping[str, Any]
    """All of `segmenter.json`."""

    @property
    def sha256(self) -> str:
        """Fingerprint of spec and weights together."""
        return fingerprint({"spec": self.content["spec"], "weights": self.content["weights_sha256"]})

    @property
    def onnx(self) -> OnnxExport | None:
        """What is known about `model.onnx`; None if there is none."""
        record = self.content.get("exports", {}).get("onnx")
        return None if record is None else OnnxExport(**record)

    @property
    def int8(self) -> Int8Export | None:
        """What is known about `model.int8.onnx`; None if there is none."""
        record = self.content.get("exports", {}).get("int8")
        return None if record is None else Int8Export(**record)

    def agreement(self, runtime: str, precision: str) -> float | None:
        """Give the share of decisions that are those of the network in fp32; None if it was not measured."""
        if precision == "int8":
            found = None if self.int8 is None else self.int8.of_runtime(runtime)
            return None if found is None else found[0]
        if (runtime, precision) == ("onnx", "fp32"):
            return None if self.onnx is None else self.onnx.agreement
        record = self.content.get("agreements", {}).get(f"{runtime} {precision}")
        return None if record is None else Agreement(**record).agreement

    @property
    def calibration(self) -> Mapping[str, Any] | None:
        """How sure the scores may be taken: `temperature` and what it was measured by; None if it was not."""
        found: Mapping[str, Any] | None = self.content.get("calibration")
        return found

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be done when training ended."""
        return tuple(self.content.get("problems", ()))

    def weights(self) -> dict[str, NDArray[np.generic]]:
        """Read the weights. Raises ArtefactError if they are not those that were saved."""
        path = _intact(self.folder / WEIGHTS_FILE, self.content["weights_sha256"])
        try:
            return load_file(path)
        except SafetensorError as error:
            raise ArtefactError(f"{path}: is no safetensors file ({error})") from error

    def verify(self) -> None:
        """Compare every file with its hash. Raises ArtefactError for the first that is not what was saved."""
        self.weights()
        if self.onnx is not None:
            self.onnx_file()
        if self.int8 is not None:
            self.form_file("int8")

    def onnx_file(self) -> Path:
        """Give the ONNX file. Raises ArtefactError if there is none, or not the one that was checked."""
        if self.onnx is None:
            way_out = f"make one with `hectares export {self.folder} {self.folder / ONNX_FILE}`, or use --runtime torch"
            raise ArtefactError(f"{self.folder}: holds no {ONNX_FILE}; {way_out}")
        return _intact(self.folder / ONNX_FILE, self.onnx.sha256)

    def form_file(self, precision: str) -> Path:
        """Give the ONNX file that holds the network in this precision. Raises ArtefactError if there is none."""
        if precision != "int8":
            return self.onnx_file()
        if self.int8 is None:
            raise ArtefactError(
                f"{self.folder}: holds no {INT8_FILE}; make one with `hectares quantize RUN CHIPS`, "
                "or leave --precision out"
            )
        return _intact(self.folder / INT8_FILE, self.int8.sha256)

    def form_facts(self, runtime: str, precision: str) -> dict[str, str]:
        """Give the hash of an exported form and what was measured of it, for provenance."""
        found, agreement = self.int8 if precision == "int8" else self.onnx, self.agreement(runtime, precision)
        facts = {} if found is None else {"model_sha256": found.sha256}
        if agreement is not None:
            facts["agreement"] = f"{agreement:.6f}"
        measured = self.int8.of_runtime(runtime) if precision == "int8" and self.int8 is not None else None
        return facts if measured is None else facts | {"miou_change": f"{measured[1]:+.6f}"}


def _intact(path: Path, sha256: str) -> Path:
    if not path.is_file():
        raise ArtefactError(f"{path}: is missing; the segmenter is not complete")
    if sha256_file(path) != sha256:
        raise ArtefactError(f"{path}: is damaged (its SHA-256 differs from {SPEC_FILE}); restore it from a copy")
    return path


# --- Writing ----------------------------------------------------------------------------------------------


def save_segmenter(
    folder: Path, spec: SegmenterSpec, weights: Mapping[str, NDArray[np.generic]], head: Mapping[str, Any]
) -> None:
    """Write a segmenter into an existing folder; `head` comes from `artefact.stamp`.

    The same spec and weights give the same bytes: the weights file carries no metadata, whose order varies.
    """
    (folder / WEIGHTS_FILE).write_bytes(save(dict(sorted(weights.items()))))
    content = {**head, "spec": spec.to_json(), "weights_sha256": sha256_file(folder / WEIGHTS_FILE)}
    _save_content(folder, content)


def amend_segmenter(
    stored: StoredSegmenter,
    *,
    spec: SegmenterSpec | None = None,
    onnx: tuple[bytes, OnnxExport] | None = None,
    int8: tuple[bytes, Int8Export] | None = None,
    agreements: Mapping[str, Agreement] | None = None,
    calibration: Mapping[str, Any] | None = None,
    problems: tuple[str, ...] = (),
) -> StoredSegmenter:
    """Write what was made and measured after training into the folder; what is not given stays as it is.

    A segmenter that is stopped in between still opens: the record is written last, and only names what is there.
    """
    content = {k: v for k, v in stored.content.items() if k != "content_sha256"}
    if spec is not None:
        content["spec"] = spec.to_json()
    if onnx is not None:
        model, record = onnx
        _replace(stored.folder / ONNX_FILE, model)
        content["exports"] = {**content.get("exports", {}), "onnx": asdict(record)}
    if int8 is not None:
        quantized, found = int8
        _replace(stored.folder / INT8_FILE, quantized)
        content["exports"] = {**content.get("exports", {}), "int8": asdict(found)}
    if agreements:
        told = {name: asdict(agreement) for name, agreement in agreements.items()}
        content["agreements"] = {**content.get("agreements", {}), **told}
    if calibration is not None:
        content["calibration"] = dict(calibration)
    if problems:
        content["problems"] = [*stored.problems, *problems]
    _save_content(stored.folder, content)
    return find_segmenter(stored.folder)


def _save_content(folder: Path, content: dict[str, Any]) -> None:
    content["content_sha256"] = fingerprint(content)
    _replace(folder / SPEC_FILE, (dump_json(content, indent=1) + "\n").encode())


def _replace(target: Path, content: bytes) -> None:
    work = work_path(target)
    work.write_bytes(content)
    commit_file(work, target)


# --- Reading ----------------------------------------------------------------------------------------------


def find_segmenter(path: str | Path) -> StoredSegmenter:
    """Open the segmenter of a RUN, a bare segmenter folder, or `builtin:NAME`.

    Raises ArtefactError if there is none, or if it was changed.
    """
    path = locate(path)
    candidates = [path / SPEC_FILE, path / "segmenter" / SPEC_FILE]
    for file in candidates:
        if file.is_file():
            break
    else:
        unfinished = (work_path(path.resolve()) / "run.json").is_file()
        hint = "training has not finished: run the same `hectares train` command again"
        raise ArtefactError(f"{path}: has no {SPEC_FILE}; {hint if unfinished else 'expected a run or a segmenter'}")
    content = read_artefact(file, KIND)
    try:
        if fingerprint({k: v for k, v in content.items() if k != "content_sha256"}) != content["content_sha256"]:
            raise ArtefactError(f"{file}: was changed after it was saved (its SHA-256 differs); restore it from a copy")
        stored = StoredSegmenter(file.parent, SegmenterSpec.from_json(content["spec"]), content)
        _ = stored.onnx, stored.int8, stored.sha256  # makes a record of another version speak up here
    except (KeyError, TypeError) as error:
        raise ArtefactError(f"{file}: lacks {error}; restore it from a copy") from error
    return stored
