"""Login: the cookie, whose it is, and what a wrong password costs."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from studio.api import Site, create_api
from studio.api.login import TRIES
from studio.errors import InputError
from studio.studio import Accounts, Studio

PASSWORD = "a long password"
Make = Callable[..., TestClient]


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password costs a third of a second by design, which tests/store/test_accounts.py pays and holds."""
    monkeypatch.setattr("studio.store.accounts._N", 2**10)


@pytest.fixture
def client(studio: Studio, api_of: Make) -> TestClient:
    studio.accounts.add("mika", PASSWORD)
    studio.accounts.add("ken", PASSWORD)
    return api_of()


def _log_in(client: TestClient, name: str = "mika", password: str = PASSWORD) -> Any:
    return client.post("/login", data={"name": name, "password": password})


def _inside(client: TestClient, token: str) -> bool:
    """Whether a cookie lets somebody in: a picture that is not there is 404 then."""
    answer = client.get("/pictures/x", headers={"cookie": f"sasage_session={token}"})
    assert answer.status_code in (401, 404)
    return bool(answer.status_code == 404)


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(client: TestClient) -> None:
    answer = _log_in(client)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Max-Age=43200" in cookie
    assert "Secure" not in cookie
    assert client.get("/pictures/x").status_code == 404
    client.post("/logout")
    assert client.get("/pictures/x").status_code == 401


def test_behind_tls_the_cookie_is_secure(studio: Studio, api_of: Make) -> None:
    studio.accounts.add("mika", PASSWORD)
    assert "Secure" in _log_in(api_of(https=True)).headers["set-cookie"]


def test_forged_expired_and_foreign_tokens_are_refused(
    client: TestClient, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = studio.accounts.session("mika")
    assert _inside(client, token)
    name, until, signature = base64.urlsafe_b64decode(token).decode().split("|")
    forged = (
        ("ken", until, signature), (name, str(int(until) + 1), signature), (name, until, "0" * 64),
        (name, until, "é"), (name, "x", signature), ("nobody", until, signature),
    )  # fmt: skip
    for parts in forged:
        assert not _inside(client, base64.urlsafe_b64encode("|".join(parts).encode()).decode()), parts
    for broken in ("", "x", "a|b|c", "%00", "=" * 9, token[:-8], "A" * 4000):
        assert not _inside(client, broken)
    later = time.time() + Accounts.session_s + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert not _inside(client, token)


def test_a_session_ends_with_its_account_and_with_a_new_password(client: TestClient, studio: Studio) -> None:
    mika, ken = studio.accounts.session("mika"), studio.accounts.session("ken")
    studio.accounts.add("mika", "another long password")
    studio.accounts.remove("ken")
    assert not _inside(client, mika)
    assert not _inside(client, ken)


def test_a_token_of_another_home_is_refused(client: TestClient, tmp_path: Any) -> None:
    other = Accounts(tmp_path / "other")
    other.add("mika", PASSWORD)
    assert not _inside(client, other.session("mika"))


def test_wrong_passwords_are_paused_even_for_the_right_one(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(TRIES):
        answer = _log_in(client, name=("mika", "nobody")[number % 2], password="wrong password")
        assert answer.status_code == 403
        assert "do not belong together" in answer.text
    paused = _log_in(client)
    assert paused.status_code == 429
    assert "Wait five minutes" in paused.text
    assert "set-cookie" not in paused.headers
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 301)
    assert _log_in(client).status_code == 303


def test_a_login_takes_no_large_body(client: TestClient) -> None:
    assert _log_in(client, password="x" * 20_000).status_code == 413
    assert client.post("/login", content=(b"name=mika" for _ in range(3))).status_code == 413
    assert client.post("/login", data={"name": "mika"}).status_code == 422


def test_what_is_typed_at_the_login_is_never_shown_again(client: TestClient) -> None:
    assert "<script>" not in _log_in(client, name="<script>", password="<script>{{message}}").text


@pytest.mark.parametrize(
    "site", [{"host": "0.0.0.0"}, {"host": "::"}, {"login": True}, {"names": ("studio.example.jp",)}, {"https": True}]
)
def test_where_others_reach_it_somebody_must_have_an_account(studio: Studio, site: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="nobody has an account yet") as refused:
        create_api(studio, Site(**site))
    assert "users add" in refused.value.next_step
    studio.accounts.add("mika", PASSWORD)
    assert create_api(studio, Site(**site))


def test_login_cannot_be_switched_off_elsewhere() -> None:
    assert Site(host="192.168.1.5", login=False).login_required
    assert not Site().login_required


def test_on_the_loopback_address_everybody_is_let_in(api_of: Make) -> None:
    client = api_of(names=())
    assert client.get("/pictures/x", headers={"host": "localhost:7860"}).status_code == 404
