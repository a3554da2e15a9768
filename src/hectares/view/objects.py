"""How objects were found, in cells and sentences, from the content of the JSON that `objects` writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hectares.view.numbers import count, number, percent, score
from hectares.view.tables import Fact

Content = Mapping[str, Any]
COUNT_HEADS = ("objects", "found", "missed", "false", "precision", "recall", "F1", "mean IoU")
AVERAGE_HEADS = ("AP50", "AR50", "AP75", "AP", "AR")
_COUNTED = ("reference", "found", "missed", "false")
_SHARES = ("precision", "recall", "f1", "mean_iou")
_AVERAGES = ("ap50", "ar50", "ap75", "ap", "ar")
_NO_ORDER = {
    "size": "The predictions have no scores, so that the largest stand in for the surest",
    "file": "All predictions have the same score, so that they come in the order of the file",
}


@dataclass(frozen=True, slots=True)
class ObjectLine:
    """The objects of one class, or of all."""

    name: str
    counts: tuple[str, ...]
    """In the order of `COUNT_HEADS`."""
    averages: tuple[str, ...]
    """In the order of `AVERAGE_HEADS`."""


@dataclass(frozen=True, slots=True)
class ObjectSection:
    """Predicted objects against those of a reference."""

    title: str
    compared: str
    """What was compared with what, and what came of it, in sentences."""
    iou: str
    """From which IoU on a prediction finds an object."""
    lines: tuple[ObjectLine, ...]
    overall: ObjectLine | None
    """All classes; None where there is only one."""
    about_averages: str
    caution: str = ""
    """Why the averages say little; empty if they do not."""
    count_heads: tuple[str, ...] = COUNT_HEADS
    average_heads: tuple[str, ...] = AVERAGE_HEADS


def object_section(content: Content, name: str) -> ObjectSection:
    """Give the counts and averages of each class, and what they mean."""
    lines = tuple(map(_line, content["classes"]))
    return ObjectSection(
        title=name,
        compared=_compared(content),
        iou=f"{content['iou']:g}",
        lines=lines,
        overall=_line({**content["overall"], "name": "all classes"}) if len(lines) > 1 else None,
        about_averages=_about_averages(content),
        caution=_caution(content),
    )


def object_facts(content: Content) -> Iterator[Fact]:
    """Give what a reader wants to know first."""
    overall = content["overall"]
    yield Fact(f"of the objects found ({content['reference']})", percent(overall["recall"]))
    yield Fact("F1 of objects", score(overall["f1"]))


def object_limits(content: Content, name: str) -> Iterator[str]:
    """Say what the scores of objects do not tell."""
    yield (
        f"The scores of {name} hold for where the reference {content['reference']} lies, which has errors of its own. "
        "They count objects: how much of the area is right, they do not say."
    )
    absent = [r["name"] for r in content["classes"] if not r["reference"]]
    if absent:
        yield f"The reference has no object of {', '.join(absent)}: nothing is known about how well it is found."


def _line(record: Content) -> ObjectLine:
    counts = (*(number(record[key]) for key in _COUNTED), *(score(record[key]) for key in _SHARES))
    return ObjectLine(str(record["name"]), counts, tuple(score(record[key]) for key in _AVERAGES))


def _compared(content: Content) -> str:
    overall = content["overall"]
    images = f" in {count(content['images'], 'image')}" if content["kind"] != "vector" else ""
    return (
        f"{content['predicted']} was compared with {content['reference']}{images}. "
        f"Of {count(overall['reference'], 'object')} of the reference {number(overall['found'])} were found and "
        f"{number(overall['missed'])} missed; of {count(overall['predicted'], 'prediction')} "
        f"{number(overall['false'])} are false."
    )


def _about_averages(content: Content) -> str:
    most = content["max_detections"]
    taken = "" if most is None else f" The {count(most, 'surest prediction')} of each image and class are taken."
    return (
        "AP50 is average precision at an IoU of 0.5: the predictions are gone through from the surest on, one is right "
        "if what it shares with an object is at least half of what the two cover together, and the precision is "
        "averaged over all recalls; 1 means that every object is found, and every false prediction is less sure. "
        "AR50 is the recall of all predictions at this IoU, and AP75 asks for an IoU of 0.75. AP and AR, the "
        f"scores of COCO, are means over IoU 0.50 to 0.95: they ask for exact outlines too.{taken}"
    )


def _caution(content: Content) -> str:
    why = _NO_ORDER.get(content["order"])
    return "" if why is None else f"{why}: average precision says little here. Precision, recall and F1 tell more."
