"""Processes that take a job and die with `kill -9` at a named point.

`python -m tests.jobs.worker die <folder>` forks one for each point, with the home `<folder>/<point>`;
`python -m tests.jobs.worker hold <home>` holds the device until it is killed.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from studio.errors import NotFoundError
from studio.jobs import DeviceLease, JobContext, JobHandler, JobQueue, Lane
from studio.records.product import Product
from studio.settings import Settings
from studio.store import Store

PICTURES = 3
POINTS = ("claiming", "claimed", "file written", "in mid-run", "before finish", "finishing", "finished")


def die() -> None:
    """The end without any warning."""
    os.kill(os.getpid(), signal.SIGKILL)


def drawing(store: Store, at: Callable[[str], None]) -> JobHandler:
    """A handler that makes numbered outputs, each a file and a row; `at` is told where it is."""

    def draw(context: JobContext) -> dict[str, Any]:
        at("claimed")
        for number in range(PICTURES):
            context.check()
            sku = f"{context.job.id}-{number}"
            try:
                store.products.get(sku)
            except NotFoundError:
                sha256 = store.files.put_bytes(sku.encode(), ".bin")
                at("file written")
                with context.transaction():
                    store.products.add(Product(sku=sku, name="output", photo_sha256=(sha256,)))
            context.progress(number + 1, PICTURES)
            if number == 1:
                at("in mid-run")
        at("before finish")
        return {"pictures": PICTURES}

    return draw


def work_and_die(home: Path, point: str) -> None:
    """Run one job in a fresh home and die at the point."""
    store = Store.open(Settings(home=home))
    if point == "claiming":
        store.jobs.open_attempt = lambda row: die()  # type: ignore[method-assign]
    if point == "finishing":
        store.jobs.close_attempt = lambda *args, **values: die()  # type: ignore[method-assign]
    queue = JobQueue(store)
    job = queue.submit("draw", {}, idempotency_key="the one")
    lane = Lane(queue, {"draw": drawing(store, lambda here: die() if here == point else None)})
    lane.run_job(job.id)
    die()


def main(command: str, folder: str) -> None:
    """See the module."""
    if command == "hold":
        lease = DeviceLease(Path(folder))
        assert lease.acquire("a long rehearsal")
        print("held", flush=True)
        time.sleep(60)
    for point in POINTS:  # forked before any thread or database exists: saves an interpreter start each
        if os.fork() == 0:
            work_and_die(Path(folder) / point, point)
    for _ in POINTS:
        print(os.waitstatus_to_exitcode(os.wait()[1]))


if __name__ == "__main__":
    main(*sys.argv[1:])
