"""What can be deleted by request, and above all what cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from hectares.io.outputs import exclusive
from service.conftest import TOKEN, Serve, ids, make_map, wait_for, write_scene


def _send(client: TestClient, tmp_path: Path, name: str = "sent.tif") -> str:
    write_scene(tmp_path / name)
    return client.post("/api/scenes", params={"name": name}, content=(tmp_path / name).read_bytes()).json()["id"]


def _files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and "lock" not in p.name)


def test_a_map_that_is_done_goes_with_all_its_files_and_nothing_else_does(serve: Serve, folder: Path):
    client = serve()
    stays, goes = make_map(client), make_map(client)
    client.get(f"/maps/{goes['id']}/")
    answer = client.delete(f"/api/jobs/{goes['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    for path in (f"/api/jobs/{goes['id']}", f"/api/jobs/{goes['id']}/files/map.tif", f"/maps/{goes['id']}/"):
        assert client.get(path).status_code == 404
    assert client.delete(f"/api/jobs/{goes['id']}").status_code == 404
    assert [j["id"] for j in client.get("/api/jobs").json()["jobs"]] == [stays["id"]]
    assert [p.name for p in (folder / "results").iterdir() if p.is_dir()] == [stays["id"]]
    assert "scenes/town.tif" in _files(folder)
    assert [j["id"] for j in serve().get("/api/jobs").json()["jobs"]] == [stays["id"]]


def test_a_map_that_waits_or_is_being_made_stays_until_it_is_canceled(serve: Serve, folder: Path):
    write_scene(folder / "slow.tif")
    client = serve()
    running = client.post("/api/jobs", json=ids(client, "slow.tif")).json()["id"]
    wait_for(client, running, "running")
    waiting = client.post("/api/jobs", json=ids(client)).json()["id"]
    for job_id in (running, waiting):
        answer = client.delete(f"/api/jobs/{job_id}")
        assert answer.status_code == 409
        assert "cancel it first" in answer.json()["message"]
        assert (folder / "results" / job_id / "job.json").exists()
    for job_id in (waiting, running):
        client.post(f"/api/jobs/{job_id}/cancel")
        wait_for(client, job_id, "stopped")
        assert client.delete(f"/api/jobs/{job_id}").status_code == 204
    assert client.get("/api/jobs").json()["jobs"] == []


def test_a_map_that_failed_can_be_deleted(serve: Serve, folder: Path):
    write_scene(folder / "bad.tif")
    client = serve()
    assert client.delete(f"/api/jobs/{make_map(client, 'bad.tif')['id']}").status_code == 204


def test_a_map_that_a_former_command_still_writes_stays(serve: Serve, folder: Path):
    client = serve()
    place = folder / "results" / make_map(client)["id"]
    with exclusive(place / "map.tif"):
        answer = client.delete(f"/api/jobs/{place.name}")
    assert answer.status_code == 409
    assert "still being written" in answer.json()["message"]
    assert (place / "map.tif").exists()


def test_a_link_in_a_result_goes_and_what_it_names_stays(serve: Serve, folder: Path, tmp_path: Path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    client = serve()
    place = folder / "results" / make_map(client)["id"]
    (place / "link").symlink_to(tmp_path / "precious")
    assert client.delete(f"/api/jobs/{place.name}").status_code == 204
    assert not place.exists()
    assert (tmp_path / "precious" / "file").exists()


def test_a_result_that_became_a_link_stays(serve: Serve, folder: Path, tmp_path: Path):
    client = serve()
    place = folder / "results" / make_map(client)["id"]
    place.rename(tmp_path / "moved")
    place.symlink_to(tmp_path / "moved")
    assert client.delete(f"/api/jobs/{place.name}").status_code >= 400
    assert (tmp_path / "moved" / "map.tif").exists()


@pytest.mark.parametrize("job_id", ["..", "%2e%2e", "..%2fscenes", ".", "nothing", "a%00b", "", "uploads"])
def test_nothing_is_deleted_by_an_id_that_is_none(serve: Serve, folder: Path, job_id: str):
    client = serve()
    before = _files(folder)
    for room in ("jobs", "scenes"):
        assert client.delete(f"/api/{room}/{job_id}").status_code in {404, 405}
    assert _files(folder) == before


def test_a_scene_that_was_sent_goes_and_maps_of_it_stay(serve: Serve, folder: Path, tmp_path: Path):
    client = serve()
    scene_id = _send(client, tmp_path)
    job = make_map(client, "sent.tif")
    assert client.delete(f"/api/scenes/{scene_id}").status_code == 204
    assert not (folder / "uploads" / "sent.tif").exists()
    assert client.get(f"/api/scenes/{scene_id}/preview").status_code == 404
    assert client.delete(f"/api/scenes/{scene_id}").status_code == 404
    assert client.get(f"/api/jobs/{job['id']}/files/map.tif").status_code == 200


def test_a_scene_that_was_not_sent_stays(serve: Serve, folder: Path, tmp_path: Path):
    client = serve()
    write_scene(tmp_path / "outside.tif")
    (folder / "uploads" / "more").mkdir()
    write_scene(folder / "uploads" / "more" / "deep.tif")
    (folder / "uploads" / "inside.tif").symlink_to(folder / "scenes" / "town.tif")
    before = _files(folder)
    found = client.get("/api/scenes").json()["scenes"]
    assert [s["name"] for s in found] == ["scenes/town.tif", "uploads/inside.tif", "uploads/more/deep.tif"]
    for scene in found:
        assert scene["sent"] is False
        answer = client.delete(f"/api/scenes/{scene['id']}")
        assert answer.status_code == 409
        assert "was not sent" in answer.json()["message"]
    assert _files(folder) == before


def test_a_scene_of_which_a_map_is_being_made_stays(serve: Serve, folder: Path, tmp_path: Path):
    client = serve()
    scene_id = _send(client, tmp_path, "slow.tif")
    job_id = client.post("/api/jobs", json=ids(client, "slow.tif")).json()["id"]
    answer = client.delete(f"/api/scenes/{scene_id}")
    assert answer.status_code == 409
    assert "cancel that first" in answer.json()["message"]
    client.post(f"/api/jobs/{job_id}/cancel")
    wait_for(client, job_id, "stopped")
    assert client.delete(f"/api/scenes/{scene_id}").status_code == 204


def test_another_site_deletes_nothing(serve: Serve, folder: Path):
    client = serve()
    job_id = make_map(client)["id"]
    del client.headers["Authorization"]
    assert client.delete(f"/api/jobs/{job_id}").status_code == 401
    client.get("/", params={"token": TOKEN})
    for headers in ({}, {"Origin": "http://evil.example"}):
        assert client.delete(f"/api/jobs/{job_id}", headers=headers).status_code == 403
    assert (folder / "results" / job_id / "map.tif").exists()
    assert client.delete(f"/api/jobs/{job_id}", headers={"Origin": "http://127.0.0.1:8765"}).status_code == 204


def test_what_a_killed_service_had_begun_to_delete_is_gone_after_the_next_start(serve: Serve, folder: Path):
    left = folder / "results" / ".hectares-deleted-town-1"
    left.mkdir(parents=True)
    (left / "map.tif").touch()
    serve()
    assert not left.exists()
