"""Presets: what ships is whole, and what a team breaks is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio import wording
from studio.errors import FaultsError, NotFoundError
from studio.presets import Presets
from studio.records.training import TrainingConfig

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def shipped(tmp_path: Path) -> Presets:
    return Presets(ROOT / "presets", tmp_path / "brand_models")


@pytest.fixture
def own(tmp_path: Path) -> Presets:
    return Presets(tmp_path / "presets", tmp_path / "brand_models")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_what_ships_is_whole(shipped: Presets) -> None:
    shipped.check()
    assert shipped.bases()["croquis"].commercial_use is True
    assert set(shipped.trainings()) == {"brand-model", "product-fabric", "style"}
    assert len(shipped.looks()) >= 6
    assert len(shipped.poses()) >= 12
    assert {"shopify", "rakuten", "zalando"} <= set(shipped.channels())
    assert shipped.brand_models() == {}


def test_every_training_preset_fits_the_record_and_says_where_it_is_from(shipped: Presets) -> None:
    for name, preset in shipped.trainings().items():
        assert all(values.source for values in preset.bases.values())
        config = TrainingConfig(name="n", dataset_id="d", **shipped.training(name))
        assert config.lora_alpha == config.lora_rank


def test_every_look_is_in_words_that_the_base_knows(shipped: Presets) -> None:
    # The sample brand's looks name its product instead, which the base cannot know.
    for look in (look for name, look in shipped.looks().items() if not name.startswith("sample-")):
        words = wording.prompt(look, action="standing", view="front")
        assert wording.unknown_words(words) == []
        assert {"garment", "fabric", "colour", "sleeve", "neckline", "hem"} <= set(wording.parse(words)), look.name


def test_an_edit_counts_at_once(own: Presets, tmp_path: Path) -> None:
    assert own.looks() == {}
    write(tmp_path / "presets/looks/rain.yaml", "name: rain\nbackground: street\n")
    assert own.looks()["rain"].background == "street"


def test_all_faults_are_told_together(own: Presets, tmp_path: Path) -> None:
    looks = tmp_path / "presets/looks"
    write(looks / "a.yaml", "name: a\nbackground: moon\nhat: red\n")
    write(looks / "b.yaml", "name: other\n")
    write(looks / "c.yaml", "- just\n- a list\n")
    write(looks / "d.json", "{broken")
    write(tmp_path / "presets/poses/p.json", '{"name": "p", "joints": []}')
    with pytest.raises(FaultsError) as caught:
        own.check()
    told = [Path(f.where.split(":")[0]).name for f in caught.value.faults]
    assert told == ["p.json", "a.yaml", "a.yaml", "b.yaml", "c.yaml", "d.json"]


def test_a_training_preset_with_an_unknown_setting_is_refused(own: Presets, tmp_path: Path) -> None:
    write(
        tmp_path / "presets/training/t.yaml",
        "name: t\ntitle: T\npurpose: p\nbases: {croquis: {source: s, settings: {lora_rank: 0, rang: 3}}}\n",
    )
    with pytest.raises(FaultsError) as caught:
        own.trainings()
    assert {f.where for f in caught.value.faults} == {"training/t:croquis:lora_rank", "training/t:croquis:rang"}


def test_yaml_cannot_make_objects(own: Presets, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    write(tmp_path / "presets/looks/x.yaml", f"!!python/object/apply:os.mkdir ['{canary}']\n")
    with pytest.raises(FaultsError, match="cannot be read"):
        own.looks()
    assert not canary.exists()


def test_an_unknown_name_lists_the_names_there_are(shipped: Presets) -> None:
    with pytest.raises(NotFoundError, match="brand-model, product-fabric, style"):
        shipped.training("nope")
    with pytest.raises(NotFoundError, match="none yet"):
        shipped.brand_model_folder("../../etc")


def test_missing_weights_are_told_with_their_place(own: Presets, tmp_path: Path) -> None:
    card = (ROOT / "presets/bases/croquis/card.yaml").read_text(encoding="utf-8")
    write(tmp_path / "presets/bases/croquis/card.yaml", card + "path: weights\n")
    with pytest.raises(NotFoundError, match="weights"):
        own.base_folder("croquis")
    (tmp_path / "presets/bases/croquis/weights").mkdir()
    assert own.base_folder("croquis").is_dir()
