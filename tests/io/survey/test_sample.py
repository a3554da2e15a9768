"""The sample file: written, read back, labelled, and refused where labels do not fit."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyogrio
import pytest
from affine import Affine

from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.errors import ArtefactError, HectaresError, InputError, LegendError
from hectares.io.artefact import stamp
from hectares.io.survey.sample import Point, Sample, Stratum, count_labels, read_sample, save_sample

LEGEND = Legend.of({20: "water", 10: "forest"})
GRID = Grid("EPSG:32633", Affine(10, 0, 500_120, 0, -10, 5_000_370), (5, 7))
STRATA = (Stratum(1, "", 20, "water", 2000.0, 1500.0, 15, 2), Stratum(2, "", 10, "forest", 1000.0, 1000.0, 10, 3))
POINTS = tuple(
    Point(number, h, "", STRATA[h - 1].code, row, col, 15.0 + col / 1e4, 45.0, STRATA[h - 1].sampled_area_m2 / n)
    for number, h, row, col, n in ((1, 2, 0, 3, 3), (2, 1, 4, 6, 2), (3, 2, 1, 1, 3), (4, 1, 0, 0, 2), (5, 2, 2, 2, 3))
)


@pytest.fixture
def sample() -> Sample:
    """Two strata with 2 and 3 points, none labelled."""
    design = stamp("sample", config={}, inputs={"map": "ab12"}) | {"map": "map.tif", "seed": 4, "rounds": []}
    return Sample(POINTS, STRATA, LEGEND, GRID, design)


@pytest.fixture
def file(tmp_path: Path, sample: Sample) -> Path:
    """Give the sample as a file."""
    save_sample(tmp_path / "sample.gpkg", sample)
    return tmp_path / "sample.gpkg"


def _labels(folder: Path, *lines: str) -> Path:
    (folder / "labels.csv").write_text("\n".join(["id,label_code,label_class,confidence,note", *lines]) + "\n")
    return folder / "labels.csv"


def _change(file: Path, statement: str) -> None:
    """Edit a sample as a GIS would, whose triggers need its own functions."""
    with closing(sqlite3.connect(file)) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        database.execute(statement)
        database.commit()


# --- The file ---------------------------------------------------------------------------------------------


def test_what_is_read_is_what_was_written(file: Path, sample: Sample):
    assert read_sample(file) == replace(sample, design=read_sample(file).design)
    assert read_sample(file).design["seed"] == 4
    assert read_sample(file).map_sha256 == "ab12"


def test_the_same_sample_gives_the_same_bytes(file: Path, sample: Sample):
    save_sample(file.with_name("again.gpkg"), sample)
    assert file.with_name("again.gpkg").read_bytes() == file.read_bytes()


def test_a_gis_sees_points_at_pixel_centers_and_two_tables(file: Path):
    layers = dict(pyogrio.list_layers(file).tolist())
    assert {k: layers[k] for k in ("points", "strata", "design")} == {"points": "Point", "strata": None, "design": None}
    meta, _, wkb, _ = pyogrio.raw.read(file, layer="points")
    assert meta["crs"] == "EPSG:32633"
    assert np.frombuffer(wkb[0][5:], np.float64).tolist() == [500_155, 5_000_365]  # row 0, column 3
    assert {"label_code", "label_class", "confidence", "note", "weight_m2"} <= set(meta["fields"])


def test_a_gis_offers_the_classes_by_name(file: Path):
    with closing(sqlite3.connect(file)) as database:
        ((table, style),) = database.execute("SELECT f_table_name, styleQML FROM layer_styles").fetchall()
    assert table == "points"
    assert all(f'value="{name}"' in style for name in LEGEND.names)


def test_labelled_points_are_counted_by_stratum(sample: Sample):
    codes = [10, 20, 20, None, 10]
    points = tuple(replace(p, label_code=c) for p, c in zip(POINTS, codes, strict=True))
    found = replace(sample, points=points)
    assert found.counts().tolist() == [[[1, 0], [0, 0]], [[0, 0], [1, 2]]]
    assert found.survey([1]).points.tolist() == [3]
    with pytest.raises(InputError, match="stratum 0 has fewer than 2 points"):
        found.survey()


# --- Labels -----------------------------------------------------------------------------------------------


def test_labels_of_a_table_are_merged_by_id(tmp_path: Path, file: Path):
    table = _labels(
        tmp_path, '4,10,forest,sure,"a note, ""quoted"""', "1,,water,unsure,", "2,20,,,", "3,,,unsure,'=x", "5,,,,"
    )
    found = read_sample(file, table)
    assert [p.label_code for p in found.points] == [20, 20, None, 10, None]
    assert [p.confidence for p in found.points] == ["unsure", None, "unsure", "sure", None]
    assert [p.note for p in found.points] == [None, None, "=x", 'a note, "quoted"', None]
    assert [p.is_seen for p in found.points] == [True, True, True, True, False]


def test_labels_of_a_geojson_are_merged_by_id(tmp_path: Path, file: Path):
    feature = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [15, 45]}}
    feature["properties"] = {"id": 2, "label_code": 10, "label_class": "forest", "confidence": "sure", "note": None}
    path = tmp_path / "labels.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    assert [p.label_code for p in read_sample(file, path).points] == [None, 10, None, None, None]


def test_labels_written_in_a_gis_are_read_and_kept(tmp_path: Path, file: Path):
    _change(file, "UPDATE points SET label_class = 'forest' WHERE id = 2")
    _change(file, "UPDATE points SET label_code = 20 WHERE id = 3")
    assert count_labels(file) == 2
    assert [p.label_code for p in read_sample(file).points] == [None, 10, 20, None, None]
    merged = read_sample(file, _labels(tmp_path, "2,20,,,", "3,,,,"))
    assert [p.label_code for p in merged.points] == [None, 20, 20, None, None]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("9,10,,,", "point '9' is not in the sample, whose ids are 1 to 5"),
        (",10,,,", "point '' is not in the sample"),
        ("2,10,,,\n2,20,,,", "point 2 stands there twice"),
        ("2,11,,,", "point 2 is labelled '11', which is not in the legend; known: 20 water, 10 forest"),
        ("2,,Forest,,", "point 2 is labelled 'Forest', which is not in the legend"),
        ("2,10,water,,", "point 2 has label_code 10 but label_class 'water'"),
    ],
)
def test_labels_that_do_not_fit_are_refused_by_point(tmp_path: Path, file: Path, line: str, message: str):
    with pytest.raises((InputError, LegendError)) as caught:
        read_sample(file, _labels(tmp_path, line))
    assert message in str(caught.value)


def test_a_table_without_ids_is_refused(tmp_path: Path, file: Path):
    (tmp_path / "labels.csv").write_text("point,label_code\n1,10\n")
    with pytest.raises(InputError, match="has the columns point, label_code; labels need id, and label_code or"):
        read_sample(file, tmp_path / "labels.csv")


# --- Other files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("DELETE FROM points WHERE id = 3", r"stratum 2 \(forest\) has 2 points, but 3 were drawn"),
        ("UPDATE points SET id = 2 WHERE id = 3", "point 2 stands there twice"),
        ("UPDATE points SET stratum = 1 WHERE id = 3", "point 3 does not fit its stratum 1"),
        ("UPDATE design SET value = '\"areas\"' WHERE key = 'hectares'", "is areas; expected a sample"),
        ("UPDATE design SET value = '99' WHERE key = 'schema'", "in layout 99; .* update hectares"),
        ("DELETE FROM design WHERE key = 'legend'", "is a damaged sample"),
        ("UPDATE points SET label_class = 'sea' WHERE id = 1", "point 1 is labelled 'sea'"),
    ],
)
def test_a_sample_that_is_no_longer_what_was_drawn_is_refused(file: Path, statement: str, message: str):
    _change(file, statement)
    with pytest.raises(HectaresError, match=message):
        read_sample(file)


def test_another_geopackage_is_no_sample(tmp_path: Path):
    pyogrio.raw.write(
        tmp_path / "other.gpkg", geometry=None, field_data=[np.array([1])], fields=["n"], geometry_type=None, layer="a"
    )
    with pytest.raises(ArtefactError, match=r"has no table 'strata'; it has a; expected a sample written by"):
        read_sample(tmp_path / "other.gpkg")
    assert count_labels(tmp_path / "other.gpkg") == 0
