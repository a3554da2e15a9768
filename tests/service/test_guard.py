"""Who is let in."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from hectares.service.data_root import DataRoot
from service.conftest import KEY, TOKEN, Serve

HTML = {"Accept": "text/html"}


@pytest.fixture
def client(serve: Serve) -> TestClient:
    """Give a client without a token."""
    client = serve(max_upload_mb=1)
    del client.headers["Authorization"]
    return client


def _with(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    "path", ["/", "/api/jobs", "/api/openapi.json", "/api", "/assets/service.js", "/maps/a/", "/x"]
)
def test_nothing_is_there_without_the_token(client: TestClient, path: str):
    assert client.get(path).status_code == 401


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], f"{TOKEN}x", "ü"])
def test_a_wrong_token_opens_nothing(client: TestClient, token: str):
    assert client.get("/api/jobs", headers={"Authorization": f"Bearer {token}".encode()}).status_code == 401
    assert client.get("/", params={"token": token}).status_code == 401


def test_a_person_without_the_token_sees_a_page_that_says_what_to_do(client: TestClient):
    answer = client.get("/", headers=HTML)
    assert answer.status_code == 401
    assert "Open the address" in answer.text
    assert TOKEN not in answer.text


def test_the_address_with_the_token_sets_a_cookie_and_leaves_the_token_behind(client: TestClient):
    answer = client.get("/", params={"token": TOKEN}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=Strict" in answer.headers["set-cookie"]
    page = client.get("/", headers=HTML)
    assert page.status_code == 200
    assert "Make a map" in page.text


def test_the_key_that_a_browser_is_started_with_opens_the_page_once(client: TestClient):
    assert client.get("/", params={"token": KEY}, follow_redirects=False).status_code == 303
    assert client.get("/", headers=HTML).status_code == 200
    client.cookies.clear()
    assert client.get("/", params={"token": KEY}, follow_redirects=False).status_code == 401
    assert client.get("/api/jobs", headers=_with(KEY)).status_code == 401


def test_a_question_of_many_parts_is_refused_like_any_other(client: TestClient):
    assert client.get("/?" + "&".join(f"p{i}=1" for i in range(500))).status_code == 401


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "192.168.1.7", "", "localhost:80@evil.example", "[::1", "local",
     "localhost/evil", "evil.example\\@localhost", "evil.example@localhost", "localhost:80:80"],
)  # fmt: skip
def test_another_name_of_this_machine_is_refused(client: TestClient, host: str):
    assert client.get("/api/jobs", headers=_with(TOKEN) | {"Host": host}).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:9", "localhost", "LOCALHOST:8765", "[::1]:8765"])
def test_the_names_of_this_machine_are_fine_at_any_port(client: TestClient, host: str):
    assert client.get("/api/jobs", headers=_with(TOKEN) | {"Host": host}).status_code == 200


def test_a_name_that_was_given_is_fine(serve: Serve):
    client = serve(host="0.0.0.0", open_to_network=True, called=("maps.example",))
    for host, status in {"maps.example": 200, "10.0.0.7:8765": 200, "evil.example": 403}.items():
        assert client.get("/api/jobs", headers={"Host": host}).status_code == status, host


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://[::1"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "http://127.0.0.1:8765", "Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_site_changes_nothing_with_our_cookie(client: TestClient, headers: dict[str, str]):
    client.get("/", params={"token": TOKEN})
    assert client.post("/api/jobs", json={}, headers=headers).status_code == 403


def test_our_own_page_may_ask_with_the_cookie(client: TestClient):
    client.get("/", params={"token": TOKEN})
    headers = {"Origin": "http://127.0.0.1:8765", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/api/jobs", json={}, headers=headers).status_code == 422


def test_another_site_loads_no_script_of_ours(client: TestClient):
    client.get("/", params={"token": TOKEN})
    taken = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}
    assert client.get("/assets/service.js", headers=taken).status_code == 403
    assert client.get("/", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}).status_code == 200


def test_every_answer_carries_the_headers_that_keep_it_safe(client: TestClient):
    for answer in (client.get("/"), client.get("/api/jobs", headers=_with(TOKEN))):
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in answer.headers


def test_a_body_that_is_too_large_is_refused_before_it_is_read(client: TestClient):
    headers = _with(TOKEN)
    assert client.post("/api/jobs", content=b"[" * 100_000, headers=headers).status_code == 413
    assert client.post("/api/jobs", content=iter([b"[" * 60_000] * 3), headers=headers).status_code == 413
    assert client.post("/api/jobs", content=b"{}", headers=headers | {"Content-Length": "-1"}).status_code == 400


def test_json_that_is_nested_deeply_is_refused(client: TestClient):
    answer = client.post("/api/jobs", content=b"[" * 60_000, headers=_with(TOKEN))
    assert 400 <= answer.status_code < 500


def test_a_folder_that_is_a_file_or_missing_is_refused(tmp_path: Path):
    for path in (tmp_path / "nothing", Path(__file__)):
        with pytest.raises(ValueError, match="is no folder"):
            DataRoot(path)
