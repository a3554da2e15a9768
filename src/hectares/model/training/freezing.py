"""Which part of an encoder learns in which epoch, and how fast.

A frozen part keeps its weights and the statistics of its normalization. What is frozen is a function of the epoch
alone, so that a resumed run does what the unbroken one does.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from torch import nn

from hectares.errors import ConfigError
from hectares.model.weights.encoder_parts import encoder_of, stages_of


class Freezing:
    """Freezes the encoder of a network for some epochs, then lets it learn at once or stage by stage.

    With `epochs=3, every=2` and five stages, epochs 0 to 2 leave the encoder as it is; in epoch 3 its deepest stage
    begins to learn, in epoch 5 the next one, and from epoch 11 all of it learns;
    `epochs=None` freezes it for good. Parts that were frozen before this
    object came to be stay so for good. `learn_from_start` names arrays of the encoder that are never frozen, such as
    a first layer that was given to other bands.

    >>> Freezing(nn.Module(), epochs=0).is_frozen(0)
    False
    """

    def __init__(
        self, network: nn.Module, *, epochs: int | None, every: int = 0, learn_from_start: Collection[str] = ()
    ) -> None:
        if every < 0 or (epochs is not None and epochs < 0):
            raise ConfigError(f"epochs to freeze are {epochs} and {every}; expected 0 or more")
        if every and epochs == 0:
            raise ConfigError("--unfreeze-every says how the encoder thaws; it needs --freeze-epochs of 1 or more")
        self.epochs = epochs
        self._every = every
        self._stages: list[list[nn.Parameter]] = []
        self._parts: list[tuple[nn.Module, int]] = []
        """Modules of the encoder, with the stage whose mode they follow; -1 for those that are frozen for good."""
        if epochs != 0:
            encoder = encoder_of(network, "freezing")
            free = {id(p) for name, p in encoder.named_parameters() if name in learn_from_start}
            self._stages = [[p for p in stage if p.requires_grad and id(p) not in free] for stage in stages_of(encoder)]
            self._parts = [(part, self._stage_of(part)) for part in encoder.modules() if not _is_free(part, free)]

    @property
    def stages(self) -> int:
        """Number of stages of the encoder; 0 if nothing is ever frozen."""
        return len(self._stages)

    def learning_from(self, epoch: int) -> int:
        """Give the shallowest stage that learns in an epoch, counted from 0; `stages` if none does."""
        if self.epochs is None or epoch < self.epochs:
            return self.stages
        thawed = 1 + (epoch - self.epochs) // self._every if self._every else self.stages
        return max(0, self.stages - thawed)

    def is_frozen(self, epoch: int) -> bool:
        """True if a part of the encoder is frozen in an epoch."""
        return self.learning_from(epoch) > 0

    def apply(self, epoch: int) -> None:
        """Freeze and thaw as an epoch wants it, for training. Cheap: call it before every step."""
        if not self._stages:
            return
        first = self.learning_from(epoch)
        for number, stage in enumerate(self._stages):
            for parameter in stage:
                if parameter.requires_grad != (number >= first):
                    parameter.requires_grad_(number >= first)
                    parameter.grad = None
        for part, number in self._parts:
            if part.training != (number >= first):
                part.training = number >= first

    def _stage_of(self, part: nn.Module) -> int:
        """The stage of the module's own parameters; a module without any learns when all do, as dropout."""
        own = {id(p) for p in part.parameters(recurse=False)}
        if not own:
            return 0
        found = [n for n, stage in enumerate(self._stages) if own & {id(p) for p in stage}]
        return min(found) if found else -1


def _is_free(part: nn.Module, free: Collection[int]) -> bool:
    return any(id(p) in free for p in part.parameters(recurse=False))


def parameter_groups(network: nn.Module, *, lr: float, encoder_lr: float | None = None) -> list[dict[str, Any]]:
    """Give the groups of parameters for an optimizer, each with the highest learning rate that it will see.

    Without a learning rate for the encoder there is one group, in the order of the network.

    >>> [len(g["params"]) for g in parameter_groups(nn.Linear(2, 1), lr=0.1)]
    [2]
    """
    if encoder_lr is None:
        return [{"params": list(network.parameters()), "lr": lr, "highest_lr": lr}]
    if encoder_lr <= 0:
        raise ConfigError(
            f"--encoder-lr is {encoder_lr}; expected more than 0; --freeze-epochs keeps the encoder as it is"
        )
    inside = list(encoder_of(network, f"--encoder-lr {encoder_lr}").parameters())
    known = {id(p) for p in inside}
    outside = [p for p in network.parameters() if id(p) not in known]
    return [
        {"params": outside, "lr": lr, "highest_lr": lr},
        {"params": inside, "lr": encoder_lr, "highest_lr": encoder_lr},
    ]
