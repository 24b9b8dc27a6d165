"""A picture carries its request, and gives it back; anything else is refused in plain words."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from studio.errors import FaultsError, InputError, NotFoundError
from studio.generate.png import KEYWORD, restore, to_png
from studio.records.generation import AdapterWeight
from studio.records.look import Look
from tests.generate.conftest import request

PICTURE = Image.new("RGB", (96, 128), (10, 90, 200))
ASKED = request(
    seed=2**63 - 1, prompt='水玉の dress, "quoted" <b>\n${x}', negative_prompt="grey", sku="A-1",
    look=Look(name="l", garment="a dress"), adapters=(AdapterWeight(brand_model="sample", adapter_weight=-0.5),),
)  # fmt: skip


def png_with(path: Path, *chunks: tuple[str, str], zip_text: bool = False) -> Path:
    info = PngInfo()
    for keyword, text in chunks:
        info.add_itxt(keyword, text, zip=zip_text)
    PICTURE.save(path, "PNG", pnginfo=info)
    return path


def test_the_request_comes_back_whole(tmp_path: Path) -> None:
    data = to_png(PICTURE, ASKED, {"dtype": "fp32"})
    path = tmp_path / "a.png"
    path.write_bytes(data)
    assert restore(path) == ASKED
    assert to_png(PICTURE, ASKED, {"dtype": "fp32"}) == data
    with Image.open(path) as opened:
        opened.load()
        assert json.loads(opened.text[KEYWORD])["made_with"] == {"dtype": "fp32"}
        words = opened.text["parameters"]
        assert opened.convert("RGB").tobytes() == PICTURE.tobytes()
    assert words.startswith(ASKED.prompt)
    for said in ("Negative prompt: grey", "Steps: 4", f"Seed: {2**63 - 1}", "Size: 96x128", "LoRA: sample -0.5"):
        assert said in words


def envelope(**changes: object) -> str:
    return json.dumps({"version": 1, "request": ASKED.model_dump(mode="json")} | changes)


@pytest.mark.parametrize(
    ("chunks", "words"),
    [
        ([], "no settings"),
        ([("parameters", "a cat\nSteps: 20, Seed: 1")], "another program"),
        ([("workflow", "{}")], "another program"),
        ([(KEYWORD, "{not json")], "damaged settings"),
        ([(KEYWORD, "[" * 100_000)], "damaged settings"),
        ([(KEYWORD, '"text"')], "damaged settings"),
        ([(KEYWORD, '{"version": 1, "request": {"seed": NaN}}')], "damaged settings"),
        ([(KEYWORD, envelope(version=2))], "another version"),
        ([(KEYWORD, envelope()), (KEYWORD, envelope())], "twice"),
        ([(KEYWORD, envelope(request={"prompt": "x", "seed": -1, "code": "import os"}))], "2 to mend"),
        ([(KEYWORD, envelope(padding="x" * 2**20))], "does not write"),
    ],
)
def test_foreign_and_malformed_settings_are_refused(tmp_path: Path, chunks: list[tuple[str, str]], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        restore(png_with(tmp_path / "some.png", *chunks))
    assert isinstance(caught.value, FaultsError) or caught.value.next_step


def test_packed_settings_are_not_unpacked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not write"):
        restore(png_with(tmp_path / "bomb.png", (KEYWORD, envelope()), zip_text=True))


def test_files_that_are_no_whole_png_are_refused(tmp_path: Path) -> None:
    path, good = tmp_path / "x.png", to_png(PICTURE, ASKED)
    jpeg = io.BytesIO()
    PICTURE.save(jpeg, "JPEG")
    huge = good[:8] + struct.pack(">I4s", 2**31, b"iTXt") + good[16:]
    flipped = good[:60] + bytes([good[60] ^ 1]) + good[61:]
    for data, words in (
        (jpeg.getvalue(), "no PNG"), (b"", "no PNG"), (good[:-3], "cut off"), (huge, "cut off"), (flipped, "damaged"),
    ):  # fmt: skip
        path.write_bytes(data)
        with pytest.raises(InputError, match=words):
            restore(path)
    with pytest.raises(NotFoundError):
        restore(tmp_path / "none.png")


def test_a_picture_of_gigapixels_costs_nothing_to_read(tmp_path: Path) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)))
    with pytest.raises(InputError, match="no settings"):
        restore(path)
