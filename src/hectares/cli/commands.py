"""The table of commands, in the groups and the order of `--help`."""

from __future__ import annotations

from hectares.cli.assemble import assemble
from hectares.cli.chain import evaluate, measure, predict, prepare, report, train
from hectares.cli.compare import compare, recipes
from hectares.cli.contest import contest
from hectares.cli.estimate import change, estimate
from hectares.cli.export import export, segmenters
from hectares.cli.lookup import check, demo, formats, info, init
from hectares.cli.networks import networks
from hectares.cli.objects import objects
from hectares.cli.polygons import vectorize
from hectares.cli.presets import presets
from hectares.cli.quantize import quantize
from hectares.cli.serve import serve
from hectares.cli.sources import labels
from hectares.cli.survey import sample
from hectares.cli.verify import verify
from hectares.cli.view import view
from hectares.cli.weights import weights

GROUPS = {
    "Start": (init, demo, serve),
    "From labels to a segmenter": (check, labels, prepare, train, compare, export, quantize),
    "From scenes to maps": (predict, assemble, evaluate, objects, contest),
    "From maps to hectares": (measure, sample, estimate, change),
    "For people and GIS": (vectorize, view, report),
    "What is this, and is it right?": (info, verify),
    "What there is to choose from": (formats, networks, weights, presets, recipes, segmenters),
}
"""The commands, in the order of work."""

COMMANDS = tuple(function for group in GROUPS.values() for function in group)
