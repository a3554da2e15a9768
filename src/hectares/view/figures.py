"""Figures of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from hectares.core.confusion import Confusion
from hectares.core.legend import Legend
from hectares.view.render import Picture


def draw_history(rows: Sequence[Mapping[str, float]], path: Path) -> None:
    """Draw the learning curve with the best epoch marked."""
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    loss, score = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in rows]
    best = int(np.nanargmin([row["val_loss"] for row in rows]))
    for key, label in (("train_loss", "training"), ("val_loss", "validation")):
        loss.plot(epochs, [row[key] for row in rows], label=label)
    score.plot(epochs, [row["val_miou"] for row in rows], label="mean IoU, validation", color="C2")
    for axes, title in ((loss, "Loss"), (score, "Mean IoU")):
        axes.axvline(epochs[best], color="0.6", linestyle=":", label=f"best epoch, {epochs[best]:.0f}")
        axes.set(title=title, xlabel="epoch")
        axes.legend()
    figure.savefig(path, dpi=110)


@dataclass(frozen=True, eq=False)
class Example:
    """One place, as seen, as it is, and as predicted."""

    title: str
    picture: Picture | None
    """The image, (h, w, 3), if there is one."""
    reference: NDArray[np.uint8]
    """Class indices."""
    predicted: NDArray[np.uint8]
    accuracy: float


def draw_evaluation(path: Path, confusion: Confusion, legend: Legend, examples: Sequence[Example]) -> None:
    """Draw the confusion matrix, and examples from the worst to the best."""
    raise NotImplementedError
