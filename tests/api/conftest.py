"""One whole app, page included, that asks for a login; and people who have one."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from studio.api import Site, create_api
from studio.settings import Settings
from studio.studio import Studio

HOST = "studio.test"
PASSWORD = "a long password"


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, tiny_presets: Path) -> Iterator[Studio]:
    """A studio with two people."""
    root = tmp_path_factory.mktemp("api")
    (root / "brand_models").mkdir()
    settings = Settings(
        home=root / "home", presets=tiny_presets, brand_models=root / "brand_models", device="cpu", dtype="fp32"
    )
    with Studio(settings) as opened:
        opened.accounts.add("mika", PASSWORD)
        opened.accounts.add("ken", PASSWORD)
        yield opened


@pytest.fixture(scope="session")
def whole_app(served: Studio) -> FastAPI:
    """The app with the page on it."""
    with warnings.catch_warnings():
        # Gradio leaves event loops open while it builds a page; they are collected here, not in some later test.
        warnings.simplefilter("ignore", ResourceWarning)
        from studio.ui import mount_ui

        mounted: FastAPI = mount_ui(create_api(served, Site(names=(HOST,))), served)
        gc.collect()
    return mounted


@pytest.fixture
def visitor(whole_app: FastAPI) -> TestClient:
    """Somebody who is not logged in; redirects are not followed."""
    return client_of(whole_app)


@pytest.fixture
def mika(whole_app: FastAPI, served: Studio) -> TestClient:
    """Mika, logged in."""
    client = client_of(whole_app)
    client.cookies.set("sasage_session", served.accounts.session("mika"))
    return client


@pytest.fixture
def api_of(studio: Studio) -> Callable[..., TestClient]:
    """A client of a fresh studio's routes without the page, served at the given site."""

    def make(**site: Any) -> TestClient:
        return client_of(create_api(studio, Site(**({"names": (HOST,)} | site))))

    return make


def client_of(app: FastAPI) -> TestClient:
    return TestClient(app, base_url=f"http://{HOST}", follow_redirects=False, raise_server_exceptions=False)
