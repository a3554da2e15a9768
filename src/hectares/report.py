"""Artefacts to one self-contained HTML page for people: maps beside scenes, areas, scores, and where they come from.

Artefacts are known by what they hold, not by their names. The page needs no network and no other file, and the
same artefacts give the same bytes.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares import __version__
from hectares.config.report import ReportConfig
from hectares.core.confusion import Confusion
from hectares.core.grid import Grid, same_grid
from hectares.core.legend import Legend, hex_color
from hectares.errors import ArtefactError, HectaresError, InputError, RasterError
from hectares.io.artefact import read_artefact, read_json, sha256_file
from hectares.io.class_map import LEGEND_TAG, PROVENANCE_TAG, open_class_map
from hectares.io.outputs import staged_file
from hectares.io.raster import RasterFile, open_raster
from hectares.io.segmenter import StoredSegmenter, find_segmenter
from hectares.monitor import QUIET, Monitor, Problem, track
from hectares.view import account
from hectares.view.figures import areas_sheet, draw_evaluation, history_sheet
from hectares.view.numbers import NONE, count
from hectares.view.page import (
    AreaFigures,
    Check,
    Entry,
    Image,
    MapSection,
    Page,
    RunSection,
    SceneSection,
    ScoreFigures,
    Source,
    render_page,
)
