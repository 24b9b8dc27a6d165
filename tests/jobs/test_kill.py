"""`kill -9` at every change of state: after a restart each job has one end, and each output exists once."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from studio.jobs import Job, JobQueue, Lane
from studio.settings import Settings
from studio.store import Store
from tests.jobs.worker import PICTURES, POINTS, drawing

REPOSITORY = Path(__file__).resolve().parents[2]


def start(command: str, folder: Path) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-m", "tests.jobs.worker", command, str(folder)]
    return subprocess.Popen(arguments, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Point -> the home that a killed process left behind."""
    folder = tmp_path_factory.mktemp("killed")
    output, _ = start("die", folder).communicate(timeout=200)
    assert output.split() == [str(-signal.SIGKILL)] * len(POINTS)
    return {point: folder / point for point in POINTS}


def ended(queue: JobQueue, job_id: str) -> Job:
    until = time.monotonic() + 60
    while not (job := queue.get(job_id)).ended and time.monotonic() < until:
        time.sleep(0.01)
    return job


@pytest.mark.parametrize("point", POINTS)
def test_a_restart_ends_the_job_once_with_each_output_once(killed: dict[str, Path], point: str) -> None:
    with Store.open(Settings(home=killed[point])) as store:
        queue = JobQueue(store)
        (before,) = queue.list()
        lane = Lane(queue, {"draw": drawing(store, lambda here: None)}, poll_s=0.02)
        lane.start()
        job = ended(queue, before.id)
        lane.stop()

        assert job.status == "done"
        assert job.result == {"pictures": PICTURES}
        outputs = store.products.find()
        assert [p.sku for p in outputs] == [f"{job.id}-{number}" for number in range(PICTURES)]
        assert store.files.sweep({p.photo_sha256[0] for p in outputs}) == []
        assert len(list(store.files.root.glob("??/*"))) == PICTURES
        assert before.status == {"claiming": "waiting", "finished": "done"}.get(point, "running")
        outcomes = [attempt.outcome for attempt in queue.attempts(job.id)]
        assert outcomes == (["done"] if point in ("claiming", "finished") else ["lost", "done"])


def test_submitting_again_after_a_crash_gives_the_same_job(killed: dict[str, Path]) -> None:
    with Store.open(Settings(home=killed["finished"])) as store:
        queue = JobQueue(store)
        assert queue.submit("draw", {}, idempotency_key="the one") == queue.list()[0]


def test_a_second_process_is_waited_for_by_name_and_its_death_frees_the_device(store: Store) -> None:
    other = start("hold", store.settings.home)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    queue, notes = JobQueue(store), []

    def watch(job: Job) -> None:
        notes.append(job.progress.note)
        other.kill()

    lane = Lane(queue, {"draw": drawing(store, lambda here: None)}, poll_s=0.02)
    job = lane.run_job(queue.submit("draw", {}).id, watch)
    other.communicate()
    assert job.status == "done"
    assert notes[0].startswith(f"waits for a long rehearsal (process {other.pid} on ")
    assert lane.holder() is None
