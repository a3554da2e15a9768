"""The table of commands, in the order of `--help`."""

from __future__ import annotations

from hectares.cli.chain import evaluate, measure, predict, prepare, report, train
from hectares.cli.compare import compare, recipes
from hectares.cli.export import export, segmenters
from hectares.cli.lookup import check, demo, formats, info, init
from hectares.cli.networks import networks
from hectares.cli.presets import presets
from hectares.cli.sources import labels
from hectares.cli.weights import weights

COMMANDS = (
    init,
    demo,
    formats,
    networks,
    segmenters,
    weights,
    presets,
    recipes,
    check,
    info,
    labels,
    prepare,
    train,
    predict,
    evaluate,
    compare,
    measure,
    report,
    export,
)
