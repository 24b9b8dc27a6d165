"""The guard: every route asks for a login, only for names and origins that belong to the studio."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.routing import BaseRoute, Mount
from starlette.testclient import WebSocketDenialResponse

from studio.api.guards import OPEN_PATHS
from studio.studio import Studio

HOST = "studio.test"


def _routes(routes: Iterable[BaseRoute], prefix: str = "") -> Iterator[tuple[str, str]]:
    """(method, path) of everything that the app answers, with its parameters filled in."""
    for route in routes:
        path = prefix + re.sub(r"\{[^}]+\}", "x", getattr(route, "path", ""))
        inner = getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", None)
        if inner is not None:
            yield from _routes(inner, path.rstrip("/") if isinstance(route, Mount) else prefix)
        for method in getattr(route, "methods", None) or ():
            yield method, path or "/"


def test_every_route_of_app_and_page_asks_for_a_login(whole_app: FastAPI, visitor: TestClient) -> None:
    asked = sorted(set(_routes(whole_app.routes)))
    paths = {path for _, path in asked}
    assert {"/login", "/thumbnails/x", "/pictures/x", "/packages/x", "/config", "/gradio_api/upload"} <= paths
    assert len(asked) > 40
    for method, path in asked:
        answer = visitor.request(method, path)
        if path in OPEN_PATHS:
            assert answer.status_code != 401, (method, path)
        else:
            assert answer.status_code == 401, (method, path)
            assert method == "HEAD" or answer.json()["title"] == "Nobody is logged in."


def test_a_browser_is_sent_to_the_login(visitor: TestClient) -> None:
    answer = visitor.get("/", headers={"accept": "text/html,*/*"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert visitor.get("/login").status_code == visitor.get("/assets/login.css").status_code == 200


def test_who_is_logged_in_gets_the_page(mika: TestClient) -> None:
    answer = mika.get("/")
    assert answer.status_code == 200
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "host",
    ["evil.test", "localhost.evil.test", "", "studio.test@evil.test", "evil.test@studio.test", "[::1", "studio.test:x",
     "studio.test/login?", "studio.test/login#", "studio.test\\login", "studio.test?/login"],
)  # fmt: skip
def test_only_the_studios_own_names_are_answered(mika: TestClient, host: str) -> None:
    assert mika.get("/", headers={"host": host}).status_code == 400


@pytest.mark.parametrize("host", ["studio.test", "STUDIO.test:80", "localhost:7860", "127.0.0.1", "[::1]:7860"])
def test_the_studios_names_are_known_with_and_without_a_port(mika: TestClient, host: str) -> None:
    assert mika.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "path", ["/login/", "//login", "/LOGIN", "/login/../config", "/assets/login.css/x", "/config?/login"]
)
def test_nothing_is_open_but_the_login_itself(visitor: TestClient, path: str) -> None:
    assert visitor.get(f"http://{HOST}{path}").status_code == 401


@pytest.mark.parametrize(
    "origin", ["http://evil.test", "null", f"http://{HOST}.evil.test", f"http://{HOST}:81", "http://["]
)
@pytest.mark.parametrize("path", ["/login", "/logout", "/gradio_api/upload", "/gradio_api/queue/join"])
def test_what_comes_from_another_site_changes_nothing(mika: TestClient, path: str, origin: str) -> None:
    answer = mika.post(path, headers={"origin": origin})
    assert answer.status_code == 403
    assert answer.json()["title"] == "This request came from another site."


def test_a_browser_that_hides_the_origin_still_says_that_it_is_another_site(mika: TestClient) -> None:
    assert mika.post("/logout", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert mika.post("/logout", headers={"sec-fetch-site": "same-origin"}).status_code == 303
    assert mika.post("/logout", headers={"origin": f"http://{HOST}"}).status_code == 303


def test_websockets_are_guarded_too(visitor: TestClient, mika: TestClient) -> None:
    for client, headers, status in ((visitor, {}, 401), (mika, {"origin": "http://evil.test"}, 403)):
        with (
            pytest.raises(WebSocketDenialResponse) as refused,
            client.websocket_connect(f"ws://{HOST}/x", headers=headers),
        ):
            pass
        assert refused.value.status_code == status


@pytest.mark.parametrize("path", ["/", "/config", "/gradio_api/info", "/login", "/pictures/x"])
def test_no_foreign_origin_may_read_an_answer(mika: TestClient, visitor: TestClient, path: str) -> None:
    for client in (mika, visitor):
        asked = {"origin": "http://evil.test", "access-control-request-method": "POST"}
        for answer in (client.get(path, headers=asked), client.options(path, headers=asked)):
            assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_gradio_serves_no_file_of_the_disk(mika: TestClient, served: Studio) -> None:
    served.accounts.session("mika")
    home = served.settings.home
    secrets = [home / "users.json", home / "session.key", home / "studio.sqlite3"]
    for path in (*secrets, Path(__file__), Path("/etc/hosts"), Path("app.py")):
        for route in ("/gradio_api/file=", "/file=", "/gradio_api/file/", "/gradio_api/stream/x/x/"):
            answer = mika.get(f"{route}{path}")
            assert answer.status_code in (401, 403, 404, 405), (route, path)
    assert mika.get("/gradio_api/file=http://127.0.0.1:1/x").status_code in (400, 403, 404)


def test_nothing_explains_the_routes(mika: TestClient) -> None:
    for path in ("/docs", "/redoc", "/openapi.json"):
        answer = mika.get(path)
        assert "swagger" not in answer.text.lower()
        assert '"openapi"' not in answer.text
