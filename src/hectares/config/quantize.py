"""Knobs of `quantize`."""

from __future__ import annotations

from dataclasses import dataclass

from hectares.config.checks import at_least


@dataclass(frozen=True, slots=True)
class QuantizeConfig:
    """How a segmenter gets a form in int8, and how that is compared with the one in fp32."""

    calibrate: int = 64
    """Training chips, spread evenly over all, that tell how large values become inside the network."""
    compare: int = 256
    """Chips of the val split, and of the test split, on which both forms are compared."""
    keep: bool = False
    """Keep the form even if it decides otherwise too often; predict then takes it only with --precision int8."""
    threads: int | None = None
    """Processors that the network may use; by default all. The form is the same."""

    def __post_init__(self) -> None:
        at_least(1, calibrate=self.calibrate, compare=self.compare, threads=self.threads)
