"""What the picture routes give, to whom, and how they refuse."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from studio.records.base import now
from studio.records.listing import Listing
from studio.records.product import Product
from studio.studio import Studio

TRAVERSALS = (
    "..",
    "%2e%2e",
    "..%2f..%2fusers.json",
    "%2e%2e%2fusers.json",
    "..%5cusers.json",
    "x%00",
    ".",
    "%2f",
    "users.json",
)
ROUTES = (
    "/thumbnails/{}", "/pictures/{}", "/samples/x/{}", "/samples/{}/x.png", "/packages/{}", "/exports/{}",
)  # fmt: skip


@pytest.fixture
def client(api_of: Callable[..., TestClient]) -> TestClient:
    client = api_of(names=())
    client.headers["host"] = "localhost"
    return client


@pytest.fixture
def photo(studio: Studio) -> str:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((600, 800)).convert("RGB").save(buffer, "JPEG")
    return studio.store.files.put_bytes(buffer.getvalue(), ".jpg")


def test_no_address_leads_out_of_the_store(client: TestClient, studio: Studio) -> None:
    studio.accounts.add("mika", "a long password")
    paths = [route.format(name) for route in ROUTES for name in TRAVERSALS]
    answers = {path: client.get(f"http://localhost{path}") for path in paths}
    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(answers, 404)
    assert [path for path, answer in answers.items() if b"salt" in answer.content] == []


def test_pictures_thumbnails_and_packages_are_only_for_people_who_are_logged_in(
    studio: Studio, api_of: Callable[..., TestClient], photo: str
) -> None:
    studio.accounts.add("mika", "a long password")
    studio.store.products.put(Product(sku="D-1", name="Dress"))
    package = studio.settings.packages_dir / "D-1.zip"
    package.parent.mkdir()
    package.write_bytes(b"PK")
    before = "/where/the/home/was/packages/D-1.zip"  # packages are found again after a home has moved
    listing = Listing(id="lst_1", sku="D-1", channel="etsy", slots=(), package_path=before, created_at=now())
    studio.store.listings.put(listing)
    client = api_of()
    paths = (f"/pictures/{photo}", f"/thumbnails/{photo}", "/packages/lst_1")
    assert [client.get(path).status_code for path in paths] == [401] * 3
    client.cookies.set("sasage_session", studio.accounts.session("mika"))
    answers = [client.get(path) for path in paths]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert [answer.headers["content-type"] for answer in answers] == ["image/jpeg", "image/webp", "application/zip"]
    assert "private" in answers[0].headers["cache-control"]
    package.unlink()
    gone = client.get("/packages/lst_1")
    assert gone.status_code == 404
    assert "not on the disk any more" in gone.json()["title"]


@pytest.mark.parametrize("suffix", [".html", ".svg", ".xml", ".js", ".txt", ""])
def test_what_a_browser_could_run_is_only_downloaded(client: TestClient, studio: Studio, suffix: str) -> None:
    sha256 = studio.store.files.put_bytes(b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", suffix)
    answer = client.get(f"/pictures/{sha256}")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    refused = client.get(f"/thumbnails/{sha256}")
    assert refused.status_code == 422
    assert "is no picture" in refused.json()["title"]


@pytest.mark.parametrize("crop", ["x", "1,2,3", "1,2,3,4,5", "a,b,c,d", "1.5,0,9,9", "-1,0,9,9", "0,0,0,0", "9,0,3,9",
                                  "0,0,601,800", "0,0,9,99999999999", "١,0,9,9"])  # fmt: skip
def test_a_crop_that_is_none_is_refused_in_words(client: TestClient, studio: Studio, photo: str, crop: str) -> None:
    answer = client.get(f"/thumbnails/{photo}", params={"crop": crop})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert "crop" in answer.json()["title"]
    assert not list(studio.settings.home.glob("thumbnails/*/*"))


def test_a_crop_is_shown(client: TestClient, photo: str) -> None:
    answer = client.get(f"/thumbnails/{photo}", params={"crop": "0,0,600,100"})
    with Image.open(io.BytesIO(answer.content)) as shown:
        assert shown.size == (256, 43)


def test_a_picture_that_is_gone_is_404(client: TestClient, studio: Studio, photo: str) -> None:
    assert client.get(f"/thumbnails/{photo}").status_code == 200
    studio.store.files.path(photo).unlink()
    assert client.get(f"/thumbnails/{photo}").status_code == 404
    assert client.get(f"/pictures/{photo}").status_code == 404
