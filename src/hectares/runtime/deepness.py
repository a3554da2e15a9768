"""The form of a segmenter that Deepness runs, compared with the plain one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hectares.errors import ArtefactError
from hectares.io.segmenter import LEAST_AGREEMENT, StoredSegmenter
from hectares.model.onnx_deepness import PIXELS, tiles_of, to_deepness
from hectares.runtime.fit import Fit
from hectares.runtime.onnx import open_session, run_session

_COARSENESS = (1, 4, 16, 64)
"""Sides of the squares of one value in the images that are compared: busy ones and flat ones."""


def checked_for_deepness(stored: StoredSegmenter, model: bytes) -> tuple[bytes, int]:
    """Give the file and the side of its squares, made from the plain form.

    Raises ArtefactError if the plugin cannot prepare the input, or would decide otherwise on images of random bytes.
    """
    spec = stored.spec
    calibration = stored.calibration or {}
    form = to_deepness(model, spec, temperature=float(calibration.get("temperature") or 1.0))
    side, _ = tiles_of(spec)
    plain, made = open_session(model), open_session(form)
    same = []
    for image in _random_bytes(len(spec.bands), side):
        expected = run_session(plain, spec.scaler.apply(image)[None], Fit(spec.stride or 1, spec.crop))
        [scores] = made.run(None, {PIXELS: (image * 1.0 / 255.0).astype(np.float32)[None]})  # as the plugin divides
        same.append((expected.argmax(axis=1) == scores.argmax(axis=1)).mean())
    if np.mean(same) < LEAST_AGREEMENT:
        raise ArtefactError(f"the form for Deepness agrees with the plain one on {np.mean(same):.3%} of pixels only")
    return form, side


def _random_bytes(bands: int, side: int) -> list[NDArray[np.uint8]]:
    rng, images = np.random.default_rng(0), []
    for block in _COARSENESS:
        few = rng.integers(0, 256, (bands, -(-side // block), -(-side // block)), dtype=np.uint8)
        images.append(few.repeat(block, axis=1).repeat(block, axis=2)[:, :side, :side])
    return images
