"""Segmenter and chips to a form of the segmenter in int8, with what it does to decisions and scores."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hectares.config.quantize import QuantizeConfig
from hectares.errors import ArtefactError, ConfigError, MissingExtraError
from hectares.io.builtin import is_builtin
from hectares.io.chips.store import ChipStore, open_chips
from hectares.io.outputs import exclusive
from hectares.io.segmenter import (
    INT8_FILE,
    LEAST_AGREEMENT,
    MOST_IOU_LOST,
    Int8Export,
    StoredSegmenter,
    amend_segmenter,
    find_segmenter,
)
from hectares.monitor import QUIET, Monitor, Problem
from hectares.runtime.comparing import compare_forms
from hectares.runtime.fit import Fit
from hectares.runtime.processor import native_precisions
from hectares.runtime.scoring import ChipFeed

_COMPARED = ("val", "test")


@dataclass(frozen=True, slots=True)
class Quantized:
    """A form in int8, and whether it became part of the segmenter."""

    file: Path
    record: Int8Export
    is_enough: bool
    """True if some runtime may take it unasked."""
    is_kept: bool


def quantize_segmenter(
    run: str | Path,
    chips: str | Path,
    config: QuantizeConfig = QuantizeConfig(),  # noqa: B008 - a frozen value
    *,
    overwrite: bool = False,
    monitor: Monitor = QUIET,
) -> Quantized:
    """Add `model.int8.onnx` to a segmenter: calibrated on training chips, compared with fp32 on val and test chips.

    A form that decides otherwise too often is not kept, unless config.keep says so.
    Raises ArtefactError if the segmenter holds no ONNX form, or the chips have other bands or classes.
    """
    stored, store = find_segmenter(run), open_chips(Path(chips))
    _refuse(run, stored, store, overwrite=overwrite)
    with exclusive(stored.folder / INT8_FILE):
        model = _quantize(stored, store, config, monitor)
        measured = _compare(stored, store, model, config, monitor)
        used = {"chips": store.fingerprint, "split": "train", "count": min(config.calibrate, store.counts["train"])}
        record = Int8Export.of(hashlib.sha256(model).hexdigest(), len(model), used, measured)
        enough = any(record.is_enough(name) for name in measured)
        if not enough:
            _tell(record, stored, config, monitor)
        if enough or config.keep:
            amend_segmenter(stored, int8=(model, record))
    return Quantized(stored.folder / INT8_FILE, record, enough, enough or config.keep)


def _refuse(run: str | Path, stored: StoredSegmenter, store: ChipStore, *, overwrite: bool) -> None:
    if is_builtin(run):
        raise ArtefactError(
            f"{run}: ships with the package and is not changed; copy {stored.folder}, and quantize that"
        )
    if stored.int8 is not None and not overwrite:
        raise ArtefactError(f"{stored.folder / INT8_FILE}: exists already; give --overwrite to replace it")
    if store.stats.names != stored.spec.bands:
        raise ArtefactError(
            f"{store.folder}: has the bands {', '.join(store.stats.names)}, the segmenter takes "
            f"{', '.join(stored.spec.bands)}; quantize with chips that were prepared alike"
        )
    named = [[(c.code, c.name) for c in legend.classes] for legend in (store.legend, stored.spec.legend)]
    if named[0] != named[1]:
        shown = [", ".join(f"{code} {name}" for code, name in classes) for classes in named]
        raise ArtefactError(f"{store.folder}: has the classes {shown[0]}, the segmenter {shown[1]}")
    for split in ("train", "val"):
        if not store.counts.get(split):
            raise ArtefactError(f"{store.folder}: has no {split} chips; train chips calibrate, val chips compare")
    stored.onnx_file()  # raises if there is none
    if "int8" not in native_precisions():
        raise ConfigError(
            "this processor does not multiply int8 natively (AVX-512 VNNI, AVX-VNNI, or dot products of ARM), so that "
            "the form cannot be compared here; quantize on one that does"
        )


def _quantize(stored: StoredSegmenter, store: ChipStore, config: QuantizeConfig, monitor: Monitor) -> bytes:
    try:
        from hectares.runtime.quantizing import quantize_network
    except ImportError as error:
        raise MissingExtraError("quantizing a segmenter needs onnx and torch: pip install 'hectares[train]'") from error
    feed, numbers = _feed(stored, store, "train"), _spread(store.counts["train"], config.calibrate)
    images = []
    for number in numbers:
        chip = feed.reader.read(number)
        images.append(feed.scaling(number).apply(chip.image) * chip.valid)
        monitor.raise_if_stopped()

    def told(done: int, total: int) -> None:
        monitor.progress("quantizing", done, total)
        monitor.raise_if_stopped()

    assert stored.spec.stride is not None, "an export is stored together with its stride"
    fit = Fit(stored.spec.stride, stored.spec.crop)
    return quantize_network(stored.onnx_file().read_bytes(), images, fit, threads=config.threads, told=told)


def _compare(
    stored: StoredSegmenter, store: ChipStore, model: bytes, config: QuantizeConfig, monitor: Monitor
) -> dict[str, dict[str, dict[str, float]]]:
    """Give what each installed runtime makes of the form, by runtime and split."""
    from hectares.runtime.onnx import OnnxRuntime

    forms = _forms(stored, model, config)
    reference = OnnxRuntime(stored, threads=config.threads)
    found: dict[str, dict[str, dict[str, float]]] = {name: {} for name in forms}
    for split in _COMPARED:
        numbers = _spread(store.counts.get(split, 0), config.compare)
        if not numbers:
            continue

        def told(done: int, of: int = len(numbers), stage: str = f"comparing on {split} chips") -> None:
            monitor.progress(stage, done, of)
            monitor.raise_if_stopped()

        scored = compare_forms(reference, forms, _feed(stored, store, split), numbers, told)
        if any(np.isnan(scores["miou"]) for scores in scored.values()):
            if split == "val":
                raise ArtefactError(f"{store.folder}: no val chip that was compared has a label; raise --compare")
            what = "no test chip that was compared has a label"
            monitor.problem(Problem(str(store.folder), what, "compared on val chips alone", "note"))
            continue
        for name, scores in scored.items():
            found[name][split] = scores
    return found


def _forms(
    stored: StoredSegmenter, model: bytes, config: QuantizeConfig
) -> Mapping[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]]:
    from hectares.runtime.onnx import open_session, run_session

    assert stored.spec.stride is not None, "an export is stored together with its stride"
    fit = Fit(stored.spec.stride, stored.spec.crop)
    session = open_session(model, threads=config.threads)
    forms = {"onnx": lambda image: run_session(session, image, fit)}
    if find_spec("openvino") is not None:
        from hectares.runtime.openvino import Network

        network = Network(model, precision="int8", threads=config.threads)
        forms["openvino"] = lambda image: network.run(image, fit)
    return forms


def _tell(record: Int8Export, stored: StoredSegmenter, config: QuantizeConfig, monitor: Monitor) -> None:
    what = f"int8 agrees with fp32 on {record.agreement:.3%} of pixels, mean IoU {100 * record.miou_change:+.2f} points"
    wanted = f"{LEAST_AGREEMENT:.1%} and at most {100 * MOST_IOU_LOST:.1f} points less are wanted"
    remedy = "kept, for --precision int8" if config.keep else "not kept; --keep keeps it for --precision int8"
    severity = "note" if config.keep else "incomplete"
    monitor.problem(Problem(str(stored.folder), f"{what}, {wanted}", remedy, severity))  # type: ignore[arg-type]


def _feed(stored: StoredSegmenter, store: ChipStore, split: str) -> ChipFeed:
    records, scaler = store.records(split), stored.spec.scaler
    return ChipFeed(store.chips(split), lambda n: store.scaling_of(records[n].scene) if scaler.by_scene else scaler)


def _spread(count: int, most: int) -> list[int]:
    """Give up to so many numbers, spread evenly.

    >>> _spread(10, 4), _spread(2, 4), _spread(0, 4)
    ([0, 3, 6, 9], [0, 1], [])
    """
    if not count:
        return []
    spread: list[int] = np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(int)).tolist()
    return spread
