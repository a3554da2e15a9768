"""What is needed to put batches together survives being written down."""

from __future__ import annotations

import json

import numpy as np
import pytest
from affine import Affine

from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.core.unsure import with_unsure
from hectares.core.window import Tiling
from hectares.io.artefact import dump_json
from hectares.scale.blueprint import Blueprint
from hectares.scale.plan import WorkPlan
from hectares.scale.tiles import Decision


@pytest.mark.parametrize("crs", ["EPSG:32633", None])
def test_a_blueprint_comes_back_to_the_bit(legend: Legend, crs: str | None):
    factors = np.array([1 / 3, 0.1, 1e-7], np.float32)
    grid = Grid(crs, Affine(0.1, 0.3, 500_000.1, 0.2, -0.7, 5_000_000), (31, 47))
    made = Blueprint(
        WorkPlan(Tiling((31, 47), size=16, overlap=4, stride=4), 2),
        grid,
        Decision(temperature=1 / 3, kept="uint8", factors=factors, blended=True),
        3,
        with_unsure(legend.for_maps()),
        legend.for_maps(),
        {"scene": "a.tif", "inputs": {"scene": "ab"}},
    )
    record = json.loads(dump_json(made.to_json()))
    found = Blueprint.from_json(record)
    assert (found.plan, found.grid, found.legend, found.scored) == (made.plan, grid, made.legend, made.scored)
    assert found.decision.factors is not None
    assert found.decision.factors.tobytes() == factors.tobytes()
    assert json.loads(dump_json(found.to_json())) == record
