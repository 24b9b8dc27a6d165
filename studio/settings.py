"""Paths, device, limits: everything that differs between two installations. Set by `STUDIO_*` variables.

All that the studio writes lies under `home`; presets and brand models are read from the repository unless set.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

REPOSITORY = Path(__file__).resolve().parent.parent
MIB = 2**20


class Settings(BaseSettings):
    """One installation. Relative paths are taken from the folder the studio was started in.

    Raises:
        pydantic.ValidationError: a value that is not of its kind or outside its range.
    """

    model_config = SettingsConfigDict(env_prefix="STUDIO_", frozen=True, extra="ignore", validate_default=True)

    home: Path = Path("studio_home")
    presets: Path = REPOSITORY / "presets"
    brand_models: Path = REPOSITORY / "brand_models"
    database: str = ""
    """An SQLAlchemy URL such as `postgresql+psycopg://...`; empty: SQLite in `home`."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    threads: int | None = Field(default=None, ge=1, le=1024)
    """CPU threads for torch; None: as many as torch chooses."""
    cache_bytes: int | None = Field(default=None, ge=0)
    """Budget of the model cache; None: two thirds of the memory of the device."""

    insightface_pack: Path | None = None
    """Folder of an insightface pack; None: faces are read by OpenCV's YuNet and SFace."""
    insightface_research_use: bool = False
    """Whether the team has accepted that a pack without a commercial licence is for research alone."""

    max_image_pixels: int = Field(default=50_000_000, ge=1)
    max_upload_bytes: int = Field(default=64 * MIB, ge=1)
    """Largest single photo."""
    max_zip_bytes: int = Field(default=2048 * MIB, ge=1)
    """Largest archive, unpacked."""
    max_zip_ratio: float = Field(default=100.0, ge=1)
    """Greatest ratio of unpacked to packed bytes; photos are packed already, bombs lie above 1000."""

    @field_validator("home", "presets", "brand_models", "insightface_pack")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        # Made absolute once, so that a later change of the working folder cannot split a home in two.
        return None if value is None else value.expanduser().absolute()

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL of the one database."""
        return self.database or f"sqlite:///{self.home / 'studio.sqlite3'}"

    @property
    def files_dir(self) -> Path:
        """Content-addressed originals and generated pictures."""
        return self.home / "files"

    @property
    def runs_dir(self) -> Path:
        """One folder a training run."""
        return self.home / "runs"

    @property
    def models_dir(self) -> Path:
        """Pulled bases and what is added to them, one folder each below its kind."""
        return self.home / "models"

    @property
    def packages_dir(self) -> Path:
        """Finished listing packages."""
        return self.home / "packages"
