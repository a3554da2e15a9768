"""From a scene to a map, its files, and what happens when something goes wrong on the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hectares.service.job import State, load_job
from service.conftest import Serve, ids, make_map, wait_for, write_scene


def test_a_scene_becomes_a_map_with_areas_and_files(serve: Serve, made: Path):
    client = serve()
    job = make_map(client)
    assert (job["state"], job["percent"], job["problems"]) == ("done", 100, [])
    table = json.loads((made / "areas.json").read_text())["total"]
    assert [(a["name"], a["area_ha"]) for a in job["areas"]] == [
        ("wood", table[1]["area_ha"]),
        ("water", table[0]["area_ha"]),
    ]
    assert job["areas"][0]["color"] == "#00780a"
    names = ["map.tif", "map.qml", "areas.csv", "areas.json", "polygons.gpkg", "report.html"]
    assert [f["name"] for f in job["files"]] == names
    for name in names:
        answer = client.get(f"/api/jobs/{job['id']}/files/{name}")
        assert answer.content == (made / name).read_bytes()
        assert "attachment" in answer.headers["content-disposition"]
        assert job["id"] in answer.headers["content-disposition"]


def test_the_commands_get_ids_that_are_paths_below_the_folder_and_never_options(serve: Serve, folder: Path):
    write_scene(folder / "-rf.tif")
    job = make_map(serve(), "-rf.tif")
    assert job["state"] == "done"


def test_a_scene_without_a_place_has_areas_only_with_a_pixel_size(serve: Serve, folder: Path):
    write_scene(folder / "photo.tif", crs=None, transform=None)
    client = serve()
    assert [f["name"] for f in make_map(client, "photo.tif")["files"]] == ["map.tif", "map.qml", "report.html"]
    with_areas = [f["name"] for f in make_map(client, "photo.tif", gsd_m=0.5)["files"]]
    assert with_areas == ["map.tif", "map.qml", "areas.csv", "areas.json", "report.html"]


def test_a_failure_is_the_sentence_of_the_command_without_the_path_of_the_folder(serve: Serve, folder: Path):
    write_scene(folder / "scenes" / "bad.tif")
    client = serve()
    job = make_map(client, "bad.tif")
    assert job["state"] == "failed"
    assert job["message"] == "scenes/bad.tif: has 1 band; take another scene"
    assert client.post(f"/api/jobs/{job['id']}/retry").json()["state"] in {"queued", "running"}
    assert wait_for(client, job["id"], "failed")["message"] == job["message"]


def test_a_fault_shows_no_traceback_but_keeps_it_in_the_folder(serve: Serve, folder: Path):
    write_scene(folder / "fault.tif")
    job = make_map(serve(), "fault.tif")
    assert "log.txt" in job["message"]
    assert "Traceback" not in json.dumps(job)
    assert "Traceback" in (folder / "results" / job["id"] / "log.txt").read_text()


def test_a_command_that_is_killed_is_told_in_words(serve: Serve, folder: Path):
    write_scene(folder / "crash.tif")
    assert "killed by signal 9" in make_map(serve(), "crash.tif")["message"]


def test_problems_are_told_and_stop_nothing(serve: Serve, folder: Path):
    write_scene(folder / "problem.tif")
    job = make_map(serve(), "problem.tif")
    assert job["state"] == "done"
    assert job["problems"] == ["scene.tif: 2 blocks cannot be read; they are nodata"]


def test_one_at_a_time_in_order_and_a_cancelled_one_goes_on_when_tried_again(serve: Serve, folder: Path):
    write_scene(folder / "slow.tif")
    client = serve()
    first = client.post("/api/jobs", json=ids(client, "slow.tif")).json()
    wait_for(client, first["id"], "running")
    second = client.post("/api/jobs", json=ids(client)).json()
    third = client.post("/api/jobs", json=ids(client)).json()
    assert [client.get(f"/api/jobs/{j['id']}").json()["place_in_queue"] for j in (first, second, third)] == [None, 1, 2]
    assert client.post(f"/api/jobs/{second['id']}/cancel").json()["state"] == "stopped"
    client.post(f"/api/jobs/{first['id']}/cancel")
    assert wait_for(client, first["id"], "stopped", "failed", "done")["state"] == "stopped"
    assert wait_for(client, third["id"], "done")
    client.post(f"/api/jobs/{first['id']}/retry")
    assert wait_for(client, first["id"], "done", "failed")["state"] == "done"
    assert client.post(f"/api/jobs/{first['id']}/cancel").json()["state"] == "done"
    assert client.post(f"/api/jobs/{first['id']}/retry").json()["state"] == "done"
    assert [j["id"] for j in client.get("/api/jobs").json()["jobs"]] == [first["id"], third["id"], second["id"]]


def test_a_step_that_takes_too_long_is_ended(serve: Serve, folder: Path):
    write_scene(folder / "slow.tif")
    job = make_map(serve(max_hours=0.001), "slow.tif")
    assert job["state"] == "failed"
    assert "mapping took longer than 0.001 h" in job["message"]


def test_no_more_wait_than_may(serve: Serve, folder: Path):
    write_scene(folder / "slow.tif")
    client = serve(max_queued=1)
    first = client.post("/api/jobs", json=ids(client, "slow.tif")).json()
    wait_for(client, first["id"], "running")
    second = client.post("/api/jobs", json=ids(client)).json()
    answer = client.post("/api/jobs", json=ids(client))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert "1 maps are waiting already" in answer.json()["message"]
    for job in (second, first):
        client.post(f"/api/jobs/{job['id']}/cancel")


def test_no_map_is_begun_on_a_full_disk(serve: Serve):
    client = serve(min_free_mb=10**9)
    answer = client.post("/api/jobs", json=ids(client))
    assert answer.status_code == 507
    assert "free some space" in answer.json()["message"]


def test_a_service_that_is_closed_goes_on_where_it_was(serve: Serve, folder: Path):
    write_scene(folder / "slow.tif")
    client = serve()
    first = client.post("/api/jobs", json=ids(client, "slow.tif")).json()
    second = client.post("/api/jobs", json=ids(client)).json()
    wait_for(client, first["id"], "running")
    while not (folder / "results" / first["id"] / "go-on").exists():
        pass
    client.__exit__(None, None, None)
    records = {j["id"]: load_job(folder / "results" / j["id"]) for j in (first, second)}
    assert [r.state for r in records.values()] == [State.QUEUED, State.QUEUED]
    again = serve()
    assert wait_for(again, first["id"], "done", "failed")["state"] == "done"
    assert wait_for(again, second["id"], "done", "failed")["state"] == "done"
    client.__enter__()  # which the fixture leaves


def test_a_step_whose_result_is_there_is_not_done_again(serve: Serve, folder: Path):
    client = serve()
    job = make_map(client)
    place = folder / "results" / job["id"]
    record = json.loads((place / "job.json").read_text())
    (place / "job.json").write_text(json.dumps(record | {"state": "running"}))  # as a power cut leaves it
    (place / "report.html").unlink()
    (place / "map.tif").write_bytes(b"as it was")
    assert wait_for(serve(), job["id"], "done")
    assert (place / "report.html").exists()
    assert (place / "map.tif").read_bytes() == b"as it was"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": "x"}', '{"state": "lost", "problems": []}'])
def test_a_record_that_cannot_be_read_is_told_and_stops_nothing(serve: Serve, folder: Path, text: str):
    (folder / "results" / "broken").mkdir(parents=True)
    (folder / "results" / "broken" / "job.json").write_text(text)
    found = serve().get("/api/jobs").json()
    assert found["jobs"] == []
    assert "results/broken/job.json" in found["unreadable"][0]


@pytest.mark.parametrize(
    "job_id", ["nothing", "%252e%252e", "a%2fb", "..%2f..%2fsecret", "a%00b", "A" * 300, "-", "town.tif"]
)
def test_an_unknown_id_is_nothing(serve: Serve, job_id: str):
    client = serve()
    for path in ("", "/files/map.tif", "/preview", "/tiles/0/0/0.png"):
        assert client.get(f"/api/jobs/{job_id}{path}").status_code == 404
    assert client.get(f"/maps/{job_id}/").status_code == 404
    assert client.post(f"/api/jobs/{job_id}/cancel").status_code == 404


@pytest.mark.parametrize("name", ["job.json", "log.txt", "..%2fjob.json", "%2e%2e%2f%2e%2e%2fsecret", "map.sld", ""])
def test_only_the_files_of_a_map_are_given_out(serve: Serve, name: str):
    client = serve()
    job = make_map(client)
    assert client.get(f"/api/jobs/{job['id']}/files/{name}").status_code == 404


def test_a_file_that_became_a_link_out_of_the_folder_is_not_given_out(serve: Serve, folder: Path, tmp_path: Path):
    client = serve()
    job = make_map(client)
    (tmp_path / "secret.html").write_text("secret")
    report = folder / "results" / job["id"] / "report.html"
    report.unlink()
    report.symlink_to(tmp_path / "secret.html")
    assert client.get(f"/api/jobs/{job['id']}/files/report.html").status_code == 404


@pytest.mark.parametrize(
    "change",
    [
        {"scene": "x"}, {"segmenter": "builtin:dubai"}, {"scene": "../scenes/town.tif"}, {"scene": "http://127.0.0.1/"},
        {"scene": 7}, {"more": 1}, {"gsd_m": 0}, {"gsd_m": "1"}, {"scene": None},
    ],
)  # fmt: skip
def test_what_is_asked_is_checked(serve: Serve, change: dict[str, object]):
    client = serve()
    answer = client.post("/api/jobs", json=ids(client) | change)
    assert answer.status_code in {404, 422}
    assert isinstance(answer.json()["message"], str)
    assert client.get("/api/jobs").json()["jobs"] == []
