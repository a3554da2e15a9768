"""Segmenter to one ONNX file that other tools can run: the network, and in its metadata all that it expects.

OUT.onnx         the network, checked
OUT.stac.json    the same for catalogs: a STAC item of the Machine Learning Model extension
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hectares.config.export import ExportConfig
from hectares.errors import ArtefactError, MissingExtraError
from hectares.io.artefact import dump_json
from hectares.io.builtin import is_builtin
from hectares.io.chips.store import open_chips
from hectares.io.outputs import check_target, resolve, staged_files
from hectares.io.segmenter import (
    LEAST_AGREEMENT,
    ONNX_FILE,
    OnnxExport,
    StoredSegmenter,
    amend_segmenter,
    find_segmenter,
)
from hectares.io.stac import SUFFIX
from hectares.io.stac_model import model_item
from hectares.monitor import QUIET, Monitor, Problem


@dataclass(frozen=True, slots=True)
class Exported:
    """A file that was written, and how well it agrees with the network."""

    file: Path
    record: OnnxExport


def export_segmenter(
    run: str | Path,
    out: str | Path,
    config: ExportConfig = ExportConfig(),  # noqa: B008 - a frozen value
    *,
    overwrite: bool = False,
    monitor: Monitor = QUIET,
) -> Exported:
    """Write the ONNX form of a segmenter, compared with the network on chips or random tiles.

    A segmenter that holds its ONNX form already gives a copy of it, unless chips to compare on are given; that
    needs no torch. Written to `model.onnx` in the segmenter's own folder, the form becomes part of the segmenter,
    and `predict` takes it. Raises ArtefactError if the network has no ONNX form, or the tool cannot run it.
    """
    stored, target = find_segmenter(run), resolve(out)
    own = target == (stored.folder / ONNX_FILE).resolve()
    _refuse(run, target, config, own=own)
    for path in (target, _item_path(target)):
        check_target(path, overwrite=overwrite, inputs=() if own else stored.folder.iterdir())
    if stored.onnx is not None and config.chips is None and not own:
        model, record = stored.onnx_file().read_bytes(), stored.onnx
    else:
        stored, model, record = _export(stored, config)
    if not record.is_checked:
        what = f"agrees with the network on {record.agreement:.3%} of pixels, less than {LEAST_AGREEMENT:.1%}"
        monitor.problem(Problem(str(target), what, "compare it on chips of your own with --chips"))
    if own:
        amend_segmenter(stored, spec=stored.spec, onnx=(model, record))
        return Exported(target, record)
    side = None
    if config.tool == "deepness":
        model, side = _for_deepness(stored, model)
        record = replace(record, sha256=hashlib.sha256(model).hexdigest(), bytes=len(model))
    facts, settings = stored.content.get("facts", {}), stored.content.get("config", {})
    file = target.name, record.sha256, record.bytes
    item = model_item(target.stem, stored.spec, file, facts=facts, settings=settings, deepness_px=side)
    with staged_files([target, _item_path(target)], overwrite=overwrite) as works:
        works[0].write_bytes(model)
        works[1].write_text(dump_json(item), encoding="utf-8")
    return Exported(target, record)


def _item_path(target: Path) -> Path:
    return target.with_name(target.stem + SUFFIX)


def _refuse(run: str | Path, target: Path, config: ExportConfig, *, own: bool) -> None:
    if target.suffix.lower() != ".onnx":
        raise ArtefactError(f"{target}: the exported form is an ONNX file; end its name in .onnx")
    if own and is_builtin(run):
        raise ArtefactError(f"{run}: ships with the package and is not changed; choose another name")
    if own and config.tool != "any":
        raise ArtefactError(f"{target}: is the form that predict runs; choose another name for one for {config.tool}")


def _for_deepness(stored: StoredSegmenter, model: bytes) -> tuple[bytes, int]:
    try:
        from hectares.runtime.deepness import checked_for_deepness
    except ImportError as error:
        raise MissingExtraError("a file for Deepness needs onnx: pip install 'hectares[train]'") from error
    return checked_for_deepness(stored, model)


def _export(stored: StoredSegmenter, config: ExportConfig) -> tuple[StoredSegmenter, bytes, OnnxExport]:
    try:
        from hectares.runtime.finishing import RANDOM_TILES, export_onnx, restore
    except ImportError as error:
        raise MissingExtraError("exporting a segmenter needs torch and onnx: pip install 'hectares[train]'") from error
    stored, segmenter = restore(stored)
    images = None if config.chips is None else _images(stored, config.chips, config.split)
    measured_on = RANDOM_TILES if config.chips is None else f"{config.split} chips"
    model, record = export_onnx(segmenter, images, calibration=stored.calibration, measured_on=measured_on)
    return stored, model, record


def _images(stored: StoredSegmenter, folder: Path, split: str) -> Iterator[NDArray[np.float32]]:
    """Give chips as the network sees them."""
    store = open_chips(folder)
    if store.stats.names != stored.spec.bands:
        raise ArtefactError(
            f"{folder}: has the bands {', '.join(store.stats.names)}, the segmenter takes "
            f"{', '.join(stored.spec.bands)}; compare on chips that were prepared alike"
        )
    reader = store.chips(split)
    for number, record in enumerate(store.records(split)):
        scaling = stored.spec.scaler
        scaling = store.scaling_of(record.scene) if scaling.by_scene else scaling
        chip = reader.read(number)
        yield scaling.apply(chip.image) * chip.valid
