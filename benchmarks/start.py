"""Seconds from the start of a process to its first picture, and what importing costs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.images import stock_options
from benchmarks.pictures import presets_of, requests_of
from benchmarks.plain_start import Asked
from benchmarks.plan import Plan
from benchmarks.rounds import Case, Outcome, Work
from benchmarks.subject import main
from studio.compose import draw_openpose
from studio.records.generation import GenerationRequest
from studio.settings import REPOSITORY

LIMIT_LEVELS = 1.0
"""Both pictures are read from PNG files, so the least difference that can be seen is one level of 255."""
PLAIN, STUDIO = "plain script, stock pipeline", "app.py generate"
IMPORTS = {
    "Python alone": "pass",
    "studio.cli": "import studio.cli",
    "the stock pipeline": "from diffusers import StableDiffusionControlNetPipeline",
}
PLAIN_SCRIPT = Path(__file__).with_name("plain_start.py")


def cases(plan: Plan, folder: Path) -> Sequence[Case]:
    """The first picture, and imports."""
    asked = requests_of(plan)[0]
    drawn = {PLAIN: partial(plain_arm, plan, asked, folder), STUDIO: partial(studio_arm, plan, asked, folder)}
    imported = {name: partial(import_arm, plan, code) for name, code in IMPORTS.items()}
    return [
        Case("picture", "A new process to its first picture", "start", 1, drawn, "levels of 255", LIMIT_LEVELS),
        Case("import", "A new process that only imports", "start", 1, imported),
    ]


@contextmanager
def plain_arm(plan: Plan, asked: GenerationRequest, folder: Path) -> Iterator[Work]:
    """A script that loads the stock pipeline and draws. Its control map is drawn beforehand."""
    prepared = plain_question(plan, asked, folder)
    arguments = [str(PLAIN_SCRIPT), prepared.write(folder / "asked.json")]

    def outcome(_: None) -> Outcome:
        return levels(Path(prepared.picture))

    yield Work(lambda _: run(arguments, plan), outcome)


def plain_question(plan: Plan, asked: GenerationRequest, folder: Path) -> Asked:
    """The request in the plain script's words."""
    assert asked.pose is not None
    control = folder / "control.png"
    Image.fromarray(draw_openpose(asked.pose, asked.framing)).save(control)
    base = presets_of(plan).base_folder(plan.base)
    return Asked(str(base), stock_options(asked), asked.seed, str(control), str(folder / "plain.png"))


@contextmanager
def studio_arm(plan: Plan, asked: GenerationRequest, folder: Path) -> Iterator[Work]:
    """The command line in a fresh home: database made, job queued and run, picture kept and copied out."""

    def draw(number: int) -> Path:
        out = folder / f"out_{number}"
        run([str(REPOSITORY / "app.py"), *studio_arguments(asked, folder / f"home_{number}", out)], plan)
        return out

    def outcome(out: Path) -> Outcome:
        [picture] = out.glob("*.png")
        found = levels(picture)
        shutil.rmtree(out)
        return found

    yield Work(draw, outcome)


def studio_arguments(asked: GenerationRequest, home: Path, out: Path) -> list[str]:
    """The request as the studio's command line takes it."""
    assert asked.pose is not None
    assert asked.look is not None
    return [
        "--home", str(home), "generate", "matrix", "--pose", asked.pose.name, "--look", asked.look.name,
        "--seed", str(asked.seed), "--base", asked.base, "--num-inference-steps", str(asked.num_inference_steps),
        "--out", str(out), "--json",
    ]  # fmt: skip


@contextmanager
def import_arm(plan: Plan, code: str) -> Iterator[Work]:
    """A process that imports and ends."""
    yield Work(lambda _: run(["-c", code], plan), lambda _: np.zeros(1))


def environment(plan: Plan) -> dict[str, str]:
    """What a process of this project is told: the plan's threads and presets, the CPU, fp32, no network."""
    return os.environ | {
        "OMP_NUM_THREADS": str(plan.threads),
        "STUDIO_THREADS": str(plan.threads),
        "STUDIO_PRESETS": str(plan.presets),
        "STUDIO_BRAND_MODELS": str(plan.presets / "no-brand-models"),
        "STUDIO_DEVICE": "cpu",
        "STUDIO_DTYPE": "fp32",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def run(arguments: list[str], plan: Plan) -> None:
    """A Python process to its end, with the plan's threads and presets, on the CPU, in fp32.

    Raises:
        RuntimeError: it failed; tells the end of what it said.
    """
    done = subprocess.run(
        [sys.executable, *arguments], cwd=REPOSITORY, env=environment(plan), capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{arguments[0]} ended with code {done.returncode}:\n{done.stderr[-2000:]}")


def levels(path: Path) -> Outcome:
    """A picture as (H, W, 3) of levels, 0 to 255."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), dtype=np.float64)


def conditions(plan: Plan) -> dict[str, str]:
    """What is started."""
    asked = requests_of(plan)[0]
    return {
        "base": plan.base,
        "picture": f"{asked.framing.width_px}x{asked.framing.height_px} px, {asked.num_inference_steps} steps",
        "number format": "fp32",
        "threads": str(plan.threads),
    }


if __name__ == "__main__":
    main("start", __doc__, conditions, cases)
