"""The command that brings the labels of any data set into one form: its docstring is its help."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.table import Table

from hectares.cli.console import ConsoleMonitor, next_step, table
from hectares.cli.options import Writing
from hectares.cli.running import OPTIONS, Outcome, run_verb
from hectares.config.labels import LabelsConfig
from hectares.view.numbers import hectares as format_hectares

if TYPE_CHECKING:
    from hectares.labels import LabelFolder


def labels(
    layout: Annotated[str, Parameter(name="FORMAT")],
    source: Path,
    out: Path,
    /,
    *,
    config: Annotated[LabelsConfig, OPTIONS] = LabelsConfig(),  # noqa: B008 - a frozen value
    general: Writing = Writing(),  # noqa: B008
) -> int:
    """Write the labels of a data set as rasters of class codes, with pictures to look at beside them.

    A run that was stopped goes on when the same command is given again; a larger --limit adds to what is there.
    Exit code 3 if broken shapes were left out by --skip-bad.

    Example: `hectares labels crowdai data rasters --limit 1000`

    Parameters
    ----------
    layout
        Layout of the source: folders, catalog; see `hectares formats`.
    source
        Folder, manifest or catalog.
    out
        Folder to write; with a catalog inside, so that `hectares prepare catalog` reads it.
    """

    def work(monitor: ConsoleMonitor) -> Outcome:
        from hectares.core.sampling import SPLITS
        from hectares.labels import write_labels

        written = write_labels(layout, source, out, config, overwrite=general.overwrite, monitor=monitor)
        total = sum(written.counts.values())
        splits = ", ".join(f"{written.counts[s]:,} {s}" for s in SPLITS if s in written.counts)
        counted = f"{total:,} label(s)" + (f" ({splits})" if splits else "")
        following = next_step("prepare", "catalog", out, "chips")
        if config.split_classes:
            following = f"{next_step('prepare', 'catalog', out / 'CLASS', 'chips')}, for each CLASS"
        lines: list[str | Table] = [
            f"{out}: {counted}, {total - written.kept:,} of them written now",
            _class_table(written),
            f"next: {following}",
        ]
        names = [*written.legend.names, "unlabelled"]
        record = {
            "labels": out,
            "counts": written.counts,
            "written": total - written.kept,
            "kept": written.kept,
            "labelled_px": written.labelled,
            "class_pixels": dict(zip(names, written.pixels.tolist(), strict=True)),
            "class_ha": None if written.area_ha is None else dict(zip(names, written.area_ha.tolist(), strict=True)),
            "catalogs": written.catalogs,
        }
        return Outcome(record, lines)

    return run_verb(general, config, work)


def _class_table(written: LabelFolder) -> Table:
    """Pixels, share and area of each class, and of what is not labelled."""
    labelled = max(1, written.labelled)
    rows: list[tuple[object, ...]] = []
    for k, name in enumerate([*written.legend.names, "unlabelled"]):
        pixels = int(written.pixels[k])
        share = f"{100 * pixels / labelled:.2f}" if k < len(written.legend) else None
        hectares = [] if written.area_ha is None else [format_hectares(float(written.area_ha[k]))]
        rows.append((name, pixels, share, *hectares))
    columns = ("class", "pixels", "% of labelled", *([] if written.area_ha is None else ["ha"]))
    return table(columns, rows)
