"""Tiles and small pictures: colors of the legend, clear nodata, and nothing where there is nothing."""

from __future__ import annotations

import base64
import io
import json
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from rasterio.enums import ColorInterp

from factory import save_raster
from hectares.service import tiles
from hectares.service.progress import Progress
from hectares.service.steps import Step
from service.conftest import INDICES, Serve, make_map

pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # rasterio's own use

WATER, WOOD, CLEAR = (10, 20, 200, 255), (0, 120, 10, 255), 0


@pytest.fixture
def client(serve: Serve) -> TestClient:
    """Give a service with a finished map."""
    client = serve()
    client.headers["X-Job"] = make_map(client)["id"]
    return client


def _job(client: TestClient) -> str:
    return client.headers["X-Job"]


def _pixels(body: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(body)).convert("RGBA"))


def _codes(text: str) -> list[int]:
    packed = re.fullmatch(r'hectares\.receive\("map-1/0/0-0","(.*)"\);\n', text)[1]
    return list(zlib.decompress(base64.b64decode(packed)))


def test_a_tile_of_the_map_is_the_indices_of_its_classes(client: TestClient):
    answer = client.get(f"/maps/{_job(client)}/tiles/map-1/0/0-0.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert _codes(answer.text) == INDICES.ravel().tolist()


def test_a_tile_of_the_scene_is_clear_where_it_has_no_value(client: TestClient):
    picture = _pixels(client.get(f"/maps/{_job(client)}/tiles/scene-1/0/0-0.jpg").content)
    assert picture.shape == (4, 5, 4)
    assert (picture[..., 3] == 0).sum() == 1
    assert picture[0, 4, 3] == 0


@pytest.mark.parametrize(
    "path",
    [
        "map-1/1/0-0.js", "map-1/0/1-0.js", "map-1/0/0-1.js", "map-1/-1/0-0.js", "map-1/0/0-0.jpg", "map-2/0/0-0.js",
        "scene-1/0/0-0.js", "scene-1/0/9-9.jpg", "map-1/0/99999999999-0.js", "map-1/0/-1-0.js", "map-1/60/0-0.js",
        "map-1/0/..%2f0-0.js", "scene-1/0/1.5-0.jpg",
    ],
)  # fmt: skip
def test_there_are_no_other_tiles(client: TestClient, path: str):
    assert client.get(f"/maps/{_job(client)}/tiles/{path}").status_code in {404, 422}


def test_a_small_picture_of_the_map_has_the_colors_of_the_legend(client: TestClient):
    picture = _pixels(client.get(f"/api/jobs/{_job(client)}/preview").content)
    assert tuple(picture[0, 0]) == WATER
    assert tuple(picture[3, 4]) == WOOD
    assert picture[0, 4, 3] == CLEAR


def test_a_tile_of_the_web_has_them_too_and_is_clear_around_the_map(client: TestClient):
    # the middle of the map, 500145 5000350 in UTM 33, lies at 15.00184 E, 45.15507 N
    zoom = 18
    x, y = (
        int((15.00184 + 180) / 360 * 2**zoom),
        int((1 - np.arcsinh(np.tan(np.radians(45.15507))) / np.pi) / 2 * 2**zoom),
    )
    found = [
        _pixels(client.get(f"/api/jobs/{_job(client)}/tiles/{zoom}/{x + i}/{y + j}.png").content)
        for i in (-1, 0, 1)
        for j in (-1, 0, 1)
    ]
    colors = {tuple(c) for tile in found for c in tile.reshape(-1, 4).tolist()}
    assert {c[:3] for c in colors if c[3] == 255} == {WATER[:3], WOOD[:3]}
    assert any(c[3] == 0 for c in colors)


@pytest.mark.parametrize("path", ["60/0/0", "-1/0/0", "3/8/0", "3/0/-1", "0/0/99999999999999999999999", "a/b/c"])
def test_tiles_that_the_web_has_not_are_refused(client: TestClient, path: str):
    assert client.get(f"/api/jobs/{_job(client)}/tiles/{path}.png").status_code in {404, 422}


def test_the_page_of_a_map_knows_its_areas_its_files_and_the_way_back(client: TestClient, made: Path):
    page = client.get(f"/maps/{_job(client)}/")
    assert "page/frame.js" in page.text
    for name in re.findall(r'(?:src|href)="(page/[^"]+)"', page.text):
        assert client.get(f"/maps/{_job(client)}/{name}").status_code == 200, name
    script = client.get(f"/maps/{_job(client)}/page/content.js").text
    content = json.loads(script.removeprefix("window.hectares = { content: ").removesuffix(" };\n"))
    table = json.loads((made / "areas.json").read_text())["total"]
    assert content["maps"][0]["areas"]["total"] == [row["area_m2"] for row in table]
    assert content["maps"][0]["levels"] == [{"height": 4, "width": 5, "tiles": ["c"]}]
    assert content["scenes"][0]["affine"] == [1, 0, 0, 0, 1, 0]
    assert len(content["outlines"]) == 2
    assert client.get(content["files"][0]["href"].replace("../..", "")).status_code == 200


def test_a_map_is_shown_without_its_scene_if_that_is_gone(client: TestClient, folder: Path):
    (folder / "scenes" / "town.tif").unlink()
    assert '"scenes":[]' in client.get(f"/maps/{_job(client)}/page/content.js").text
    assert client.get(f"/maps/{_job(client)}/tiles/scene-1/0/0-0.jpg").status_code == 404


def test_names_that_are_markup_stay_text(serve: Serve, folder: Path):
    (folder / "scenes" / "town.tif").rename(folder / "<img src=x onerror=alert(1)>.tif")
    client = serve()
    job = make_map(client, ".tif")
    assert "<img" not in client.get(f"/maps/{job['id']}/").text
    assert "<img" not in client.get(f"/maps/{job['id']}/page/content.js").text
    assert "<img" not in client.get("/").text


def test_levels_shrink_a_scene_by_halves(tmp_path: Path):
    image = np.zeros((3, 1025, 600), np.uint8)
    image[:, :, 300:] = 200
    save_raster(tmp_path / "scene.tif", image)
    look = tiles.look_of(tmp_path / "scene.tif")
    shapes = [
        tile.pixels.shape[:2]
        for level, row, col in ((0, 0, 0), (0, 2, 1), (1, 1, 0), (2, 0, 0))
        if (tile := tiles.scene_tile(tmp_path / "scene.tif", look, level, row, col)) is not None
    ]
    assert shapes == [(512, 512), (1, 88), (1, 300), (257, 150)]
    coarse = tiles.scene_tile(tmp_path / "scene.tif", look, 2, 0, 0)
    assert coarse is not None
    assert (coarse.pixels[100, 20, 0], coarse.pixels[100, 120, 0]) == (0, 255)


def test_a_palette_an_alpha_band_and_floats_with_holes_are_shown(tmp_path: Path):
    codes = np.array([[1, 2], [2, 1]], np.uint8)
    save_raster(
        tmp_path / "palette.tif", codes, palette={1: (255, 0, 0, 255), 2: (0, 255, 0, 255)}, photometric="palette"
    )
    rgb = np.full((3, 2, 2), 90, np.uint8)
    valid = np.array([[True, False], [True, True]])
    red_green_blue = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
    save_raster(tmp_path / "alpha.tif", rgb, valid=valid, valid_as="alpha", colors=red_green_blue)
    save_raster(tmp_path / "nan.tif", rgb.astype(np.float32), valid=valid, valid_as="nan")
    found = {}
    for name in ("palette", "alpha", "nan"):
        path = tmp_path / f"{name}.tif"
        found[name] = tiles.scene_picture(path, tiles.look_of(path), 100)
    assert found["palette"][..., 0].tolist() == [[255, 0], [0, 255]]
    assert found["alpha"][..., 3].tolist() == [[255, 0], [255, 255]]
    assert found["nan"][..., 3].tolist() == [[255, 0], [255, 255]]


# --- Progress ---------------------------------------------------------------------------------------------


def test_progress_tells_the_share_of_the_whole_and_the_time_that_is_left():
    now = [0.0]
    progress = Progress([Step("mapping", (), "m", 0.8), Step("measuring", (), "a", 0.2)], clock=lambda: now[0])
    assert (progress.share, progress.remaining_s) == (0, None)
    assert progress.take('{"stage": "predicting", "done": 10, "total": 50, "note": "resumed"}')
    now[0] = 20.0
    assert progress.take('{"stage": "predicting", "done": 30, "total": 50, "note": ""}')
    assert progress.remaining_s == 20.0
    assert progress.share == pytest.approx(0.8 * 0.9 * 0.6)
    assert progress.take('{"stage": "predicting", "done": 50, "total": 50, "note": ""}')
    assert progress.remaining_s is None  # what comes then is not known
    progress.begin(1)
    assert (progress.words, progress.share, progress.remaining_s) == ("measuring", pytest.approx(0.8), None)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "a warning",
        "[]",
        "{}",
        '{"stage": 1}',
        "[" * 10_000,
        "null",
        '{"stage": "a", "done": []}',
        '{"stage": "a", "done": Infinity, "total": 4}',
    ],
)
def test_other_lines_are_no_progress(line: str):
    assert not Progress([]).take(line)
