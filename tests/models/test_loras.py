"""LoRAs from elsewhere become brand models that draw, and say what is not known of them; brand models go out again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from studio.cli import main
from studio.errors import CapabilityError, ConflictError, FaultsError, GateError, InputError
from studio.generate.adapters import load_adapter
from studio.records.generation import AdapterWeight
from studio.review.references import References
from studio.studio import Studio
from tests.models.lora_files import kohya, random_lora, write

FACTS = {"source": "https://example.org/lora", "owner": "A. Weaver", "licence": "CC-BY-4.0", "by": "Kana"}
HEADER = {"modelspec.trigger_phrase": "zqweave", "modelspec.architecture": "croquis/lora"}


@pytest.fixture(scope="module")
def unet(tiny_base: Path) -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel.from_pretrained(tiny_base / "unet")


@pytest.fixture
def tensors(unet: Any) -> dict[str, Tensor]:
    names = [name for name, _ in unet.named_modules() if name.endswith(("to_q", "to_v", "conv1"))]
    return kohya("lora_unet", random_lora(unet, names, ranks=[4, 2], alphas=[2.0, 6.0, 1.0]))


@pytest.fixture
def file(tensors: dict[str, Tensor], tmp_path: Path) -> Path:
    return write(tmp_path / "weave.safetensors", tensors, HEADER)


def test_a_foreign_file_becomes_a_brand_model_that_draws(studio: Studio, file: Path) -> None:
    model, notes = studio.loras.bring_in(file, name="weave", base="croquis", **FACTS)
    folder = studio.presets.brand_model_folder("weave")
    assert (folder / model.weights_file).read_bytes() == file.read_bytes()
    assert model.weights_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (model.trigger_token, model.training, model.photo_count) == ("zqweave", None, 0)
    assert model.imported is not None
    assert model.imported.model_dump() == {**FACTS, "file_name": file.name, "layout": "kohya", "commercial_use": None}
    assert studio.presets.brand_models()["weave"] == model
    assert notes == ("Its training photos are not known: review cannot look for copies of them.",)
    assert len(load_adapter(studio.presets, "weave").lora.denoiser.layers) == len(load_file(file)) / 3
    adapters = [AdapterWeight(brand_model="weave", adapter_weight=0.8)]
    settings: dict[str, Any] = {"num_inference_steps": 2}
    with_it, without = (
        studio.generate.run(studio.generate.matrix([None], ["street-denim"], [1], adapters=given, **settings))
        for given in (adapters, [])
    )
    assert with_it[0].image_sha256 != without[0].image_sha256
    assert "zqweave" in with_it[0].request.prompt

    sources = References(studio.store, studio.settings, studio.presets, None, None).training_photos(with_it[0])
    assert sources is not None
    assert sources.missing == "brand model weave came without its training photos"
    (measured,) = studio.review.measure([with_it[0].id])
    copies = measured.measure("copy_similarity")
    assert copies is not None
    assert copies.value is None
    assert copies.note == "not measured: brand model weave came without its training photos"


@pytest.mark.parametrize(
    ("said", "licence", "allowed"),
    [
        (None, "CC-BY-4.0", None),
        (True, "CC-BY-4.0", True),
        (False, "own terms", False),
        (True, "CC BY-NC 4.0, non-commercial", False),
    ],
)
def test_its_licence_is_what_a_person_has_read(
    studio: Studio, file: Path, said: bool | None, licence: str, allowed: bool | None
) -> None:
    from studio.listing.licences import licence_uses

    studio.loras.bring_in(file, name="weave", base="croquis", **FACTS | {"licence": licence}, commercial_use=said)
    asked = studio.generate.matrix(
        ["standing-front"],
        ["studio-navy-dress"],
        [1],
        adapters=[AdapterWeight(brand_model="weave", adapter_weight=1.0)],
    )
    use = licence_uses(asked[0], studio.presets.bases(), studio.presets.brand_models())[1]
    assert (use.subject, use.commercial_use) == ("brand model weave", allowed)
    assert use.licence == f"base Apache-2.0; LoRA {licence}"
    assert use.blocks == (allowed is not True)


def refused(studio: Studio, file: Path, **changed: Any) -> None:
    facts: dict[str, Any] = {"name": "weave", "base": "croquis", **FACTS} | changed
    studio.loras.bring_in(file, **facts)


def test_what_does_not_fit_is_refused_and_leaves_nothing(
    studio: Studio, file: Path, tensors: dict[str, Tensor], tmp_path: Path
) -> None:
    key = next(key for key in tensors if "to_q.lora_down" in key)
    wide = write(tmp_path / "wide.safetensors", tensors | {key: torch.ones(tensors[key].shape[0], 999)})
    strange = {key.replace("down_blocks_1", "down_blocks_9"): value for key, value in tensors.items()}
    sdxl = write(tmp_path / "sdxl.safetensors", tensors, {"modelspec.architecture": "stable-diffusion-xl-v1-base/lora"})
    nan = write(tmp_path / "nan.safetensors", tensors | {key: torch.full_like(tensors[key], torch.nan)})
    pickle = tmp_path / "lora.pt"
    pickle.write_bytes(b"\x80\x04N.")
    cases: list[tuple[Path, type[Exception], str]] = [
        (sdxl, CapabilityError, r"sdxl\.safetensors is a LoRA for SDXL; the base croquis is of the family Croquis"),
        (wide, FaultsError, r"wide\.safetensors does not fit the base croquis(.|\n)*to_q: is \d+x999 in the LoRA"),
        (write(tmp_path / "s.safetensors", strange), FaultsError, r"down_blocks\.9\..* is no layer of this base"),
        (nan, GateError, "NaN"),
        (pickle, GateError, "not a .safetensors file"),
    ]
    for path, kind, words in cases:
        with pytest.raises(kind, match=words):
            refused(studio, path)
    with pytest.raises(FaultsError, match=r"(?s)owner: is not given.*licence: is not given"):
        refused(studio, file, owner=" ", licence="")
    with pytest.raises(FaultsError, match="name"):
        refused(studio, file, name="../weave")
    assert studio.presets.brand_models() == {}
    refused(studio, file)
    with pytest.raises(ConflictError, match="already a brand model weave"):
        refused(studio, file)


def test_another_shape_of_a_hundred_layers_is_told_in_a_few_lines(studio: Studio, tmp_path: Path, unet: Any) -> None:
    names = [name for name, _ in unet.named_modules() if name.endswith(("to_q", "to_k", "to_v"))]
    made = random_lora(unet, names, ranks=[2], alphas=[2.0])
    wide = {n: (torch.ones(2, 7), up) for n, (_, up) in made.matrices.items()}
    path = write(tmp_path / "w.safetensors", kohya("lora_unet", made._replace(matrices=wide)))
    with pytest.raises(FaultsError) as error:
        refused(studio, path)
    assert len(error.value.faults) == 6
    assert error.value.faults[-1].what == f"{len(names) - 5} more."


def test_the_command_line_brings_in_and_sends_out(
    studio: Studio, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("home", "presets", "brand_models", "device", "dtype"):
        monkeypatch.setenv(f"STUDIO_{name.upper()}", str(getattr(studio.settings, name)))
    facts = [word for key, value in FACTS.items() for word in (f"--{key}", value)]
    call = ["models", "import-lora", str(file), "--name", "weave", "--base", "croquis", *facts, "--commercial-use"]
    assert main([*call, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["brand_model"]["imported"]["commercial_use"] is True
    assert told["notes"]
    out = tmp_path / "for-comfyui.safetensors"
    assert main(["models", "export-lora", "weave", "--to", str(out)]) == 0
    exported, given = load_file(out), load_file(file)
    assert exported.keys() == given.keys()
    assert all(torch.equal(exported[key], given[key]) for key in given)
    assert main(["models", "export-lora", "weave", "--to", str(out)]) == 5
    assert main(["models", "export-lora", "weave", "--to", str(tmp_path / "x.pt")]) == 2
    assert main(["models", "export-lora", "nobody", "--to", str(tmp_path / "x.safetensors")]) == 4


def test_the_header_of_an_export_says_what_it_is(studio: Studio, file: Path, tmp_path: Path) -> None:
    from safetensors import safe_open

    studio.loras.bring_in(file, name="weave", base="croquis", trigger_token="other", **FACTS)
    with pytest.raises(InputError, match="no name of a LoRA file"):
        studio.loras.export("weave", "kohya", tmp_path / "x.bin")
    out = tmp_path / "x.safetensors"
    assert studio.loras.export("weave", "diffusers", out) == out.stat().st_size
    with safe_open(out, "pt") as opened:
        header = opened.metadata()
    assert header["modelspec.trigger_phrase"] == "other"
    assert header["modelspec.license"] == "CC-BY-4.0; base Apache-2.0"
    assert header["modelspec.architecture"] == "croquis/lora"
    assert json.loads(header["lora_adapter_metadata"])["unet.alpha_pattern"]
