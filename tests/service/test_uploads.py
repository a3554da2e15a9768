"""Files that are sent, and what the folder shows."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from factory import save_raster
from hectares.errors import ArtefactError
from hectares.service.data_root import DataRoot
from service.conftest import TOKEN, Serve, write_scene

pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # rasterio's own use

VRT = b"<VRTDataset rasterXSize='1' rasterYSize='1'><VRTRasterBand dataType='Byte' band='1'/></VRTDataset>"


def _bytes(tmp_path: Path, name: str = "sent.tif") -> bytes:
    write_scene(tmp_path / name)
    return (tmp_path / name).read_bytes()


def _uploads(folder: Path) -> list[str]:
    return sorted(p.name for p in (folder / "uploads").iterdir())


def test_a_scene_that_is_sent_is_listed_and_has_a_picture(serve: Serve, folder: Path, tmp_path: Path):
    client, body = serve(), _bytes(tmp_path)
    answer = client.post("/api/scenes", params={"name": "my town.tif"}, content=body)
    assert answer.status_code == 201
    scene = answer.json()
    assert (scene["name"], scene["width"], scene["height"], scene["gsd_m"]) == ("uploads/my-town.tif", 5, 4, 10)
    assert (folder / "uploads" / "my-town.tif").read_bytes() == body
    assert scene in client.get("/api/scenes").json()["scenes"]
    picture = client.get(f"/api/scenes/{scene['id']}/preview")
    assert picture.headers["content-type"] == "image/png"  # the hole is clear


def test_what_is_there_is_never_replaced(serve: Serve, folder: Path, tmp_path: Path):
    client, body = serve(), _bytes(tmp_path)
    names = {client.post("/api/scenes", params={"name": "a.tif"}, content=body).json()["name"] for _ in range(3)}
    assert len(names) == 3
    assert len(_uploads(folder)) == 3


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("a.tif", b"", 422),
        ("a.tif", b"<!doctype html><p>error", 422),
        ("a.tif", VRT, 422),
        ("a.vrt", VRT, 415),
        ("a.tif", b"II*\x00" + b"\x00" * 100, 422),
        ("a.py", b"print()", 415),
        ("a", b"x", 415),
        ("..", b"x", 415),
        ("", b"x", 422),
        ("a.tif" * 90, b"x", 422),
    ],
)
def test_what_is_no_raster_is_refused_and_leaves_nothing(
    serve: Serve, folder: Path, name: str, body: bytes, status: int
):
    answer = serve().post("/api/scenes", params={"name": name}, content=body)
    assert answer.status_code == status
    assert str(folder) not in answer.json()["message"]
    assert ".hectares-" not in answer.json()["message"]
    assert _uploads(folder) == []


@pytest.mark.parametrize("name", ["../../evil.tif", "/etc/evil.tif", "..\\..\\evil.tif", "a/../evil.tif", "~/evil.tif"])
def test_a_path_in_a_name_leads_nowhere(serve: Serve, folder: Path, tmp_path: Path, name: str):
    assert serve().post("/api/scenes", params={"name": name}, content=_bytes(tmp_path)).status_code == 201
    assert _uploads(folder) == ["evil.tif"]


def test_a_file_that_is_too_large_is_refused_with_little_written(serve: Serve, folder: Path):
    client, sent = serve(max_upload_mb=1), [0]

    def pieces():  # no length is told
        for _ in range(100):
            sent[0] += 100_000
            yield b"II*\x00" + b"\x00" * 99_996

    answer = client.post("/api/scenes", params={"name": "a.tif"}, content=pieces())
    assert answer.status_code == 413
    assert "larger than 1 MB" in answer.json()["message"]
    assert client.post("/api/scenes", params={"name": "a.tif"}, content=b"x" * 1_000_001).status_code == 413
    assert _uploads(folder) == []


def test_who_goes_away_in_the_middle_leaves_nothing(serve: Serve, folder: Path):
    client, answers = serve(), []
    coming = iter([{"type": "http.request", "body": b"II*\x00", "more_body": True}, {"type": "http.disconnect"}])
    scope = {
        "type": "http", "method": "POST", "path": "/api/scenes", "query_string": b"name=a.tif", "http_version": "1.1",
        "headers": [(b"host", b"localhost"), (b"authorization", f"Bearer {TOKEN}".encode())], "scheme": "http",
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return next(coming)

    async def send(message: dict[str, Any]) -> None:
        answers.append(message)

    asyncio.run(client.app(scope, receive, send))  # raises nothing
    assert answers[0]["status"] == 400
    assert _uploads(folder) == []


def test_nothing_is_taken_on_a_full_disk(serve: Serve, folder: Path, tmp_path: Path):
    answer = serve(min_free_mb=10**9).post("/api/scenes", params={"name": "a.tif"}, content=_bytes(tmp_path))
    assert answer.status_code == 507
    assert _uploads(folder) == []


def test_what_a_killed_service_had_taken_is_removed_at_the_start(serve: Serve, folder: Path):
    (folder / "uploads").mkdir()
    (folder / "uploads" / ".hectares-77-a.tif").write_bytes(b"half")
    (folder / "uploads" / "mine.txt").write_bytes(b"mine")
    serve()
    assert _uploads(folder) == ["mine.txt"]


# --- The folder -------------------------------------------------------------------------------------------


def test_links_that_lead_out_of_the_folder_are_not_listed(folder: Path, tmp_path: Path):
    write_scene(tmp_path / "outside.tif")
    (folder / "link.tif").symlink_to(tmp_path / "outside.tif")
    (folder / "inside.tif").symlink_to(folder / "scenes" / "town.tif")
    (tmp_path / "elsewhere").mkdir()
    write_scene(tmp_path / "elsewhere" / "more.tif")
    (folder / "way").symlink_to(tmp_path / "elsewhere")
    names = [s.name for s in DataRoot(folder).scenes()[0]]
    assert names == ["inside.tif", "scenes/town.tif"]


def test_a_link_in_place_of_the_results_is_refused(folder: Path, tmp_path: Path):
    (folder / "results").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="is a link"):
        DataRoot(folder)


def test_what_looks_like_a_scene_and_is_none_is_told(serve: Serve, folder: Path):
    (folder / "page.tif").write_bytes(VRT)
    (folder / ".hidden.tif").write_bytes(b"x")
    (folder / "results" / "x").mkdir(parents=True)
    write_scene(folder / "results" / "x" / "map.tif")
    (folder / "run").mkdir()
    (folder / "run" / "run.json").write_text("{}")
    save_raster(folder / "run" / "history.png", np.zeros((3, 4, 5), np.uint8))
    found = serve().get("/api/scenes").json()
    assert [s["name"] for s in found["scenes"]] == ["scenes/town.tif"]
    assert [r["name"] for r in found["refused"]] == ["page.tif"]
    assert "VRT" in found["refused"][0]["message"]
    assert str(folder) not in found["refused"][0]["message"]


def test_more_scenes_than_are_shown_are_told(folder: Path):
    for number in range(4):
        write_scene(folder / f"{number}.tif")
    scenes, _, is_cut = DataRoot(folder, max_scenes=3).scenes()
    assert ([s.name for s in scenes], is_cut) == (["0.tif", "1.tif", "2.tif"], True)


def test_a_scene_that_changes_is_looked_at_again(folder: Path):
    root = DataRoot(folder)
    assert root.scenes()[0][0].grid.shape == (4, 5)
    save_raster(folder / "scenes" / "town.tif", np.zeros((3, 7, 9), np.uint8))
    assert root.scenes()[0][0].grid.shape == (7, 9)
    (folder / "scenes" / "town.tif").unlink()
    assert root.scenes()[0] == []


def test_a_name_that_is_no_text_is_left_out(folder: Path):
    with contextlib.suppress(OSError):  # some file systems have no such names
        (folder / "b\udcff.tif").write_bytes(b"x")
    assert len(DataRoot(folder).scenes()[0]) == 1


def test_what_ships_with_the_package_is_always_there(serve: Serve):
    found = serve().get("/api/segmenters").json()
    assert "builtin:dubai" in [s["name"] for s in found]
    assert found[-1]["classes"][0]["color"].startswith("#")


def test_only_one_service_works_on_a_folder(folder: Path):
    with DataRoot(folder).alone(), pytest.raises(ArtefactError, match="another service works on this folder"):
        DataRoot(folder).alone().__enter__()


def test_a_scene_that_is_cut_short_has_no_picture_and_a_reason(serve: Serve, folder: Path):
    noise = np.random.default_rng(1).integers(0, 255, (3, 300, 300), np.uint8)
    save_raster(folder / "cut.tif", noise)
    whole = (folder / "cut.tif").read_bytes()
    (folder / "cut.tif").write_bytes(whole[: len(whole) // 2])
    client = serve()
    scene = next(s["id"] for s in client.get("/api/scenes").json()["scenes"] if s["name"] == "cut.tif")
    for _ in range(2):  # also when it is asked for again
        answer = client.get(f"/api/scenes/{scene}/preview")
        assert answer.status_code == 422
        assert answer.json()["message"].startswith("cut.tif: cannot be read")
