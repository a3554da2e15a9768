"""Catalogs and legends as files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from factory import plain_scene
from hectares.core.legend import Legend
from hectares.errors import CatalogError, InputError, LegendError
from hectares.io.catalog import Catalog, catalog_json, read_catalog, read_legend

LEGEND_TEXT = {
    "nodata": 0,
    "classes": [{"code": 1, "name": "water", "color": "#3b6fb6"}, {"code": 2, "name": "forest"}],
}


def _write(folder: Path, scenes: object, legend: object = LEGEND_TEXT) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "legend.json").write_text(json.dumps(legend))
    (folder / "catalog.json").write_text(json.dumps({"legend": "legend.json", "scenes": scenes}))
    return folder / "catalog.json"


def test_paths_are_relative_to_the_file(tmp_path: Path):
    entry = {"id": "n", "image": "im/n.tif", "label": "../lab/n.tif", "group": "g", "split": "val"}
    catalog = read_catalog(_write(tmp_path / "deep", [entry]))
    expected = plain_scene("n", tmp_path / "deep/im/n.tif", tmp_path / "deep/../lab/n.tif", "g", "val")
    assert catalog.scenes == (expected,)
    assert catalog.legend == Legend.from_json(LEGEND_TEXT)


def test_what_is_left_out_is_filled_in(tmp_path: Path):
    scene = read_catalog(_write(tmp_path, [{"image": "im/n.tif"}])).scenes[0]
    assert (scene.id, scene.label, scene.group, scene.split) == ("im/n", None, "im/n", None)


def test_a_catalog_survives_its_file(tmp_path: Path, legend: Legend):
    scenes = (
        plain_scene("a", tmp_path / "x/a.tif", tmp_path / "y/a.tif", "g", "train"),
        plain_scene("b", tmp_path / "b.tif", None, "b"),
    )
    content = catalog_json(Catalog(scenes, legend), tmp_path / "x")
    found = read_catalog(_write(tmp_path / "x", content["scenes"], legend.to_json()))
    assert found.legend == legend
    assert [s.image.resolve() for s in found.scenes] == [s.image for s in scenes]
    assert [(s.id, s.group, s.split) for s in found.scenes] == [("a", "g", "train"), ("b", "b", None)]


@pytest.mark.parametrize(
    ("scenes", "message"),
    [
        ([], "has no scenes"),
        ({}, r"expected \{legend, scenes"),
        (["a.tif"], r"scenes\[0\]: expected"),
        ([{"label": "a.tif"}], r"scenes\[0\]: expected"),
        ([{"image": "a.tif", "mark": "b.tif"}], "unknown key 'mark'"),
        ([{"image": "a.tif"}, {"image": "a.png"}], "scene id 'a' stands twice"),
        ([{"image": "a.tif", "split": "dev"}], "split 'dev'"),
    ],
)
def test_what_is_wrong_with_a_catalog_is_named(tmp_path: Path, scenes: object, message: str):
    with pytest.raises(CatalogError, match=rf"catalog\.json.*{message}"):
        read_catalog(_write(tmp_path, scenes))


@pytest.mark.parametrize(("name", "text"), [("l.json", '"a\\nb"'), ("l.yaml", '"a\\tb"')])
def test_a_control_character_in_the_name_of_a_class_is_refused_with_file_and_place(
    tmp_path: Path, name: str, text: str
):
    (tmp_path / name).write_text('{"classes": [{"code": 3, "name": ' + text + "}]}")
    with pytest.raises(LegendError, match=rf"{name}: classes\[0\]\.name is 'a.*, a control character; write the name"):
        read_legend(tmp_path / name)


@pytest.mark.parametrize("suffix", ["yaml", "yml"])
def test_a_legend_may_be_yaml(tmp_path: Path, suffix: str):
    text = "nodata: 0\nclasses:\n- {code: 1, name: water, color: '#3b6fb6'}\n- {code: 2, name: forest}\n"
    (tmp_path / f"l.{suffix}").write_text(text)
    assert read_legend(tmp_path / f"l.{suffix}") == Legend.from_json(LEGEND_TEXT)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("classes:\n- {code: 1, name: no}\n", r"l\.yaml: classes\[0\].name is False"),
        ("classes:\n- {code: 1, name: a, color: }\n", r"l\.yaml: classes\[0\].color is empty"),
        ("- a\n", "is a list; expected"),
        ("", "is a NoneType; expected"),
    ],
)
def test_what_is_wrong_with_a_legend_names_the_file(tmp_path: Path, text: str, message: str):
    (tmp_path / "l.yaml").write_text(text)
    with pytest.raises(LegendError, match=message):
        read_legend(tmp_path / "l.yaml")


def test_a_missing_legend_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"l\.json: there is no such file"):
        read_legend(tmp_path / "l.json")
