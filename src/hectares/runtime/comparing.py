"""Several forms of one network on the same chips: how often they decide alike, and how well each scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.core.confusion import Confusion, PlaneConfusion
from hectares.core.legend import IGNORE
from hectares.runtime.protocol import Runtime
from hectares.runtime.scoring import ChipFeed, Scorer, known_label

_BATCH = 4


def compare_forms(
    reference: Runtime,
    forms: Mapping[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]],
    feed: ChipFeed,
    numbers: Sequence[int],
    told: Callable[[int], None],
) -> dict[str, dict[str, float]]:
    """Give for each form its agreement with a reference on valid pixels, and the mean IoU of both.

    A mean IoU is NaN where no chip has a label.
    """
    scorer, classes = Scorer(reference), len(reference.spec.legend)
    names = ["", *forms]
    tables = {n: PlaneConfusion.empty(classes) if scorer.multilabel else Confusion.empty(classes) for n in names}
    same, total = dict.fromkeys(forms, 0), 0
    for start in range(0, len(numbers), _BATCH):
        batch = numbers[start : start + _BATCH]
        chips = [feed.reader.read(n) for n in batch]
        images = np.stack([feed.scaling(n).apply(c.image) * c.valid for n, c in zip(batch, chips, strict=True)])
        answers = {"": reference.logits(images), **{name: answer(images) for name, answer in forms.items()}}
        for position, chip in enumerate(chips):
            decided = {name: scorer.decide(answer[position], chip) for name, answer in answers.items()}
            known = decided[""] != IGNORE
            total += int(known.sum())
            for name, found in decided.items():
                if name:
                    same[name] += int((found == decided[""])[known].sum())
                tables[name] += _count(known_label(chip), found, classes, planes=scorer.multilabel)
        told(start + len(batch))
    full = tables[""].mean_iou
    return {
        name: {
            "chips": len(numbers),
            "agreement": same[name] / max(1, total),
            "miou": tables[name].mean_iou,
            "fp32_miou": full,
        }
        for name in forms
    }


def _count(label: NDArray[np.uint8], found: NDArray[np.uint8], classes: int, *, planes: bool) -> Any:
    # of the type of the table it is added to
    return PlaneConfusion.count(label, found) if planes else Confusion.count(label, found, classes=classes)
