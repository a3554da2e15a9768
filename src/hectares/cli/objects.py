"""The command that scores objects: its docstring is its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.table import Table

from hectares.cli.console import ConsoleMonitor, table
from hectares.cli.options import Writing
from hectares.cli.running import OPTIONS, Outcome, run_verb
from hectares.config.objects import ObjectsConfig

_ORDERS = {"score": "score", "size": "size, as scores are lacking", "file": "order of the file, as scores are equal"}
"""What comes first, in words."""


def objects(
    predicted: Annotated[str, Parameter(name="PREDICTED")],
    reference: Annotated[str, Parameter(name="REFERENCE")],
    out: Annotated[Path, Parameter(name="OUT.json")],
    /,
    *,
    config: Annotated[ObjectsConfig, OPTIONS] = ObjectsConfig(),  # noqa: B008
    general: Writing = Writing(),  # noqa: B008
) -> int:
    """Score polygons or instances as objects: F1 as SpaceNet counts, AP and AR as COCO does.

    Writes the scores of each class as JSON, with a CSV beside it.

    Example: `hectares objects buildings.gpkg reference.geojson objects.json --places places.gpkg`

    Example: `hectares objects predictions.json val/annotation.json objects.json`

    Parameters
    ----------
    predicted
        Polygons of `vectorize` (FILE or FILE:LAYER), COCO results (JSON), or a table of SpaceNet (CSV).
    reference
        A vector file in any CRS, a COCO annotation file, or a table of SpaceNet: the same kind.
    out
        The JSON file to write.
    """

    def work(monitor: ConsoleMonitor) -> Outcome:
        from hectares.objects import score_objects
        from hectares.view.numbers import score

        made = score_objects(predicted, reference, out, config, overwrite=general.overwrite, monitor=monitor)
        record = made.record
        rows = [*record["classes"], *([record["overall"]] if len(record["classes"]) > 1 else [])]
        counts = ("reference", "predicted", "found", "missed", "false")
        shares = ("precision", "recall", "f1", "ap", "ap50", "ar50")
        heads = ("class", "objects", *counts[1:], "precision", "recall", "F1", "AP", "AP50", "AR50")
        cells = [(r["name"], *(r[c] for c in counts), *(score(r[s]) for s in shares)) for r in rows]
        most = "" if record["max_detections"] is None else f"of the {record['max_detections']} surest of an image, "
        lines: list[str | Table] = [
            table(heads, cells, title=f"Objects, counted from an IoU of {record['iou']:g}"),
            f"AP is the mean over IoU 0.50 to 0.95, AP50 and AR50 are at 0.50; {most}by {_ORDERS[record['order']]}",
            f"{out}, with {out.with_suffix('.csv').name} beside it"
            + (f", and {config.places}" if config.places else ""),
        ]
        return Outcome({"objects": out, **{k: record[k] for k in ("order", "overall", "classes")}}, lines)

    return run_verb(general, config, work)
