"""The table of commands, in the order of `--help`."""

from __future__ import annotations

from hectares.cli.chain import evaluate, measure, predict, prepare, report, train
from hectares.cli.lookup import check, demo, formats, info, init, networks
from hectares.cli.sources import labels

COMMANDS = (init, demo, formats, networks, check, info, labels, prepare, train, predict, evaluate, measure, report)
