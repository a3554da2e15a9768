"""Weights to start an encoder from: matched by name, with a first layer for any bands, and a report of it all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hectares.core.band_filters import FilterSource, filter_shares, match_bands
from hectares.core.weight_sets import KnownBand, known_bands
from hectares.errors import ArtefactError, ConfigError
from hectares.model.weights.encoder_parts import band_count, encoder_of, first_layers
from hectares.model.weights.state_dicts import Arrays, View, read_state, unwrap, views
from hectares.model.weights.weight_origin import describe_origin
from hectares.model.weights.weights_file import WeightsFile
from hectares.monitor import Monitor, Problem

LEAST_MATCH = 0.75
"""Share of the arrays of an encoder that must find their weights."""
_COUNTER = "num_batches_tracked"
"""Counts steps in normalization; older files lack it, and nothing depends on it."""
_SHOWN = 4
_RGB = ("red", "green", "blue")


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What became of the arrays of a file of weights. It belongs into the record of a run."""

    source: str
    """What was asked for."""
    file: str
    sha256: str
    revision: str | None
    license: str | None
    looks_like: str
    """The network that the arrays look made for; empty if unknown."""
    shells: tuple[str, ...]
    """Keys that the arrays lay under."""
    prefix: str
    """What stood before their names."""
    naming: str
    """How their names were read."""
    total: int
    """Arrays of the encoder."""
    loaded: int
    """Arrays of the encoder that are filled."""
    missing: tuple[str, ...]
    """Arrays of the encoder that are not in the file; they start at random."""
    mismatched: tuple[str, ...]
    """Arrays of the encoder that have another shape in the file; they start at random."""
    unexpected: tuple[str, ...]
    """Arrays of the file that the encoder has no place for, by their names in the file."""
    reshaped: tuple[str, ...]
    """First layers, whose filters were given to other bands."""
    bands: tuple[FilterSource, ...]
    """Where the filter of each band comes from."""

    def to_json(self) -> dict[str, Any]:
        """Give the report as a record."""
        return asdict(self)

    def __str__(self) -> str:
        """Say it in a sentence."""
        parts = [f"{self.loaded} of {self.total} arrays of the encoder are filled"]
        named = (("missing", self.missing), ("of another shape", self.mismatched), ("left over", self.unexpected))
        parts += [f"{len(names)} {what} ({_some(names)})" for what, names in named if names]
        if self.shells or self.prefix:
            parts.append(f"taken from {' > '.join((*self.shells, self.prefix)).removesuffix(' > ')}")
        if self.reshaped:
            parts.append(f"bands: {', '.join(map(str, self.bands))}")
        return "; ".join(parts)


def load_encoder(network: nn.Module, weights: WeightsFile, *, bands: Sequence[str], monitor: Monitor) -> LoadReport:
    """Fill the encoder of a network from a file of weights; `bands` are those of the scenes, in their order.

    Names must fit, in one of the ways that tools name the same layers; the first layer is given to the bands by what
    they measure. Raises ArtefactError if the file cannot be read or less than three quarters of the encoder find
    their weights, ConfigError without an encoder or if the bands of the weights are unknown.
    """
    encoder = encoder_of(network, f"--weights {weights.source}")
    count = band_count(encoder)
    if len(bands) != count:
        raise ConfigError(f"the network takes {count} bands, but {len(bands)} are named ({', '.join(bands)})")
    arrays = unwrap(read_state(weights.path), weights.path)
    own, first = encoder.state_dict(), [f"{name}.weight" for name in first_layers(encoder)]
    view = max(views(arrays.values), key=lambda v: _fitting(v, own, first))  # the first of several as good
    known, assumed = _bands_of(weights, view, own, first)
    sources = match_bands(bands, known) if known else ()
    usable, reshaped = _usable(view, own, first, sources, known)
    report = _report(weights, arrays, view, own, usable, reshaped, sources)
    _refuse(report, weights.path, encoder, own)
    _check_finite(usable, weights.path)
    with torch.no_grad():
        for name, value in usable.items():
            own[name].copy_(value)  # the arrays of the encoder themselves
    _tell(report, weights, assumed=assumed, monitor=monitor)
    return report


# --- Matching ---------------------------------------------------------------------------------------------


def _counted(names: Mapping[str, object]) -> list[str]:
    return [name for name in names if not name.endswith(_COUNTER)]


def _fits(name: str, value: Tensor, own: Mapping[str, Tensor], first: Sequence[str]) -> bool:
    """True if an array has its place in the encoder; a first layer may have another number of bands."""
    if name not in own:
        return False
    return own[name].shape == value.shape or (name in first and _kernel(value) == _kernel(own[name]))


def _kernel(weight: Tensor) -> tuple[int, ...]:
    return (weight.shape[0], *weight.shape[2:]) if weight.ndim == 4 else ()


def _fitting(view: View, own: Mapping[str, Tensor], first: Sequence[str]) -> tuple[int, int]:
    """How many arrays have their place in the encoder, and how many at least a name of it."""
    fits = sum(_fits(name, value, own, first) for name, value in view.values.items())
    return fits, len(view.values.keys() & own.keys())


def _bands_of(
    weights: WeightsFile, view: View, own: Mapping[str, Tensor], first: Sequence[str]
) -> tuple[tuple[KnownBand, ...], bool]:
    """Give what the first layer of the weights takes, and if that is an assumption."""
    given = next((view.values[n] for n in first if n in view.values and _fits(n, view.values[n], own, first)), None)
    if given is None:
        return (), False
    count = int(given.shape[1])
    if weights.bands:
        if len(weights.bands) != count:
            named = ", ".join(b.name for b in weights.bands)
            raise ConfigError(
                f"{weights.path}: its first layer takes {count} bands, but {len(weights.bands)} are named ({named}); "
                "name them with --weights-bands"
            )
        return weights.bands, False
    if count != len(_RGB):
        raise ConfigError(
            f"{weights.path}: its first layer takes {count} bands, and nothing says which; name them in order with "
            "--weights-bands, such as sentinel-2 or B02,B03,B04,B08"
        )
    return known_bands(_RGB), True


def _usable(
    view: View,
    own: Mapping[str, Tensor],
    first: Sequence[str],
    sources: Sequence[FilterSource],
    known: Sequence[KnownBand],
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Give the arrays for the encoder, and which of them were given to other bands."""
    usable, reshaped = {}, []
    for name, value in view.values.items():
        if not _fits(name, value, own, first):
            continue
        usable[name] = value
        if name in first:
            shares = torch.from_numpy(filter_shares(sources, known))
            if not torch.equal(shares, torch.eye(*shares.shape, dtype=shares.dtype)):
                mixed = torch.einsum("bk,okhw->obhw", shares, value.double())
                usable[name] = mixed.to(own[name].dtype)
                reshaped.append(name)
    return usable, tuple(reshaped)


# --- The report -------------------------------------------------------------------------------------------


def _report(
    weights: WeightsFile,
    arrays: Arrays,
    view: View,
    own: Mapping[str, Tensor],
    usable: Mapping[str, Tensor],
    reshaped: tuple[str, ...],
    sources: Sequence[FilterSource],
) -> LoadReport:
    placed = {view.names[name] for name in view.values if name in own}
    return LoadReport(
        source=weights.source,
        file=weights.path.name,
        sha256=weights.sha256,
        revision=weights.revision,
        license=weights.known.license if weights.known else None,
        looks_like=describe_origin(arrays.values),
        shells=arrays.shells,
        prefix=view.prefix,
        naming=view.naming,
        total=len(_counted(own)),
        loaded=len(_counted(usable)),
        missing=tuple(n for n in _counted(own) if n not in view.values),
        mismatched=tuple(n for n in _counted(own) if n in view.values and n not in usable),
        unexpected=tuple(n for n in _counted(arrays.values) if n not in placed),
        reshaped=reshaped,
        bands=tuple(sources),
    )


def _refuse(report: LoadReport, path: Path, encoder: nn.Module, own: Mapping[str, Tensor]) -> None:
    if report.loaded >= LEAST_MATCH * report.total:
        return
    kind = describe_origin(own) or type(encoder).__name__
    made_for = f"they look made for {report.looks_like}" if report.looks_like else "they look made for another network"
    raise ArtefactError(
        f"{path}: does not fit this encoder, {kind.split(' (')[0]}: {report}; "
        f"{made_for}, so choose that, or a file for this encoder"
    )


def _tell(report: LoadReport, weights: WeightsFile, *, assumed: bool, monitor: Monitor) -> None:
    """Tell what was loaded, and what a person should look at."""
    complete = report.loaded == report.total
    remedy = "all else of the encoder starts at random" if not complete else "the encoder starts from them"
    monitor.problem(Problem(report.source, str(report), remedy, "note" if complete else "warning"))
    if weights.known is not None:
        what = f"the weights were trained on {weights.known.scaling}"
        monitor.problem(Problem(report.source, what, "other --scaling is made up for in the first epochs", "note"))
    if assumed:
        what = "nothing says which bands the first layer of the weights takes"
        remedy = "red, green, blue is assumed, as for photos; if not, name them with --weights-bands"
        monitor.problem(Problem(report.source, what, remedy, "note"))
    if report.bands and all(s.origin is None for s in report.bands):
        what = f"no band of the scenes ({', '.join(s.band for s in report.bands)}) is one that the weights know"
        remedy = "all begin with the mean filter; name them by what they measure with --band-names"
        monitor.problem(Problem(report.source, what, remedy))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def _check_finite(arrays: Mapping[str, Tensor], path: Path) -> None:
    """Raise ArtefactError if an array holds NaN or infinity."""
    for name, value in arrays.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise ArtefactError(f"{path}: array {name} holds values that are not finite; the file is damaged")
