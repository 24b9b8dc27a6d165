"""Runs a training script of diffusers as it is, and lets it wait after every so many steps.

    python benchmarks/script_steps.py STEPS SCRIPT arguments of the script ...

The script shows its steps in a progress bar, and tells it the loss after each: there it waits for a line on stdin, and
answers on stdout with one line. Imports nothing of the studio.
"""

from __future__ import annotations

import json
import runpy
import sys
import time
from typing import Any

MARK = "@steps "
BAR = "Steps"
"""What the scripts of examples/dreambooth call their progress bar."""


def run(steps: int, script: str, arguments: list[str]) -> None:
    """The script to its end, watched."""
    import tqdm.auto

    losses: list[float] = []

    def pause() -> None:
        print(MARK + json.dumps({"losses": losses, "cpu_s": time.process_time()}), flush=True)
        losses.clear()
        if not sys.stdin.readline():
            sys.exit("nobody asks for more steps")

    class Watched(tqdm.auto.tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            if self.desc and self.desc.startswith(BAR):
                pause()

        def set_postfix(self, *args: Any, **told: Any) -> None:
            super().set_postfix(*args, **told)
            losses.append(float(told["loss"]))
            if len(losses) == steps:
                pause()

    tqdm.auto.tqdm = Watched
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    run(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
