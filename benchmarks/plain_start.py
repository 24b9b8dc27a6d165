"""The plain script that the studio's start is held against: load the stock pipeline, draw one picture, save it.

Run as `python benchmarks/plain_start.py asked.json`; imports nothing of the studio, as such a script would not.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple


class Asked(NamedTuple):
    """What to draw. `options` are the pipeline's own; paths are of files."""

    base: str
    options: dict[str, Any]
    seed: int
    control: str
    picture: str

    def write(self, path: Path) -> str:
        """Write it for the script; returns the path."""
        path.write_text(json.dumps(self._asdict()), encoding="utf-8")
        return str(path)


def draw(asked: Asked) -> None:
    """Draw and save."""
    import torch
    from diffusers import StableDiffusionControlNetPipeline
    from PIL import Image

    kind: Any = StableDiffusionControlNetPipeline
    pipeline = kind.from_pretrained(asked.base, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    with Image.open(asked.control) as control:
        generator = torch.Generator().manual_seed(asked.seed)
        pipeline(image=control.convert("RGB"), generator=generator, **asked.options).images[0].save(asked.picture)


if __name__ == "__main__":
    draw(Asked(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
