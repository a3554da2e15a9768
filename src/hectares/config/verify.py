"""Knobs of `verify`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hectares.config.checks import at_least, between


@dataclass(frozen=True, slots=True)
class VerifyConfig:
    """How far a file is compared with what it was made from."""

    scene: str | None = None
    """The scene of a map, FILE or FILE+FILE; by default it is looked for beside the map, by the name in it."""
    run: Path | None = None
    """The run of a map, or builtin:NAME; by default it is looked for beside the map, by its hash."""
    map: tuple[Path, ...] = ()
    """The map of a table of areas, a sample or an evaluation, several in their order; by default looked for near it."""
    zones: str | None = None
    """The zones of a table of areas, FILE or FILE:LAYER; by default they are looked for beside it."""
    windows: int = 3
    """Windows of a map that are predicted again and compared; 0 for none."""
    seed: int = 0
    """Seed of the choice of windows."""
    least_agreement: float = 0.999
    """Share of the pixels of these windows that must come out the same; other machines give other last bits."""

    def __post_init__(self) -> None:
        at_least(0, windows=self.windows)
        between(0, 1, least_agreement=self.least_agreement)
