"""The command that gives a segmenter a form in int8."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from hectares.cli.console import ConsoleMonitor, Line, table
from hectares.cli.options import Writing
from hectares.cli.running import OPTIONS, Outcome, keep_memory, run_verb
from hectares.config.quantize import QuantizeConfig


def quantize(
    run: Path,
    chips: Path,
    /,
    *,
    config: Annotated[QuantizeConfig, OPTIONS] = QuantizeConfig(),  # noqa: B008 - a frozen value
    general: Writing = Writing(),  # noqa: B008
) -> int:
    """Give a segmenter a form in numbers of 8 bits, which maps faster on processors made for it.

    Training chips tell how large values become; on val and test chips the form is compared with the one in full
    precision. What was measured is stored in the segmenter, and in the maps that it makes. The form is kept if it
    decides as the other on 99.9 % of pixels and loses at most 0.3 points of mean IoU; `predict` then takes it by
    itself.

    Example: `hectares quantize run chips`

    Parameters
    ----------
    run
        Folder written by `train`, or a segmenter; it gets `model.int8.onnx`.
    chips
        Folder written by `prepare`, that the segmenter was trained on.
    """

    def work(monitor: ConsoleMonitor) -> Outcome:
        from dataclasses import asdict

        from hectares.quantize import quantize_segmenter

        keep_memory()
        made = quantize_segmenter(run, chips, config, overwrite=general.overwrite, monitor=monitor)
        rows = [
            (name, split, str(found["chips"]), f"{found['agreement']:.3%}", *map(_iou, _pair(found)))
            for name, splits in made.record.measured.items()
            for split, found in splits.items()
        ]
        heads = ("runtime", "split", "chips", "same class", "mean IoU fp32", "int8")
        told = f"{made.file}: {made.record.bytes / 2**20:.1f} MiB" if made.is_kept else "no file was written"
        lines: list[Line] = [table(heads, rows), told + ("; predict takes it by itself" if made.is_enough else "")]
        record = {"int8": made.file if made.is_kept else None, "is_enough": made.is_enough, **asdict(made.record)}
        return Outcome(record, lines)

    return run_verb(general, config, work)


def _pair(found: Mapping[str, float]) -> tuple[float, float]:
    return found["fp32_miou"], found["miou"]


def _iou(value: float) -> str:
    return f"{value:.4f}"
