"""Cards of a report: what a segmenter is and was trained with, and what the chips are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hectares.core.legend import Legend, hex_color
from hectares.view.numbers import count, percent, score
from hectares.view.tables import Fact

Content = Mapping[str, Any]
_SPLITS = ("train", "val", "test")
_MOST_BANDS = 13


def model_card(segmenter: Content) -> tuple[Fact, ...]:
    """Give what a segmenter takes, gives, and how sure it is, from the content of `segmenter.json`."""
    return tuple(_model_facts(segmenter))


def _model_facts(segmenter: Content) -> Iterator[Fact]:
    spec, config = segmenter["spec"], segmenter["config"]
    yield Fact("network", _with_options(spec["network"], spec["options"]))
    yield Fact("takes", f"{_bands(spec['stats']['names'])}; scaling {spec.get('scaling', 'standard')}")
    classes = [c["name"] for c in spec["legend"]["classes"]]
    way = "any number of them on a pixel" if spec.get("multilabel") else "one a pixel"
    yield Fact("tells apart", f"{count(len(classes), 'class', 'classes')}, {way}: {', '.join(classes)}")
    if spec.get("gsd_m"):
        yield Fact("pixel of the training images", f"{spec['gsd_m']:.3g} m")
    if spec.get("context_px"):
        yield Fact("context", f"a pixel is decided by what lies up to {spec['context_px']} px away")
    chips = sum(len(f["windows"]) for f in spec["footprint"])
    yield Fact(
        "trained on", f"{count(chips, 'chip')} of {spec['tile_px']} px, {count(len(spec['footprint']), 'image')}"
    )
    weights = str(config.get("weights", "none"))
    yield Fact("start", "random weights" if weights == "none" else weights)
    calibration = segmenter.get("calibration")
    if calibration:
        before, after = (calibration[when]["ece"] for when in ("before", "after"))
        yield Fact(
            "calibration (ECE)", f"{score(before)}, after scaling {score(after)}, on {calibration['measured_on']}"
        )
    for name, made in sorted((segmenter.get("exports") or {}).items()):
        yield Fact(f"{name.upper()} export", f"same class in {percent(made['agreement'], 2)} of the pixels")


def model_limits(segmenter: Content, name: str) -> Iterator[str]:
    """Say what a segmenter is not meant for."""
    spec = segmenter["spec"]
    bands = count(len(spec["stats"]["names"]), "band")
    pixels = f", with pixels of about {spec['gsd_m']:.3g} m" if spec.get("gsd_m") else ""
    yield (
        f"The segmenter {name} is meant for images of {bands} like those it learned from{pixels}. It gives every pixel "
        "one of its classes, also what is none of them; another sensor, season or region needs scores of its own."
    )


def _with_options(network: str, options: Content) -> str:
    given = ", ".join(f"{k} {v}" for k, v in options.items() if v is not None)
    return f"{network} ({given})" if given else network


def _bands(names: list[str]) -> str:
    if len(names) <= _MOST_BANDS:
        return f"{count(len(names), 'band')} ({', '.join(names)})"
    return f"{len(names)} bands ({', '.join(names[:3])} … {names[-1]})"


@dataclass(frozen=True, slots=True)
class DataSection:
    """What chips are made of: facts, and the share of each class in each split."""

    title: str
    facts: tuple[Fact, ...]
    heads: tuple[str, ...]
    lines: tuple[tuple[str, str, tuple[str, ...]], ...]
    """Class, its color, and its share of the labelled pixels of each split."""
    warning: str


def data_card(chips: Content, name: str) -> DataSection:
    """Give what `chips.json` tells of images, labels and splits."""
    legend = Legend.from_json(chips["legend"])
    splits = [s for s in (*_SPLITS, *sorted(set(chips["counts"]) - set(_SPLITS))) if chips["counts"].get(s)]
    pixels: Mapping[str, Mapping[str, int]] = chips["class_pixels"]
    labelled = {s: sum(pixels[s].values()) for s in splits}
    lines = (
        (c.name, hex_color(c.color), tuple(percent(_part(pixels[s].get(c.name, 0), labelled[s])) for s in splits))
        for c in legend.classes
    )
    return DataSection(name, tuple(_data_facts(chips, splits)), tuple(splits), tuple(lines), _leak_warning(chips))


def _part(pixels: int, of: int) -> float | None:
    return pixels / of if of else None


def _data_facts(chips: Content, splits: list[str]) -> Iterator[Fact]:
    counts = ", ".join(f"{chips['counts'][s]:,} {s}" for s in splits)
    yield Fact("chips", f"{counts}, of {chips['chip_px']} px")
    yield Fact("images", f"{chips['images']:,}")
    if chips.get("gsd_m"):
        yield Fact("pixel", f"{chips['gsd_m']:.3g} m")
    yield Fact("bands", _bands(list(chips["bands"])))
    yield Fact("split", str(chips["config"].get("split", "auto")))
    if chips.get("skipped"):
        yield Fact("left out", f"{sum(_size(v) for v in chips['skipped'].values()):,}")


def _size(value: object) -> int:
    return len(value) if isinstance(value, (list, tuple, dict)) else int(value) if isinstance(value, int) else 1


def _leak_warning(chips: Content) -> str:
    leaks = chips.get("leaks", {})
    found = []
    if leaks.get("overlapping"):
        found.append(f"{count(leaks['overlapping'], 'chip')} overlap one of another split")
    if leaks.get("shared_images"):
        found.append(f"{count(leaks['shared_images'], 'image')} have labelled areas in several splits")
    return "; ".join(found)
