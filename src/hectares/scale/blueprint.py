"""What finished batches are put together by: all that a map needs but pixels, scene and segmenter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from affine import Affine

from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.core.window import Tiling
from hectares.io.artefact import plain
from hectares.io.journal import Journal
from hectares.scale.assembling import Assembly
from hectares.scale.plan import WorkPlan
from hectares.scale.setup import Setup
from hectares.scale.tiles import Decision


@dataclass(frozen=True, eq=False)
class Blueprint:
    """How batches become a map, and what the map says of itself."""

    plan: WorkPlan
    grid: Grid
    """Of the map."""
    decision: Decision
    classes: int
    legend: Legend
    """Of the map."""
    scored: Legend
    """Of the scores: without a class for what is unsure."""
    provenance: Mapping[str, Any]

    @classmethod
    def of(cls, setup: Setup, grid: Grid) -> Blueprint:
        """Give the part of a prediction that is needed once all batches are computed."""
        work = setup.work
        return cls(setup.plan, grid, work.decision, work.classes, setup.legend, setup.scored, setup.provenance)

    def assembly(self, journal: Journal) -> Assembly:
        """Give the batches that a journal keeps as one scene, where tiles and map have the same pixels."""
        return Assembly(self.plan, self.grid, journal, self.decision, self.classes)

    def to_json(self) -> dict[str, Any]:
        """Give a record that `from_json` reads back to the bit."""
        return {
            "tiling": asdict(self.plan.tiling),
            "batch": self.plan.batch,
            "crs": self.grid.crs,
            "transform": list(self.grid.transform)[:6],
            "decision": plain(asdict(self.decision)),
            "classes": self.classes,
            "legend": self.legend.to_json(),
            "scored": self.scored.to_json(),
            "provenance": plain(self.provenance),
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Blueprint:
        """Read a record of `to_json`. Raises KeyError, TypeError or ValueError if it is none."""
        tiling = dict(record["tiling"])
        tiling["shape"] = tuple(tiling["shape"])
        decision = dict(record["decision"])
        if decision["factors"] is not None:
            decision["factors"] = np.array(decision["factors"], np.float32)
        return cls(
            plan=WorkPlan(Tiling(**tiling), int(record["batch"])),
            grid=Grid(record["crs"], Affine(*record["transform"]), tiling["shape"]),
            decision=Decision(**decision),
            classes=int(record["classes"]),
            legend=Legend.from_json(record["legend"]),
            scored=Legend.from_json(record["scored"]),
            provenance=record["provenance"],
        )
