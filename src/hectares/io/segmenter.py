"""The segmenter as files: `segmenter.json` beside `weights.safetensors`, each with its SHA-256. No pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from hectares.core.spec import SegmenterSpec
from hectares.errors import ArtefactError
from hectares.io.artefact import dump_json, fingerprint, read_artefact, sha256_file
from hectares.io.outputs import work_path

KIND = "segmenter"
SPEC_FILE = "segmenter.json"
WEIGHTS_FILE = "weights.safetensors"


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

    def weights(self) -> dict[str, NDArray[np.generic]]:
        """Read the weights. Raises ArtefactError if they are not those that were saved."""
        path = self.folder / WEIGHTS_FILE
        if not path.is_file():
            raise ArtefactError(f"{path}: is missing; the segmenter is not complete")
        if sha256_file(path) != self.content["weights_sha256"]:
            raise ArtefactError(f"{path}: is damaged (its SHA-256 differs from {SPEC_FILE}); restore it from a copy")
        try:
            return load_file(path)
        except SafetensorError as error:
            raise ArtefactError(f"{path}: is no safetensors file ({error})") from error


def save_segmenter(
    folder: Path, spec: SegmenterSpec, weights: Mapping[str, NDArray[np.generic]], head: Mapping[str, Any]
) -> None:
    """Write a segmenter into an existing folder; `head` comes from `artefact.stamp`.

    The same spec and weights give the same bytes: the weights file carries no metadata, whose order varies.
    """
    (folder / WEIGHTS_FILE).write_bytes(save(dict(sorted(weights.items()))))
    content = {**head, "spec": spec.to_json(), "weights_sha256": sha256_file(folder / WEIGHTS_FILE)}
    content["content_sha256"] = fingerprint(content)
    (folder / SPEC_FILE).write_text(dump_json(content, indent=1) + "\n", encoding="utf-8")


def find_segmenter(path: str | Path) -> StoredSegmenter:
    """Open the segmenter of a RUN or a bare segmenter folder. Raises ArtefactError if there is none."""
    path = Path(path)
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
        return StoredSegmenter(file.parent, SegmenterSpec.from_json(content["spec"]), content)
    except (KeyError, TypeError) as error:
        raise ArtefactError(f"{file}: lacks {error}; restore it from a copy") from error
