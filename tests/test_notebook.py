"""Artefacts show themselves in a notebook: pictures, legend and hectares, escaped, without torch."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import shapely
from affine import Affine

import hectares
from factory import save_raster
from hectares.config.measure import MeasureConfig
from hectares.config.objects import ObjectsConfig
from hectares.core.grid import Grid
from hectares.core.legend import IGNORE, LandClass, Legend
from hectares.errors import InputError
from hectares.io.rasters.class_map import write_class_map
from hectares.io.shapes.vectors import VectorLayer, write_layer
from hectares.measure import measure_map
from hectares.objects import score_objects

EVIL = "<script>alert(1)</script>"
LEGEND = Legend((LandClass(20, "water", (10, 20, 200)), LandClass(10, EVIL, (0, 120, 10))), nodata=255)
GRID = Grid("EPSG:32633", Affine(1000, 0, 500_000, 0, -1000, 5_000_000), (6, 9))
"""Pixels of 100 ha, over the square of 0.9996, the scale on the middle meridian of the zone."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with a map of 30 pixels of water, 20 of another class and 4 of nodata, and its scene."""
    indices = np.zeros((6, 9), np.uint8)
    indices[1:, 5:] = 1
    indices[0, :4] = IGNORE
    write_class_map(tmp_path / "map.tif", indices, GRID, LEGEND, {}, overwrite=False)
    save_raster(tmp_path / "scene.tif", np.stack([indices] * 3), transform=GRID.transform, crs=GRID.crs)
    return tmp_path


def _cells(html: str, name: str) -> list[str]:
    row = next(r for r in re.findall(r"<tr>.*?</tr>", html, re.DOTALL) if f"{name}</th>" in r)
    return re.findall(r"<td>(.*?)</td>", row)


def test_a_map_shows_its_picture_its_legend_and_its_hectares(folder: Path):
    html = hectares.show(folder / "map.tif")._repr_html_()
    assert html.count("<img") == 1
    assert "#0a14c8" in html
    assert _cells(html, "water") == ["3,002.40", "60.0\N{NO-BREAK SPACE}%", "30"]
    assert _cells(html, "nodata") == ["400.32", "–", "4"]


def test_a_scene_stands_beside_the_map_on_its_grid(folder: Path):
    html = hectares.show(folder / "map.tif", folder / "scene.tif")._repr_html_()
    assert html.count("<img") == 2
    assert html.count("<h4>") == 1


def test_areas_are_not_counted_again_where_a_table_of_them_is_given(folder: Path):
    measure_map(folder / "map.tif", folder / "areas.csv", MeasureConfig())
    html = hectares.show(folder / "map.tif", folder / "areas.csv")._repr_html_()
    assert html.count("<h4>") == 2
    assert html.count("mapped ha") == 1


def test_names_are_escaped_and_nothing_comes_from_elsewhere(folder: Path):
    html = hectares.show(folder / "map.tif")._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert all(address.startswith("data:image/") for address in re.findall(r'(?:src|href)="([^"]*)"', html))


def test_a_cell_is_small_and_a_terminal_sees_the_table(folder: Path):
    shown = hectares.show(folder / "map.tif", folder / "scene.tif")
    assert len(shown._repr_html_()) < 20_000
    assert "water" in repr(shown)
    assert "3,002.40" in repr(shown)
    assert "<td>" not in repr(shown)


def test_a_map_without_a_place_shows_its_classes(tmp_path: Path):
    grid = Grid(None, Affine.identity(), (2, 2))
    write_class_map(tmp_path / "map.tif", np.eye(2, dtype=np.uint8), grid, LEGEND, {}, overwrite=False)
    html = hectares.show(tmp_path / "map.tif")._repr_html_()
    assert "water</th>" in html
    assert " ha<" not in html


def test_scores_of_objects_are_a_table(tmp_path: Path):
    for name, xs in (("predicted", (0, 33)), ("reference", (0, 30))):
        roofs = [shapely.box(x, 0, x + 10, 6) for x in xs]
        layer = VectorLayer("EPSG:32633", tuple(roofs), {"class_name": (EVIL,) * 2, "score": (0.5, 0.9)})
        write_layer(tmp_path / f"{name}.gpkg", layer, name="x", overwrite=False)
    score_objects(tmp_path / "predicted.gpkg", tmp_path / "reference.gpkg", tmp_path / "o.json", ObjectsConfig())
    shown = hectares.show(tmp_path / "o.json")
    html = shown._repr_html_()
    assert _cells(html, "&lt;/script&gt;")[:4] == ["2", "2", "0", "0"]
    assert EVIL not in html
    assert "predicted.gpkg was compared with reference.gpkg. Of 2 objects of the reference 2 were found" in repr(shown)


def test_nothing_to_show_is_said(tmp_path: Path):
    with pytest.raises(InputError, match="give at least one"):
        hectares.show()
    (tmp_path / "notes.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=r"notes\.json"):
        hectares.show(tmp_path / "notes.json")


def test_showing_a_map_does_not_load_torch(folder: Path):
    code = f"import sys, hectares; hectares.show({str(folder / 'map.tif')!r}); print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split()[-1] == "False"


@pytest.mark.slow
def test_a_notebook_displays_a_map(folder: Path):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    cells = [nbformat.v4.new_code_cell("import hectares\nhectares.show('map.tif', 'scene.tif')")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    shown = notebook.cells[0].outputs[-1].data
    assert "3,002.40" in shown["text/html"]
    assert shown["text/plain"].startswith("Map map.tif")
