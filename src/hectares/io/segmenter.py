"""The segmenter as files, each with its SHA-256, and no pickle.

    segmenter.json          spec, provenance, hashes, how well the exported form agrees, calibration
    weights.safetensors     parameters and running statistics
    model.onnx              the same network for onnxruntime, if it was exported

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
LEAST_AGREEMENT = 0.999
"""Share of pixels on which an exported form must answer as the network does, before it is taken unasked."""


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

    def onnx_file(self) -> Path:
        """Give the ONNX file. Raises ArtefactError if there is none, or not the one that was checked."""
        if self.onnx is None:
            way_out = f"make one with `hectares export {self.folder} {self.folder / ONNX_FILE}`, or use --runtime torch"
            raise ArtefactError(f"{self.folder}: holds no {ONNX_FILE}; {way_out}")
        return _intact(self.folder / ONNX_FILE, self.onnx.sha256)


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
        _ = stored.onnx, stored.sha256  # makes a record of another version speak up here
    except (KeyError, TypeError) as error:
        raise ArtefactError(f"{file}: lacks {error}; restore it from a copy") from error
    return stored
