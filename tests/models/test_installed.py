"""What is installed: told apart from what is damaged, checked again, and taken away."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio import errors
from studio.models.installed import Installed, sha256_of
from studio.presets import Presets
from studio.records.base import now
from studio.records.pullable import Manifest, PulledFile
from studio.settings import Settings
from studio.shelf import MANIFEST

NAME = "sd15-controlnet-canny"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    """A home in which one shipped add-on was pulled."""
    settings = Settings(home=tmp_path, presets=ROOT / "presets", brand_models=tmp_path)
    made = Installed(settings, Presets(settings.presets, settings.brand_models, settings.models_dir))
    folder = settings.models_dir / "controlnet" / NAME
    folder.mkdir(parents=True)
    files = []
    for name, data in (("config.json", b"{}"), ("w.safetensors", b"0123456789")):
        (folder / name).write_bytes(data)
        files.append(
            PulledFile(
                path=name, size_bytes=len(data), sha256=sha256_of(folder / name), repo="r", commit="c", source_path=name
            )
        )
    manifest = Manifest(name=NAME, kind="controlnet", source="hub", pulled_at=now(), files=tuple(files))
    (folder / MANIFEST).write_text(manifest.model_dump_json())
    return made


def test_what_is_whole_passes(installed: Installed) -> None:
    assert installed.state(NAME) == "installed"
    assert set(installed.verify(NAME)) == {"config.json", "w.safetensors"}


def test_a_changed_byte_is_found_by_reading(installed: Installed) -> None:
    (installed.folder(NAME) / "w.safetensors").write_bytes(b"0123456780")
    assert installed.state(NAME) == "installed", "names and sizes are all that a look takes in"
    with pytest.raises(errors.FaultsError, match=r"w.safetensors: has the sha256.*models remove"):
        installed.verify(NAME)


def test_a_file_that_is_missing_or_short_is_seen_at_once(installed: Installed) -> None:
    folder = installed.folder(NAME)
    (folder / "w.safetensors").write_bytes(b"01")
    assert installed.state(NAME) == "damaged"
    with pytest.raises(errors.CapabilityError, match=r"cut short.*models remove"):
        installed.folder(NAME)
    (folder / "w.safetensors").unlink()
    (folder / "config.json").unlink()
    with pytest.raises(errors.FaultsError) as caught:
        installed.verify(NAME)
    assert len(caught.value.faults) == 2
    (folder / MANIFEST).write_text("{")
    assert installed.state(NAME) == "damaged"


def test_remove_takes_everything_and_says_how_much(installed: Installed) -> None:
    folder = installed.folder(NAME)
    begun = folder.with_name(f".{NAME}")
    begun.mkdir()
    (begun / "part").write_bytes(b"12345")
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert installed.remove(NAME) == size + 5
    assert installed.state(NAME) == "absent"
    assert not folder.exists()
    assert not begun.exists()
    assert installed.remove(NAME) == 0


def test_the_bundled_base_is_there_and_stays(installed: Installed) -> None:
    assert installed.state("croquis") == "installed"
    assert installed.folder("croquis") == ROOT / "presets/bases/croquis"
    assert installed.manifest("croquis") is None
    with pytest.raises(errors.ConflictError, match="part of the studio"):
        installed.remove("croquis")


def test_an_unknown_name_lists_what_there_is(installed: Installed) -> None:
    with pytest.raises(errors.NotFoundError, match="sdxl"):
        installed.state("../../etc")
