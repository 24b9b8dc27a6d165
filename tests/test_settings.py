"""Settings come from the environment, keep to one home, and decide the device."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from studio.devices import Device, apply_threads, choose_device
from studio.errors import InputError
from studio.settings import Settings


def test_everything_written_lies_under_home(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    for folder in (settings.files_dir, settings.runs_dir, settings.packages_dir):
        assert folder.is_relative_to(tmp_path)
    assert settings.database_url == f"sqlite:///{tmp_path}/studio.sqlite3"


def test_environment_and_relative_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STUDIO_HOME", "here")
    monkeypatch.setenv("STUDIO_THREADS", "3")
    monkeypatch.setenv("STUDIO_DATABASE", "postgresql+psycopg://db/studio")
    settings = Settings()
    monkeypatch.chdir("/")
    assert settings.home == tmp_path / "here"
    assert settings.threads == 3
    assert settings.database_url == "postgresql+psycopg://db/studio"


def test_default_home_is_beside_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STUDIO_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert Settings().home == tmp_path / "studio_home"
    assert (Settings().presets.parent / "studio").is_dir()


@pytest.mark.parametrize(
    ("name", "value"), [("device", "tpu"), ("threads", 0), ("cache_bytes", -1), ("max_zip_ratio", 0)]
)
def test_values_out_of_range_are_refused(name: str, value: object) -> None:
    with pytest.raises(ValidationError, match=name):
        Settings(**{name: value})  # type: ignore[arg-type]


def test_cpu_computes_in_fp32_unless_asked() -> None:
    assert choose_device(Settings(device="cpu")) == Device("cpu", "fp32", "the settings ask for the CPU")
    assert choose_device(Settings(device="cpu", dtype="bf16")).dtype == "bf16"
    apply_threads(Settings(threads=None))


def test_fp16_on_a_cpu_is_refused_with_the_next_step() -> None:
    with pytest.raises(InputError, match="STUDIO_DTYPE"):
        choose_device(Settings(device="cpu", dtype="fp16"))
