"""Scenes on the network: refused by default, read part by part where they are allowed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from factory import Notes, WriteRaster
from hectares.config.predict import PredictConfig
from hectares.core.legend import Legend
from hectares.errors import BandError, RasterError, ResourceError
from hectares.io import remote
from hectares.io.outputs import work_path
from hectares.io.rasters.class_map import open_class_map
from hectares.io.rasters.raster import open_raster
from hectares.io.remote import hash_remote, remote_path
from hectares.io.scene_contract import hash_scene, scene_files
from hectares.predict import predict_scene, predict_scenes
from plain_runtime import BANDS, PlainSegmenter, plain_segmenter
from range_server import Served, serve

IMAGE = np.random.default_rng(2).integers(20, 180, (3, 64, 80), dtype=np.uint8)
CONFIG = PredictConfig(tile_px=32, overlap_px=8, allow_remote=True)
TILED = {"names": BANDS, "tiled": True, "blockxsize": 16, "blockysize": 16}


@pytest.fixture
def segmenter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, legend: Legend) -> PlainSegmenter:
    fast = {"GDAL_HTTP_MAX_RETRY": 0, "CPL_VSIL_CURL_CACHE_SIZE": 2**14, "GDAL_INGESTED_BYTES_AT_OPEN": 2**10}
    monkeypatch.setattr("hectares.io.rasters.raster.REMOTE_OPTIONS", remote.GDAL_OPTIONS | fast)
    return plain_segmenter(monkeypatch, tmp_path / "model", legend)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "web").mkdir()
    with serve(tmp_path / "web") as served:
        yield served


@pytest.mark.parametrize(
    "name", ["https://a.org/s.tif", "/vsicurl/http://a.org/s.tif", "s3://bucket/s.tif", "https://a.org/item.json"]
)
def test_a_scene_on_the_network_is_refused_and_the_way_in_is_named(
    segmenter: PlainSegmenter, tmp_path: Path, name: str
):
    with pytest.raises(RasterError, match=r"lies on the network; `predict --allow-remote`"):
        predict_scene(segmenter.folder, Path(name), tmp_path / "m.tif", PredictConfig())


def test_a_local_item_is_refused_as_well(tmp_path: Path):
    (tmp_path / "item.json").write_text("{}")
    with pytest.raises(RasterError, match="may name files on the network"):
        scene_files(tmp_path / "item.json")


def test_a_remote_scene_gives_the_map_of_the_local_one(
    segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path, server: Served
):
    local = write_raster("web/T33UUU_20230601T104629.tif", IMAGE, **TILED)
    whole = predict_scene(segmenter.folder, local, tmp_path / "whole.tif", CONFIG)
    url = f"{server.url}/{local.name}?signature=secret"
    (out,) = predict_scenes(segmenter.folder, [Path(url)], tmp_path / "m.tif", CONFIG)
    with open_class_map(out) as found, open_class_map(whole) as expected:
        assert np.array_equal(found.read(found.grid.window), expected.read(found.grid.window))
        assert found.provenance["inputs"] == expected.provenance["inputs"]  # small: its bytes were hashed
        assert found.provenance["remote"] == [{"url": f"{server.url}/{local.name}", "hashed": "bytes"}]
        assert found.provenance["acquired"] == "2023-06-01T10:46:29Z"
        assert found.provenance["scene"] == local.name
        assert "secret" not in json.dumps(found.provenance)
    assert not any(request.endswith((".ovr", ".aux.xml", ".tfw", ".msk", "/")) for request in server.requests)


def test_a_large_file_is_known_by_what_its_server_says(
    write_raster: WriteRaster, server: Served, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("hectares.io.remote._SMALL_BYTES", 100)
    write_raster("web/s.tif", IMAGE, **TILED)
    path = remote_path(f"{server.url}/s.tif")
    assert remote.hash_remote(path)[1] == "etag, size, first bytes"
    before = hash_scene([path])
    write_raster("web/s.tif", IMAGE[:, :63], **TILED)
    assert hash_scene([path]) != before


def test_a_connection_that_breaks_ends_in_one_sentence_and_the_run_goes_on_later(
    segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path, server: Served
):
    image = np.random.default_rng(2).integers(20, 180, (3, 512, 512), dtype=np.uint8)
    local = write_raster("web/s.tif", image, **TILED)
    whole = predict_scene(segmenter.folder, f"{server.url}/s.tif", tmp_path / "whole.tif", CONFIG).read_bytes()
    needed, total = len(server.requests), segmenter.batches
    server.requests.clear()
    server.break_after = needed // 2
    with pytest.raises(ResourceError, match=r"s\.tif: the connection broke .* give the same command again"):
        predict_scene(segmenter.folder, f"{server.url}/s.tif", tmp_path / "m.tif", CONFIG)
    assert list(work_path(tmp_path / "m.tif").glob("batch-*.bin"))
    server.break_after = None
    before = segmenter.batches
    assert predict_scene(segmenter.folder, f"{server.url}/s.tif", tmp_path / "m.tif", CONFIG).read_bytes() == whole
    assert segmenter.batches - before < total
    assert local.is_file()


def test_maps_of_remote_scenes_have_their_names_and_no_secrets(
    segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path, server: Served, notes: Notes
):
    write_raster("web/a.tif", IMAGE, **TILED)
    urls = [Path(f"{server.url}/{name}?key=secret.x") for name in ("a.tif", "b.tif")]
    out = tmp_path / "maps"
    assert predict_scenes(segmenter.folder, urls, out, CONFIG, monitor=notes) == [out / "a.tif"]
    (found,) = (p for p in notes.problems if p.severity == "incomplete")
    assert str(found).startswith(f"{server.url}/b.tif: its server answers 404")


def test_a_server_without_ranges_and_a_file_that_is_not_there_are_refused(write_raster: WriteRaster, server: Served):
    write_raster("web/s.tif", IMAGE, **TILED)
    (server.root / "page.tif").write_text("<!doctype html><p>Sign in</p>")
    with pytest.raises(RasterError, match=r"answers 404"):
        open_raster(remote_path(f"{server.url}/none.tif"))
    with pytest.raises(RasterError, match=r"page\.tif: is a web page"):
        open_raster(remote_path(f"{server.url}/page.tif"))
    server.ranges = False
    with pytest.raises(RasterError, match=r"does not serve parts of files"):
        open_raster(remote_path(f"{server.url}/s.tif"))


def test_a_file_is_not_known_by_a_part_of_it(server: Served):
    (server.root / "long.tif").write_bytes(bytes(100_000))
    path = remote_path(f"{server.url}/long.tif")
    assert hash_remote(path) == (hashlib.sha256(bytes(100_000)).hexdigest(), "bytes")
    server.at_most = 30_000
    with pytest.raises(ResourceError, match="46384 bytes came of 100000"):
        hash_remote(path)


def test_a_server_that_is_not_there_is_no_fault_of_the_file(server: Served):
    with pytest.raises(ResourceError, match="the connection broke"):
        open_raster(remote_path("http://127.0.0.1:9/s.tif"))
    assert not server.requests


def test_a_string_without_the_door_reaches_no_network(server: Served, write_raster: WriteRaster, tmp_path: Path):
    write_raster("web/s.tif", IMAGE, **TILED)
    vrt = tmp_path / "s.tif"
    vrt.write_text(f"<VRTDataset><SourceFilename>/vsicurl/{server.url}/s.tif</SourceFilename></VRTDataset>")
    for name in (f"{server.url}/s.tif", f"/vsicurl/{server.url}/s.tif", vrt):
        with pytest.raises(RasterError):
            open_raster(name)
    assert not server.requests


# --- STAC -------------------------------------------------------------------------------------------------


def _item(assets: dict[str, object]) -> str:
    return json.dumps({"type": "Feature", "properties": {"datetime": "2023-06-01T10:46:29.024Z"}, "assets": assets})


def _asset(href: str, *bands: str, **more: object) -> dict[str, object]:
    return {"href": href, "type": "image/tiff; application=geotiff", "eo:bands": [{"name": b} for b in bands], **more}


def test_an_item_stands_for_the_assets_with_the_bands(
    segmenter: PlainSegmenter, write_raster: WriteRaster, tmp_path: Path, server: Served
):
    for number, name in enumerate(BANDS):
        write_raster(f"web/x{name}.tif", IMAGE[number])
    local = write_raster("all.tif", IMAGE, names=BANDS)
    picture = _asset("picture.tif", *BANDS, roles=["visual"])
    assets = {"visual": picture, **{f"x{b}": _asset(f"./x{b}.tif", b) for b in reversed(BANDS)}}
    (server.root / "item.json").write_text(_item(assets))
    out = predict_scene(segmenter.folder, f"{server.url}/item.json", tmp_path / "m.tif", CONFIG)
    whole = predict_scene(segmenter.folder, local, tmp_path / "whole.tif", CONFIG)
    with open_class_map(out) as found, open_class_map(whole) as expected:
        assert np.array_equal(found.read(found.grid.window), expected.read(found.grid.window))
        assert [r["url"][-6:] for r in found.provenance["remote"]] == ["xa.tif", "xb.tif", "xc.tif"]
        assert (found.provenance["acquired"], found.provenance["acquired_from"]) == ("2023-06-01T10:46:29Z", "item")


def test_a_local_item_names_files_of_its_own_folder_and_no_others(write_raster: WriteRaster, tmp_path: Path):
    path = write_raster("scene/a.tif", IMAGE, names=BANDS)
    item = tmp_path / "scene" / "item.json"
    item.write_text(_item({"data": _asset("a.tif", *BANDS)}))
    assert scene_files(item, BANDS, allow_remote=True) == [path]
    item.write_text(_item({"data": _asset("../../secret.tif", *BANDS)}))
    with pytest.raises(RasterError, match="not in its folder"):
        scene_files(item, BANDS, allow_remote=True)
    item.write_text(_item({"data": _asset("a.tif", "x")}))
    with pytest.raises(BandError, match="has no asset with band a; its assets with images are data"):
        scene_files(item, BANDS, allow_remote=True)


def test_a_remote_item_names_no_file_of_this_machine(tmp_path: Path, server: Served):
    (server.root / "item.json").write_text(_item({"data": _asset("file:///etc/passwd", *BANDS)}))
    with pytest.raises(RasterError, match="not on the network"):
        scene_files(f"{server.url}/item.json", BANDS, allow_remote=True)
