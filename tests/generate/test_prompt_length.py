"""A prompt that is too long is told before anything is loaded, with its count and what would be lost."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from studio.errors import FaultsError
from studio.generate import DraftService
from studio.generate.prompt_length import PromptLengths
from studio.models import Registry
from studio.presets import Presets
from studio.settings import Settings
from studio.store import Store
from tests.conftest import REPOSITORY
from tests.generate.conftest import request

SENTENCES = (
    "A woman in a  red dress, it's a white\tbackground. ",
    "紺色の水玉のワンピースを着た三十代の女性、正面、白い背景。",
    "Größe 42 & café -- £9.99! \U0001f457 ",
)


def presets_of(root: Path) -> Presets:
    return Presets(root, root / "brand_models")


@pytest.fixture
def drafts(store: Store, settings: Settings, presets: Presets) -> DraftService:
    return DraftService(store, settings, presets, Registry(presets))


@pytest.mark.parametrize("sentence", SENTENCES)
@pytest.mark.parametrize("bundled", [False, True], ids=["tiny", "bundled"])
def test_counts_and_cuts_are_those_of_the_real_tokenizer(tiny_base: Path, sentence: str, bundled: bool) -> None:
    from transformers import CLIPTokenizer

    presets = presets_of(REPOSITORY / "presets" if bundled else tiny_base.parent.parent)
    real = CLIPTokenizer.from_pretrained(presets.base_folder("croquis") / "tokenizer", local_files_only=True)
    lengths = PromptLengths(presets)
    for repeats in range(1, 12):
        text = sentence * repeats
        ids = real(text, truncation=False, verbose=False).input_ids
        found = lengths.too_long("croquis", text)
        if len(ids) <= real.model_max_length:
            assert found is None
            continue
        assert found is not None
        assert (found.tokens, found.limit) == (len(ids), real.model_max_length)
        assert text.endswith(found.text)
        unread = real.decode(ids[real.model_max_length - 1 : -1], skip_special_tokens=True)
        # Decoding loses spaces, and the first letter's bytes where the cut goes through it.
        kept, told = ("".join(words.lower().split()) for words in (unread, found.text))
        assert told.endswith(kept.lstrip("\ufffd"))
        assert len(told) - len(kept) <= 1


def test_a_job_with_a_prompt_that_is_too_long_is_refused_when_it_is_asked_for(drafts: DraftService) -> None:
    long = "a red dress with white dots and a crew neckline, " * 12 + "on the quay of Trieste"
    asked = [request(seed, prompt=long) for seed in range(5)] + [request(9), request(10, negative_prompt=long)]
    with pytest.raises(FaultsError) as caught:
        drafts.payload(asked)
    faults = caught.value.faults
    assert [fault.where for fault in faults] == ["request 0", "request 6"], "each text once"
    assert "its prompt has" in faults[0].what
    assert "its negative prompt has" in faults[1].what
    assert "of at most 64; not read: " in faults[0].what
    assert drafts.payload([request(9)])["requests"]


def test_a_base_whose_tokenizer_cannot_be_read_beforehand_leaves_it_to_the_job(tmp_path: Path, tiny_base: Path) -> None:
    base = tmp_path / "bases" / "croquis"
    shutil.copytree(tiny_base, base, ignore=shutil.ignore_patterns("*.safetensors"))
    lengths = PromptLengths(presets_of(tmp_path))
    long = SENTENCES[0] * 12
    assert lengths.too_long("croquis", long) is not None
    (base / "tokenizer" / "tokenizer.json").write_text("{}", encoding="utf-8")
    assert lengths.too_long("croquis", long) is None
    (base / "tokenizer" / "tokenizer.json").unlink()
    assert lengths.too_long("croquis", long) is None


def test_counting_loads_neither_torch_nor_transformers() -> None:
    code = (
        "import sys; from pathlib import Path; from studio.presets import Presets; "
        "from studio.generate.prompt_length import PromptLengths; "
        "lengths = PromptLengths(Presets(Path('presets'), Path('brand_models'))); "
        "print(lengths.too_long('croquis', 'a red dress ' * 60) is not None, "
        "sorted(set(sys.modules) & {'torch', 'transformers'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True []"
