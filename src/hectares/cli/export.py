"""Commands around the exported form of a segmenter: make one, and list those that ship with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from hectares.cli.console import ConsoleMonitor, Line, table
from hectares.cli.options import General, Writing
from hectares.cli.running import OPTIONS, Outcome, keep_memory, run_verb
from hectares.config.export import ExportConfig


def export(
    run: Path,
    out: Annotated[Path, Parameter(name="OUT.onnx")],
    /,
    *,
    config: Annotated[ExportConfig, OPTIONS] = ExportConfig(),  # noqa: B008 - a frozen value
    general: Writing = Writing(),  # noqa: B008
) -> int:
    """Write a segmenter as one ONNX file that other tools can run, compared with the network it is made from.

    It takes scaled pixels and gives logits, at any size that is a multiple of its stride. Bands, scaling and legend
    are in its metadata, under `hectares`, and in OUT.stac.json for catalogs. As RUN/segmenter/model.onnx it becomes
    part of the run. With --tool deepness the file holds all that the plugin of QGIS needs.

    Example: `hectares export run town.onnx --chips chips`, or with `--tool deepness`

    Parameters
    ----------
    run
        Folder written by `train`, a segmenter, or builtin:NAME.
    out
        The ONNX file to write.
    """

    def work(monitor: ConsoleMonitor) -> Outcome:
        from dataclasses import asdict

        from hectares.export import export_segmenter

        keep_memory()
        exported = export_segmenter(run, out, config, overwrite=general.overwrite, monitor=monitor)
        record = exported.record
        agreement = f"agrees with the network on {record.agreement:.3%} of the pixels of {record.chips}"
        lines = [
            f"{out}: {record.bytes / 2**20:.1f} MiB, ONNX operators {record.opset}",
            f"{agreement} {record.measured_on}, largest difference of logits {record.max_difference:.2g}",
        ]
        return Outcome({"onnx": out, **asdict(record)}, lines)

    return run_verb(general, config, work)


def segmenters(name: str | None = None, /, *, general: General = General()) -> int:  # noqa: B008
    """List the segmenters that ship with the package, or show the card of one: what it is good for, its scores.

    Wherever a run is asked for, `builtin:NAME` will do.

    Example: `hectares segmenters`

    Parameters
    ----------
    name
        One of them, with or without `builtin:`.
    """

    def work(_: ConsoleMonitor) -> Outcome:
        from hectares.io.builtin import PREFIX, builtin_names

        if name is not None:
            return _one(name.removeprefix(PREFIX))
        records = {n: _facts(n) for n in builtin_names()}
        if not records:
            return Outcome({"segmenters": {}}, ["no segmenter ships with this version"])
        rows = [
            (f"{PREFIX}{n}", r["summary"], ", ".join(r["classes"]), _gsd(r["gsd_m"]), _mib(r["bytes"]), r["license"])
            for n, r in records.items()
        ]
        columns = ("segmenter", "what it is", "classes", "pixel", "size", "license")
        return Outcome({"segmenters": records}, [table(columns, rows)])

    return run_verb(general, None, work)


def _one(name: str) -> Outcome:
    from hectares.io.builtin import PREFIX, locate, read_card

    facts, card = _facts(name), read_card(locate(PREFIX + name))
    form = f"network {facts['network']}, {_mib(facts['bytes'])}, license {card.license}"
    shown: list[Line] = [
        f"{PREFIX}{name}: {card.summary}",
        form,
        f"bands {', '.join(facts['bands'])}, pixels of {_gsd(facts['gsd_m'])}",
        f"classes {', '.join(facts['classes'])}",
        "",
        table(("scored on", "score"), [(what, f"{score:.3f}") for what, score in card.scores.items()]),
        "",
        *card.text.splitlines(),
    ]
    return Outcome({"name": name, **facts, "card": card.text}, shown)


def _facts(name: str) -> dict[str, Any]:
    from hectares.io.builtin import PREFIX, locate, read_card
    from hectares.io.segmenter import find_segmenter

    stored = find_segmenter(PREFIX + name)
    card = read_card(locate(PREFIX + name))
    return {
        "summary": card.summary,
        "license": card.license,
        "scores": dict(card.scores),
        "network": stored.spec.network,
        "bands": list(stored.spec.bands),
        "classes": list(stored.spec.legend.names),
        "gsd_m": stored.spec.gsd_m,
        "tile_px": stored.spec.tile_px,
        "bytes": sum(f.stat().st_size for f in stored.folder.iterdir()),
        "sha256": stored.sha256,
    }


def _gsd(gsd_m: float | None) -> str:
    return "any size" if gsd_m is None else f"{gsd_m:g} m"


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"
