"""The command `networks`: what can be trained, and one of them in detail."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from hectares.cli.console import ConsoleMonitor, styled, table
from hectares.cli.options import Writing
from hectares.cli.running import Outcome, run_verb
from hectares.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from hectares.model.networks.anatomy import Anatomy
    from hectares.model.networks.zoo import Network
    from hectares.view.sheet import Sheet


def networks(
    name: str | None = None,
    /,
    *,
    encoder: str | None = None,
    width: int | None = None,
    network_option: tuple[str, ...] = (),
    bands: int = 3,
    classes: int = 2,
    size_px: int = 256,
    out: Path | None = None,
    general: Writing = Writing(),  # noqa: B008
) -> int:
    """List the networks that can be trained, or describe one: layers, shapes, parameters, options, and a drawing.

    Example: `hectares networks unet-elu --bands 3 --classes 1 --out unet-elu.svg`

    Parameters
    ----------
    name
        A network.
    encoder
        Encoder of a library network, of segmentation_models_pytorch or timm.
    width
        Channels of the first level, where there is a choice.
    network_option
        Another option of the network, as NAME=VALUE; may be given several times.
    bands
        Number of bands.
    classes
        Number of classes.
    size_px
        Side of the image whose shapes are shown.
    out
        Draw the network into this .svg or .png file.
    """

    def work(_: ConsoleMonitor) -> Outcome:
        try:
            from hectares.model.networks import zoo
        except ImportError as error:
            raise MissingExtraError("networks need an extra: pip install 'hectares[train]'") from error
        if name is None:
            if out is not None or encoder is not None or width is not None or network_option:
                raise ConfigError("name a network to describe or draw; `hectares networks` alone lists them")
            return _list(zoo.GROUPS, list(zoo.NETWORKS.values()))
        _refuse(bands=bands, classes=classes, size_px=size_px, out=out)
        extra = zoo.read_options(network_option)
        options = zoo.network_options(name, encoder=encoder, width=width, extra=extra, size_px=size_px)
        network = zoo.build_network(name, options, bands=bands, classes=classes)
        trainable, frozen = zoo.count_parameters(network)
        from hectares.io.outputs import staged_file
        from hectares.model.networks.anatomy import examine

        anatomy = examine(network, bands=bands, size_px=size_px)
        record: dict[str, Any] = {
            "name": name,
            **_entry(zoo.find_network(name)),
            "options": options,
            "parameters": trainable,
            "frozen": frozen,
            "notes": zoo.network_notes(name, options, size_px=size_px),
            "layers": [(line.name, line.kind, line.shape, line.parameters) for line in anatomy.layers],
        }
        if out is not None:
            drawing = _draw(name, record, anatomy, bands=bands, size_px=size_px)
            with staged_file(out, overwrite=general.overwrite) as path:
                path.write_bytes(drawing.svg() if out.suffix.lower() == ".svg" else drawing.png())
            record["drawing"] = out
        title = f"{name}, {bands} bands of {size_px} x {size_px} px to {classes} classes"
        return Outcome(record, _describe(zoo.find_network(name), record, title))

    return run_verb(general, None, work)


def _refuse(*, bands: int, classes: int, size_px: int, out: Path | None) -> None:
    for option, value, most in (("--bands", bands, 4096), ("--classes", classes, 255), ("--size-px", size_px, 16384)):
        if not 1 <= value <= most:
            raise ConfigError(f"{option} {value}: expected a whole number from 1 to {most}")
    if out is not None and out.suffix.lower() not in {".svg", ".png"}:
        raise ConfigError(f"--out {out}: drawings are .svg or .png files")


def _entry(network: Network) -> dict[str, Any]:
    return {
        "summary": network.summary,
        "group": network.group,
        "source": network.source,
        "encoder_source": network.encoder_source,
    }


def _list(groups: dict[Any, str], entries: list[Network]) -> Outcome:
    lines: list[str | Table] = []
    for group, what in groups.items():
        rows = [(entry.name, entry.summary, entry.source) for entry in entries if entry.group == group]
        lines += ["", table(("network", "what it is", "source"), rows, title=f"{group}: {what}")]
    lines += ["", "One in detail, with a drawing: hectares networks unet-elu --out unet-elu.svg"]
    return Outcome({"networks": {entry.name: _entry(entry) for entry in entries}}, lines[1:])


def _describe(network: Network, record: dict[str, Any], title: str) -> list[Any]:
    layers = [
        (name, kind, " x ".join(map(str, shape)) or None, parameters)
        for name, kind, shape, parameters in record["layers"]
    ]
    lines: list[Any] = [network.summary, f"Source: {network.source}", ""]
    if network.options:
        rows = [(o.name, record["options"][o.name], o.expected, o.summary) for o in network.options]
        rows = [(name, str(value), expected, what) for name, value, expected, what in rows]
        lines += [table(("option", "here", "may be", "what it is"), rows), ""]
    lines.append(table(("layer", "kind", "output", "parameters"), layers, title=title))
    total = f"{record['parameters']:,} parameters ({record['parameters']})"
    lines += ["", total + (f" and {record['frozen']:,} frozen ({record['frozen']})" if record["frozen"] else "")]
    lines += [styled(("note:", "yellow"), f" {text}") for text in record["notes"]]
    if "drawing" in record:
        lines.append(f"drawn: {record['drawing']}")
    return lines


def _draw(name: str, record: dict[str, Any], anatomy: Anatomy, *, bands: int, size_px: int) -> Sheet:
    from hectares.view.network_graph import GraphBlock, draw_network

    options = ", ".join(f"{key} {value}" for key, value in record["options"].items())
    counts = f"{record['parameters']:,} parameters" + (f" and {record['frozen']:,} frozen" if record["frozen"] else "")
    whole = f"encoder {anatomy.encoder_parameters:,}" if anatomy.encoder else ""
    blocks = [GraphBlock(b.part, b.kinds, b.channels, b.height, b.width, b.parameters) for b in anatomy.blocks]
    subtitle = "; ".join(text for text in (counts, whole, options) if text)
    return draw_network(name, subtitle, blocks, anatomy.edges, bands=bands, size_px=size_px)
