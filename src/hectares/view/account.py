"""The account of a report: how things were made, what belongs together, and what it is not good for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

from hectares.core.gaps import KEY, Gaps
from hectares.view.numbers import count, difference, percent, score
from hectares.view.tables import Content, Fact

_LOSSES = {
    "ce": "cross-entropy",
    "bce": "binary cross-entropy",
    "dice": "Dice",
    "log-dice": "log-Dice",
    "jaccard": "Jaccard",
    "log-jaccard": "log-Jaccard",
    "focal": "focal",
    "tversky": "Tversky",
    "lovasz": "Lovász",
}
_TERM = re.compile(r"(?:(?P<weight>[\d.]+)\*)?(?P<name>[a-z-]+)")
_OPTIMIZERS = {
    "adam": "Adam",
    "adamw": "AdamW",
    "adamax": "Adamax",
    "nadam": "NAdam",
    "sgd": "stochastic gradient descent",
}
_STARTS = {"none": "from random weights", "imagenet": "from weights learned on ImageNet"}
_BIAS = 0.1
"""Share by which a class may be over- or underpredicted before the page warns of its area."""


# --- How it was made --------------------------------------------------------------------------------------


def training_story(segmenter: Content) -> tuple[str, ...]:
    """Tell in sentences how a segmenter came about, from the content of `segmenter.json`."""
    return tuple(_training_sentences(segmenter))


def _training_sentences(segmenter: Content) -> Iterator[str]:
    spec, config = segmenter["spec"], segmenter["config"]
    options = ", ".join(f"{k} {v}" for k, v in spec["options"].items() if v is not None)
    bands = spec["stats"]["names"]
    classes = [c["name"] for c in spec["legend"]["classes"]]
    listed = ", ".join(bands) if len(bands) <= 6 else f"{', '.join(bands[:3])} … {bands[-1]}"
    yield (
        f"The network is {spec['network']}{f' ({options})' if options else ''}. It takes {count(len(bands), 'band')} "
        f"({listed}) and tells {count(len(classes), 'class', 'classes')} apart: {', '.join(classes)}."
    )
    chips, scenes = sum(len(f["windows"]) for f in spec["footprint"]), len(spec["footprint"])
    gsd = f", of pixels of {spec['gsd_m']:.3g} m" if spec.get("gsd_m") else ""
    if chips:
        yield (
            f"It learned from {count(chips, 'chip')} of {spec['tile_px']} × {spec['tile_px']} px{gsd}, cut from "
            f"{count(scenes, 'labelled image')}; some of them served only to choose the best epoch."
        )
    loss = _loss_in_words(str(config.get("loss", "auto")), overlapping=bool(spec.get("multilabel")))
    weights, optimizer = str(config.get("weights", "none")), str(config.get("optimizer"))
    start = _STARTS.get(weights, f"from the weights in {weights}")
    yield (
        f"Training started {start} and ran for {count(segmenter['epochs'], 'epoch')} in batches of "
        f"{config.get('batch')}, lowering the {loss} loss with {_OPTIMIZERS.get(optimizer, optimizer)}."
    )
    best = segmenter["best"]
    by_miou = config.get("choose_by") == "miou"
    why = "highest mean IoU on the validation chips" if by_miou else "lowest validation loss"
    yield (
        f"Epoch {best['epoch']:.0f} was kept, the one with the {why}: its loss there was {_brief(best['val_loss'])}, "
        f"and its mean IoU {score(best['val_miou'])}."
    )


def _loss_in_words(text: str, *, overlapping: bool) -> str:
    """Give a loss as people say it.

    >>> _loss_in_words("bce+0.5*log-jaccard", overlapping=True)
    'binary cross-entropy plus 0.5 × log-Jaccard'
    """
    if text == "auto":
        text = "bce" if overlapping else "ce+dice"
    words = []
    for term in text.split("+"):
        found = _TERM.match(term.strip())
        if found is None:
            return text
        name = _LOSSES.get(found["name"], found["name"])
        words.append(f"{found['weight']} × {name}" if found["weight"] else name)
    return " plus ".join(words)


def mapping_story(name: str, provenance: Content) -> tuple[str, ...]:
    """Tell in sentences how a map was made; nothing for a map that does not say."""
    if not provenance:
        return (f"How the map {name} was made is not known: it carries no provenance.",)
    if "tile_px" not in provenance:
        return ()
    height, width = provenance["tile_px"]
    sentence = (
        f"The map {name} was made from the scene {provenance.get('scene')} with hectares {provenance.get('version')}: "
        f"the network looked at windows of {width} × {height} px which overlap by {provenance.get('overlap_px')} px, "
        "and every pixel was taken from the window in whose middle part it lies."
    )
    seams = provenance.get("seams") or {}
    return (sentence,) if seams.get("ratio") is None else (sentence, _seams_sentence(seams))


def _seams_sentence(seams: Content) -> str:
    """Say whether labels change more often where two windows meet.

    >>> _seams_sentence({"ratio": 1.5, "low": 1.2, "high": 1.9}).partition("(")[2]
    '95 % interval 1.20 to 1.90): the borders of windows show in the map.'
    """
    often = f"Classes change {seams['ratio']:.2f} times as often where two windows meet as inside of them"
    if seams.get("low") is None:
        return f"{often}."
    low, high = seams["low"], seams["high"]
    shown = "the borders of windows show in the map" if low > 1 else "the borders of windows do not show in the map"
    return f"{often} (95 % interval {low:.2f} to {high:.2f}): {shown}."


def _brief(value: float | None) -> str:
    return "not known" if value is None else f"{value:.3g}"


# --- What belongs together --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Piece:
    """An artefact of the page and what it says it was made from."""

    name: str
    kind: str
    """class map, scene, segmenter, chips, areas, estimate, change, polygons, evaluation, objects or comparison."""
    sha256: str
    content: Content

    @property
    def inputs(self) -> Mapping[str, str]:
        """SHA-256 of each input, by its role."""
        return self.content.get("inputs", {})  # type: ignore[no-any-return]  # JSON


@dataclass(frozen=True, slots=True)
class Check:
    """Whether two artefacts belong together."""

    about: Piece
    """The one that says what it was made from."""
    holds: bool
    sentence: str

    @property
    def misleads(self) -> bool:
        """True if numbers stand on the page that are not of what it shows; a map may well lie on another scene."""
        return not self.holds and self.about.kind not in {"class map", "segmenter"}


_KIND_OF_INPUT = {"map": "class map", "scene": "scene", "segmenter": "segmenter", "chips": "chips"}
_OF_SEVERAL_MAPS = {"areas", "change"}
_VERBS = {
    "class map": ("was made from", "was not made from"),
    "areas": ("were counted from", "were not counted from"),
    "estimate": ("was made for", "was not made for"),
    "polygons": ("were made from", "were not made from"),
    "change": ("was counted from", "was not counted from"),
    "evaluation": ("scores", "does not score"),
    "segmenter": ("learned from", "did not learn from"),
}


def belong_together(pieces: Sequence[Piece]) -> list[Check]:
    """Compare the inputs of each artefact with the others on the page, by their SHA-256."""
    return [check for piece in pieces for check in _checks(piece, pieces)]


def _checks(piece: Piece, pieces: Sequence[Piece]) -> Iterator[Check]:
    if piece.kind not in _VERBS:  # reference areas are counted from a map that is rarely on the page
        return
    if piece.kind in _OF_SEVERAL_MAPS:
        yield from _checks_of_maps(piece, [p for p in pieces if p.kind == "class map"])
    for role, sha256 in sorted(piece.inputs.items()):
        if role == "map" and piece.kind in _OF_SEVERAL_MAPS:
            continue
        given = [p for p in pieces if p.kind == _KIND_OF_INPUT.get(role)]
        if not given and role == "segmenter" and piece.kind == "evaluation":
            for maker in (p for p in pieces if p.kind == "class map" and "segmenter" in p.inputs):
                same = maker.inputs["segmenter"] == sha256
                yield _check(piece, f"the segmenter that made the class map {maker.name}", holds=same)
        elif given:
            match = next((p for p in given if p.sha256 == sha256), None)
            listed = match.name if match else " or ".join(p.name for p in given)
            yield _check(piece, f"the {given[0].kind} {listed}", holds=match is not None)


def _checks_of_maps(piece: Piece, maps: Sequence[Piece]) -> Iterator[Check]:
    """Compare with the maps of the page: one of two dates or of several maps may be missing, but not all."""
    ours = [p for p in maps if p.sha256 in piece.inputs.values()]
    for found in ours:
        yield _check(piece, f"the class map {found.name}", holds=True)
    if maps and not ours:
        yield _check(piece, f"the class map {' or '.join(p.name for p in maps)}", holds=False)


def _check(piece: Piece, other: str, *, holds: bool) -> Check:
    verb = _VERBS[piece.kind][0 if holds else 1]
    return Check(piece, holds, f"The {piece.kind} {piece.name} {verb} {other}.")


def stamp_facts(content: Content) -> tuple[Fact, ...]:
    """Give version, inputs and settings of an artefact, complete, for the table of sources."""
    facts = []
    if content.get("version"):
        facts.append(Fact("written by", f"hectares {content['version']}, Python {content.get('python', 'unknown')}"))
    facts += [Fact(f"made from {name}", str(sha)) for name, sha in sorted(content.get("inputs", {}).items())]
    named = (("facts", "run on"), ("config", "settings"))
    facts += [Fact(name, _flat(content[key])) for key, name in named if content.get(key)]
    return tuple(facts)


def _flat(settings: Mapping[str, Any]) -> str:
    """Write settings on one line.

    >>> _flat({"seed": 0, "legend": None, "without": []})
    'legend none · seed 0 · without none'
    """
    return " · ".join(f"{k.rstrip('_')} {_setting(v)}" for k, v in sorted(settings.items()))


def _setting(value: object) -> str:
    """Write a setting; of a path only its name, since the page leaves the machine.

    >>> _setting(["a=1", "b=2"]), _setting("/home/ann/legend.json"), _setting("3/8"), _setting([])
    ('a=1, b=2', 'legend.json', '3/8', 'none')
    """
    if isinstance(value, (list, tuple)):
        return ", ".join(_setting(v) for v in value) or "none"
    if isinstance(value, str) and (PurePosixPath(value).is_absolute() or PureWindowsPath(value).is_absolute()):
        return PureWindowsPath(value).name
    return "none" if value is None else str(value)


def map_notes(provenance: Content, shape: tuple[int, int], step: int, *, has_nodata: bool) -> Iterator[str]:
    """Say what to know when looking at the picture of a map."""
    if step > 1:
        yield f"The picture is reduced: one of its pixels stands for {step} × {step} of the map."
    if has_nodata:
        yield "What is pale has no class: the sensor saw nothing there."
    for gap in Gaps.told_by(provenance).sentences():
        yield f"The map has gaps, where it has no class though something may be there: {gap}."
    share = seen_share(provenance.get("trained_on", ()), shape)
    if share > 0:
        yield f"{percent(share)} of this place was seen in training: there the map looks better than it is elsewhere."


def seen_share(windows: Sequence[Sequence[int]], shape: tuple[int, int]) -> float:
    """Give the share of a scene that was seen in training, to about a thousandth of its sides.

    >>> seen_share([(0, 0, 5, 10), (0, 0, 5, 4)], (10, 10))
    0.5
    """
    step = -(-max(shape) // 1000)
    seen = np.zeros([-(-length // step) for length in shape], np.bool_)
    for row, col, height, width in windows:
        seen[row // step : -(-(row + height) // step), col // step : -(-(col + width) // step)] = True
    return float(seen.mean())


# --- Limits -----------------------------------------------------------------------------------------------


def area_limits(areas: Content) -> Iterator[str]:
    """Say what a table of mapped areas is not."""
    if areas["kind"] != "mapped":
        return
    yield (
        f"The areas of {areas['map']} are mapped areas: counted from the map, they carry the map's errors. They are no "
        "estimate with a confidence interval; that takes a sample of reference points."
    )
    if str(areas["method"]).startswith("nominal"):
        yield "The map has no coordinates: its areas rest on a pixel size given by hand."
    unseen = 1 - areas["coverage"]
    if unseen > 0:
        yield (
            f"{percent(unseen)} of {areas['map']} is nodata: what lies there is not known and in no class. "
            "Shares are shares of what was observed."
        )
    for gaps in areas.get(KEY, ()):
        for gap in Gaps.told_by({KEY: gaps}).sentences():
            yield f"The map has gaps, whose areas are in no class: {gap}."


def score_limits(evaluation: Content, name: str) -> Iterator[str]:
    """Say what scores do not tell."""
    split = evaluation.get("split")
    if evaluation.get("subject") == "chips" and split == "test":
        yield (
            f"The scores of {name} come from the test split: places that training did not see, but from the same "
            "images or campaign. Another region, season or sensor can do worse."
        )
    elif evaluation.get("subject") == "chips":
        yield (
            f"The scores of {name} come from the {split} split, which training or the choice of the best epoch "
            "has seen: they are too good for new places."
        )
    else:
        yield f"The scores of {name} hold for where the reference lies, and the reference has errors of its own."
    yield from _biases(evaluation["classes"])
    for record in evaluation["classes"]:
        if not record["reference_px"]:
            yield (
                f"{record['class_name']} is not in the scored reference "
                f"({count(record['predicted_px'], 'pixel')} predicted as it): "
                "nothing is known about how well it is mapped."
            )


def _biases(classes: Sequence[Content]) -> Iterator[str]:
    """Say which classes are predicted more or less often than they are there: their areas go wrong alike."""
    ratios = {r["class_name"]: r["predicted_px"] / r["reference_px"] for r in classes if r["reference_px"]}
    for more, way, chosen in (
        ("more", "large", {name: ratio for name, ratio in ratios.items() if ratio > 1 + _BIAS}),
        ("fewer", "small", {name: ratio for name, ratio in ratios.items() if ratio < 1 - _BIAS}),
    ):
        if chosen:
            listed = ", ".join(f"{name} ({difference(ratio, 1.0)})" for name, ratio in chosen.items())
            yield (
                f"Among the scored pixels {more} were predicted than the reference has of {listed}: "
                f"the mapped area of {'these' if len(chosen) > 1 else 'it'} is probably too {way}."
            )


NO_SCORES = "No evaluation was given: this page does not say how good the map is."
