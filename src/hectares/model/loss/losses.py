"""Losses on logits. Every one honors ignore: what the logits are where the label is 255 has no influence at all.

A loss is asked for by name, or as a sum: ce, ce+0.5*dice, bce+log-jaccard, focal(gamma=3). It fits labels with one
class a pixel (softmax), labels with one plane a class (sigmoid), or both. Arithmetic is in float32 whatever the logits
are. Each honors weights of classes and of pixels: a pixel of weight 2 counts as if it were there twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from hectares.core.legend import IGNORE
from hectares.errors import ConfigError
from hectares.model.loss.terms import Parameter, parse_terms

_TINY = 1e-12
_EMPTY = 1e-6
"""Pixels added above and below the line of a share, so that its logarithm and gradient are finite."""


class Loss(Protocol):
    """What training minimizes."""

    def __call__(
        self, logits: Tensor, label: Tensor, class_weights: Tensor | None = None, pixel_weights: Tensor | None = None
    ) -> Tensor:
        """Give a scalar from logits (B, K, H, W) and a label: (B, H, W) indices or (B, K, H, W) planes of 0 and 1.

        Labels are int64 with 255 for ignore, weights of classes (K,), weights of pixels (B, H, W).
        """
        ...


@dataclass(frozen=True, slots=True)
class Known:
    """A batch in which what is ignored has logit 0, target 0 and share 0."""

    logits: Tensor
    """(B, K, H, W) float32."""
    target: Tensor
    """Index (B, H, W) int64, or planes (B, K, H, W) float32."""
    share: Tensor
    """What each pixel, or each pixel of a plane, counts; float32 like the target."""
    class_weights: Tensor | None

    @classmethod
    def of(cls, logits: Tensor, label: Tensor, class_weights: Tensor | None, pixel_weights: Tensor | None) -> Known:
        """Mask what is ignored."""
        planes = label.dim() == logits.dim()
        known = label != IGNORE
        target = torch.where(known, label, 0)
        share = known.float()
        if pixel_weights is not None:
            share = share * (pixel_weights.float().unsqueeze(1) if planes else pixel_weights.float())
        return cls(
            torch.where(known if planes else known.unsqueeze(1), logits.float(), 0.0),
            target.float() if planes else target,
            share,
            None if class_weights is None else class_weights.float(),
        )

    @property
    def planes(self) -> bool:
        """True if classes may overlap."""
        return self.target.dim() == self.logits.dim()

    @property
    def weight(self) -> Tensor:
        """The share times the weight of the pixel's class; in planes, that of the class where it is."""
        if self.class_weights is None:
            return self.share
        if self.planes:
            return self.share * torch.where(self.target > 0, self.class_weights[:, None, None], 1.0)
        return self.share * self.class_weights[self.target]

    def by_class(self) -> tuple[Tensor, Tensor, Tensor]:
        """Give scores, target and share, each (B, K, H, W), the share possibly with a K of 1."""
        if self.planes:
            return self.logits.sigmoid(), self.target, self.share
        target = F.one_hot(self.target, self.logits.shape[1]).movedim(-1, 1).float()
        return self.logits.softmax(dim=1), target, self.share.unsqueeze(1)

    def mean(self, each: Tensor, present: Tensor) -> Tensor:
        """Give the mean over the classes (K,) that are there, by their weight."""
        share = present.float() if self.class_weights is None else present * self.class_weights
        return (each * share).sum() / share.sum().clamp(min=_TINY)


# --- Pixel by pixel ---------------------------------------------------------------------------------------


def cross_entropy(known: Known, *, smoothing: float = 0.0) -> Tensor:
    """Mean cross entropy of the softmax, as torch has it."""
    each = F.cross_entropy(
        known.logits, known.target, weight=known.class_weights, reduction="none", label_smoothing=smoothing
    )
    return (each * known.share).sum() / known.weight.sum().clamp(min=_TINY)


def binary_cross_entropy(known: Known) -> Tensor:
    """Mean binary cross entropy of the sigmoid, as torch has it."""
    each = F.binary_cross_entropy_with_logits(known.logits, known.target, reduction="none")
    return (each * known.weight).sum() / known.weight.sum().clamp(min=_TINY)


def focal(known: Known, *, gamma: float) -> Tensor:
    """Mean cross entropy where a pixel counts by (1 - score of its class) to the power gamma."""
    if known.planes:
        each = F.binary_cross_entropy_with_logits(known.logits, known.target, reduction="none")
    else:
        each = F.cross_entropy(known.logits, known.target, reduction="none")
    # The score is exp(-each). The root of 0 has no gradient, hence the limit.
    each = each * (-torch.expm1(-each)).clamp(min=1e-8) ** gamma
    return (each * known.weight).sum() / known.weight.sum().clamp(min=_TINY)


# --- Class by class ---------------------------------------------------------------------------------------


def tversky(known: Known, *, alpha: float, beta: float, log: bool = False) -> Tensor:
    """1 - hits / (hits + alpha x false alarms + beta x misses), or minus the logarithm of the share."""
    scores, target, share = known.by_class()
    axes = (0, 2, 3)
    hits = (share * scores * target).sum(axes)
    alarms = (share * scores * (1 - target)).sum(axes)
    misses = (share * (1 - scores) * target).sum(axes)
    index = (hits + _EMPTY) / (hits + alpha * alarms + beta * misses + _EMPTY)
    return known.mean(-index.log() if log else 1 - index, (share * target).sum(axes) > 0)


def dice(known: Known) -> Tensor:
    """1 - soft Dice."""
    return tversky(known, alpha=0.5, beta=0.5)


def log_dice(known: Known) -> Tensor:
    """Minus the logarithm of soft Dice."""
    return tversky(known, alpha=0.5, beta=0.5, log=True)


def jaccard(known: Known) -> Tensor:
    """1 - soft Jaccard."""
    return tversky(known, alpha=1.0, beta=1.0)


def log_jaccard(known: Known) -> Tensor:
    """Minus the logarithm of soft Jaccard."""
    return tversky(known, alpha=1.0, beta=1.0, log=True)


def lovasz(known: Known) -> Tensor:
    """Lovász extension of the Jaccard loss: of softmax scores, or of hinges of the planes."""
    scores, target, share = known.by_class()
    errors = (1 - known.logits * (2 * target - 1)).relu() if known.planes else (target - scores).abs()
    flat = [part.expand_as(errors).transpose(0, 1).flatten(1) for part in (errors, target, share)]
    order = flat[0].detach().argsort(dim=1, descending=True)
    errors, target, share = (part.gather(1, order) for part in flat)
    # In double precision, as differences of neighbors in a sum over all pixels are wanted.
    held = (share * target).double()
    total = held.sum(dim=1, keepdim=True)
    union = total + (share * (1 - target)).double().cumsum(dim=1)
    lost = 1 - (total - held.cumsum(dim=1)) / union.clamp(min=_TINY)
    steps = torch.diff(lost, dim=1, prepend=torch.zeros_like(total)).float()
    return known.mean((errors * steps).sum(dim=1), total.squeeze(1) > 0)


# --- By name ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LossEntry:
    """A loss that can be asked for."""

    function: Callable[..., Tensor]
    """Takes `Known` and the parameters."""
    summary: str
    source: str
    fits: Literal["classes", "planes", "both"]
    """One class a pixel, one plane a class, or both."""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    def suits(self, *, multilabel: bool) -> bool:
        """True if it fits the kind of label."""
        return self.fits in {"both", "planes" if multilabel else "classes"}


LOSSES: dict[str, LossEntry] = {
    "ce": LossEntry(
        cross_entropy, "cross entropy: all pixels count the same", "Szegedy et al. 2016 (CVPR) for smoothing",
        "classes", {"smoothing": Parameter(0.0, 0.0, 0.99)},
    ),
    "bce": LossEntry(binary_cross_entropy, "binary cross entropy, a question for each class", "torch", "planes"),
    "jaccard": LossEntry(jaccard, "1 - soft Jaccard (IoU)", "Rahman and Wang 2016 (ISVC)", "both"),
    "log-jaccard": LossEntry(
        log_jaccard, "minus the logarithm of soft Jaccard; bce+log-jaccard is BCE - log Jaccard",
        "Iglovikov, Mushinskiy and Osin 2017 (arXiv 1706.06169)", "both",
    ),
    "dice": LossEntry(dice, "1 - soft Dice (F1)", "Milletari, Navab and Ahmadi 2016 (3DV)", "both"),
    "log-dice": LossEntry(log_dice, "minus the logarithm of soft Dice", "Wong et al. 2018 (MICCAI)", "both"),
    "focal": LossEntry(
        focal, "cross entropy with less weight on what is right already", "Lin et al. 2017 (ICCV)",
        "both", {"gamma": Parameter(2.0, 0.0, 10.0)},
    ),
    "lovasz": LossEntry(
        lovasz, "stands in for IoU itself; best after or with ce", "Berman, Triki and Blaschko 2018 (CVPR)", "both"
    ),
    "tversky": LossEntry(
        tversky, "Dice with a price for false alarms (alpha) and for misses (beta)",
        "Salehi, Erdogmus and Gholipour 2017 (MLMI)",
        "both", {"alpha": Parameter(0.3, 0.0, 10.0), "beta": Parameter(0.7, 0.0, 10.0)},
    ),
}  # fmt: skip
_USUAL = {False: "ce+dice", True: "bce"}


def find_loss(text: str, *, multilabel: bool = False) -> Loss:
    """Give a loss by name, or a weighted sum of some; `auto` is the usual one for the kind of label.

    Raises ConfigError with the place in the text and the known names, or those that fit the kind of label.

    >>> loss = find_loss("ce + 0.5*dice")
    >>> logits = torch.tensor([[[[20.0, -20.0]], [[-20.0, 20.0]]]])
    >>> float(loss(logits, torch.tensor([[[0, 1]]])))
    0.0
    """
    if text.strip() == "auto":
        text = _USUAL[multilabel]
    terms = parse_terms(text, what="loss", known={name: entry.parameters for name, entry in LOSSES.items()})
    for term in terms:
        if not LOSSES[term.name].suits(multilabel=multilabel):
            kind = "one plane a class" if multilabel else "one class a pixel"
            fitting = ", ".join(n for n, entry in LOSSES.items() if entry.suits(multilabel=multilabel))
            raise ConfigError(f"loss {term.name} does not fit chips with {kind}; choose {fitting}, or a sum of these")

    def loss(
        logits: Tensor, label: Tensor, class_weights: Tensor | None = None, pixel_weights: Tensor | None = None
    ) -> Tensor:
        known = Known.of(logits, label, class_weights, pixel_weights)
        values = [term.weight * LOSSES[term.name].function(known, **term.values) for term in terms]
        return torch.stack(values).sum()

    return loss
