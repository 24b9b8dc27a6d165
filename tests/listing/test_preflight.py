"""Findings say in plain words what a channel would refuse."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from PIL import Image

from studio.errors import CapabilityError
from studio.listing.channels import aspect_words, delivered_format, delivered_size
from studio.listing.preflight import check_slot
from studio.presets import Presets
from studio.records.listing import Channel, PreflightFinding, SlotImage, Sourced
from tests.listing.pictures import painted

PRESETS = Path(__file__).resolve().parents[2] / "presets"
SLOT = SlotImage(slot="main", variant_id="var_1")


@pytest.fixture(scope="module")
def channels() -> dict[str, Channel]:
    return Presets(PRESETS, PRESETS / "none").channels()


def _check(channel: Channel, image: Image.Image, position: int = 0) -> list[PreflightFinding]:
    return check_slot(SLOT, position, image, channel)


def _messages(findings: list[PreflightFinding], level: str) -> list[str]:
    return [finding.message for finding in findings if finding.level == level]


def test_every_channel_value_has_source_and_date(channels: dict[str, Channel]) -> None:
    expected = {"zalando", "google_merchant", "ebay", "etsy", "amazon_main", "shopify", "rakuten"}
    assert expected <= channels.keys()
    for name in expected:
        fields = [getattr(channels[name], field) for field in Channel.model_fields]
        for rule in (value for value in fields if isinstance(value, Sourced)):
            assert rule.source
            assert rule.read_on == date(2026, 11, 1)
    assert channels["shopify"].max_bytes is not None
    assert channels["shopify"].max_bytes.secondary


def test_zalando_refuses_a_small_picture_in_its_own_numbers(channels: dict[str, Channel]) -> None:
    findings = _check(channels["zalando"], painted())
    assert _messages(findings, "refused") == ["192x256, needs 762x1100", "192x256 is 1:1.33, needs 1:1.44"]
    assert "Nothing is upscaled" in findings[0].fix
    assert findings[0].values["factor"] == "4.30"  # 1100 / 256, rounded up, so that the height suffices
    assert not _messages(findings, "ok")


def test_zalando_takes_its_own_size_and_advises_a_larger_one(channels: dict[str, Channel]) -> None:
    findings = _check(channels["zalando"], painted(762, 1100))
    assert not _messages(findings, "refused")
    assert "762x1100, 1801x2600 advised" in _messages(findings, "warning")
    assert not _messages(_check(channels["zalando"], painted(761, 1100)), "ok")


@pytest.mark.parametrize("name", ["google_merchant", "ebay", "amazon_main"])
def test_small_pictures_are_refused_where_there_is_a_least_size(channels: dict[str, Channel], name: str) -> None:
    needs = "500x500" if name == "google_merchant" else "500 px on its longer side"
    assert f"192x256, needs {needs}" in _messages(_check(channels[name], painted()), "refused")


@pytest.mark.parametrize("name", ["shopify", "rakuten"])
def test_the_croquis_size_may_go_where_there_is_no_least_size(channels: dict[str, Channel], name: str) -> None:
    findings = _check(channels[name], painted())
    assert not _messages(findings, "refused")
    assert _messages(findings, "ok") == ["192x256, delivered at this size"]


def test_what_nobody_measured_is_said(channels: dict[str, Channel]) -> None:
    warnings = _messages(_check(channels["rakuten"], painted()), "warning")
    assert "text coverage not measured (limit 20% on a 10x10 grid)" in warnings
    assert "not measured: no border" in warnings


def test_etsy_warns_against_renderings(channels: dict[str, Channel]) -> None:
    assert any("not a rendering" in message for message in _messages(_check(channels["etsy"], painted()), "warning"))


def test_amazon_looks_at_background_and_fill_of_the_main_picture_only(channels: dict[str, Channel]) -> None:
    amazon = channels["amazon_main"]
    assert not _messages(_check(amazon, painted(1200, 1600)), "refused")
    small_figure = Image.new("RGB", (1200, 1600), "white")
    small_figure.paste(painted(600, 800), (300, 400))
    assert _messages(_check(amazon, small_figure), "refused") == ["the product fills 44% of the frame, needs 85%"]
    grey = Image.new("RGB", (1200, 1600), (254, 254, 254))
    findings = _check(amazon, grey)
    assert _messages(findings, "refused") == ["0% of the picture's edge is pure white (255), needs all of it"]
    assert any("not measured" in message for message in _messages(findings, "warning"))
    assert not _messages(_check(amazon, grey, position=1), "refused")
    assert _messages(_check(amazon, grey, position=9), "refused")


def test_sizes_only_ever_shrink(channels: dict[str, Channel]) -> None:
    assert delivered_size(192, 256, channels["shopify"]) == (192, 256)
    assert delivered_size(6000, 8000, channels["rakuten"]) == (2880, 3840)
    width, height = delivered_size(5000, 8000, channels["shopify"])
    assert max(width, height) <= 5000
    assert width * height <= 25e6
    assert delivered_size(1000, 1, channels["rakuten"]) == (1000, 1)
    assert "sized down to 2880x3840" in _messages(_check(channels["rakuten"], Image.new("RGB", (6000, 8000))), "ok")[0]


def test_formats_and_shapes(channels: dict[str, Channel]) -> None:
    assert delivered_format(channels["shopify"]) == "jpeg"
    with pytest.raises(CapabilityError, match="png"):
        delivered_format(channels["shopify"].model_copy(update={"formats": ("png",)}))
    assert aspect_words(1.5) == "1.50:1"
