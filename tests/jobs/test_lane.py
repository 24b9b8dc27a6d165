"""The lane: one device job at a time, seen, stopped and handed over."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from studio.errors import CapabilityError, InputError
from studio.jobs import Job, JobContext, JobHandler, JobQueue, Lane, LeaseLostError, QueueLimits
from studio.records.product import Product
from studio.store import Store


def until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < limit, "waited too long"
        time.sleep(0.005)


def lane_of(store: Store, **handlers: JobHandler) -> tuple[JobQueue, Lane]:
    queue = JobQueue(store)
    return queue, Lane(queue, handlers, poll_s=0.01)


def endless(started: threading.Event) -> JobHandler:
    def run(context: JobContext) -> dict[str, Any]:
        started.set()
        for step in range(100_000):
            context.check()
            context.progress(step, 100_000)
            time.sleep(0.002)
        return {}

    return run


def test_run_job_shows_progress_with_time_left(store: Store) -> None:
    def work(context: JobContext) -> dict[str, Any]:
        for step in range(1, 5):
            time.sleep(0.01)
            context.progress(step, 4, f"step {step}")
        return {"got": context.payload["word"]}

    queue, lane = lane_of(store, work=work)
    seen: list[Job] = []
    job = lane.run_job(queue.submit("work", {"word": "dress"}).id, seen.append)
    assert (job.status, job.result) == ("done", {"got": "dress"})
    assert [j.progress.note for j in seen] == ["step 1", "step 2", "step 3", "step 4"]
    assert seen[0].progress.seconds_left is None
    assert 0 < (seen[2].progress.seconds_left or 0) < 10
    assert (job.progress.done, job.progress.seconds_left) == (4, 0.0)
    assert lane.run_job(job.id) == job, "an ended job is not run again"


def test_an_expected_error_fails_the_job_in_plain_words(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    def work(context: JobContext) -> None:
        raise CapabilityError("This base has no inpainting.", "Choose SDXL.")

    queue, lane = lane_of(store, work=work)
    job = lane.run_job(queue.submit("work", {}).id)
    assert (job.status, job.error, job.error_slug) == (
        "failed",
        "This base has no inpainting. Choose SDXL.",
        "not-supported",
    )
    assert caplog.records == []


def test_an_unexpected_error_is_logged_and_the_lane_goes_on(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    def work(context: JobContext) -> dict[str, Any]:
        return {"quotient": 1 / context.payload["by"]}

    queue, lane = lane_of(store, work=work)
    bad, good = queue.submit("work", {"by": 0}), queue.submit("work", {"by": 2})
    lane.start()
    until(lambda: queue.get(good.id).ended)
    lane.stop()
    assert queue.get(bad.id).status == "failed"
    assert "ZeroDivisionError" in queue.get(bad.id).error
    assert queue.get(good.id).result == {"quotient": 0.5}
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_a_result_that_is_no_json_fails_the_job(store: Store) -> None:
    queue, lane = lane_of(store, work=lambda context: {"thing": object()})
    assert lane.run_job(queue.submit("work", {}).id).error_slug == "invalid-input"


def test_cancel_is_seen_at_the_next_check(store: Store) -> None:
    started = threading.Event()
    queue, lane = lane_of(store, work=endless(started))
    job = queue.submit("work", {})
    lane.start()
    assert started.wait(30)
    queue.cancel(job.id)
    until(lambda: queue.get(job.id).ended)
    lane.stop()
    assert queue.get(job.id).status == "cancelled"
    assert [a.outcome for a in queue.attempts(job.id)] == ["cancelled"]


def test_ctrl_c_cancels_the_job(store: Store) -> None:
    def work(context: JobContext) -> None:
        raise KeyboardInterrupt

    queue, lane = lane_of(store, work=work)
    job = queue.submit("work", {})
    with pytest.raises(KeyboardInterrupt):
        lane.run_job(job.id)
    assert queue.get(job.id).status == "cancelled"
    assert lane.holder() is None


def test_an_orderly_stop_hands_the_job_back_and_a_start_goes_on(store: Store) -> None:
    started, finish = threading.Event(), threading.Event()

    def work(context: JobContext) -> dict[str, Any]:
        if finish.is_set():
            return {"went": "on"}
        endless(started)(context)
        return {}

    queue, lane = lane_of(store, work=work)
    job = queue.submit("work", {})
    lane.start()
    lane.start()
    assert started.wait(30)
    lane.stop()
    assert (queue.get(job.id).status, queue.get(job.id).attempts) == ("waiting", 0)
    assert lane.holder() is None
    finish.set()
    lane.start()
    until(lambda: queue.get(job.id).ended)
    lane.stop()
    assert queue.get(job.id).result == {"went": "on"}


def test_two_lanes_share_one_device_and_the_second_hands_over(store: Store) -> None:
    running, most, threads = 0, 0, set()
    lock = threading.Lock()

    def work(context: JobContext) -> None:
        nonlocal running, most
        with lock:
            running, most = running + 1, max(most, running + 1)
        threads.add(threading.current_thread().name)
        time.sleep(0.02)
        with lock:
            running -= 1

    queue, first = lane_of(store, work=work)
    _, second = lane_of(store, work=work)
    for _ in range(4):
        queue.submit("work", {})
    first.start()
    until(lambda: first.holder() is not None)
    second.start()
    third = lane_of(store, work=work)[1]
    job = third.run_job(queue.submit("work", {}).id)
    until(lambda: len(queue.list("done")) == 5)
    first.stop()
    until(lambda: second.holder() is not None)
    second.stop()
    assert job.status == "done"
    assert most == 1
    assert threads == {"lane"}


def test_a_jobs_thread_ends_with_the_job(store: Store) -> None:
    threads: list[threading.Thread] = []
    queue, lane = lane_of(store, work=lambda context: threads.append(threading.current_thread()))
    jobs = [queue.submit("work", {}) for _ in range(2)]
    lane.start()
    until(lambda: all(queue.get(job.id).ended for job in jobs))
    until(lambda: not any(thread.is_alive() for thread in threads))
    assert len(set(threads)) == 2
    lane.stop()


def test_the_heartbeat_carries_a_long_step(store: Store) -> None:
    def one_long_step(context: JobContext) -> None:
        time.sleep(2.1)
        assert queue.reclaim() == 0

    queue = JobQueue(store, QueueLimits(lease_s=1.5))
    assert Lane(queue, {"work": one_long_step}).run_job(queue.submit("work", {}).id).status == "done"


def test_a_worker_that_lost_its_job_stores_nothing(store: Store) -> None:
    def work(context: JobContext) -> None:
        if context.job.attempts == 1:
            queue.reclaim(here=True)  # as another process would, after this one was silent for too long
            with pytest.raises(LeaseLostError):
                context.progress(1, 1)
            with context.transaction():
                store.products.add(Product(sku="late", name="stale"))

    queue, lane = lane_of(store, work=work)
    job = lane.run_job(queue.submit("work", {}).id)
    assert (job.status, job.attempts) == ("done", 2)
    assert store.products.find() == []


def test_a_kind_without_handler_is_refused(store: Store) -> None:
    queue, lane = lane_of(store, work=lambda context: None)
    with pytest.raises(InputError, match="'paint'"):
        lane.run_job(queue.submit("paint", {}).id)
