"""The rules of the queue: one job a key, owners in turn, bounded, leased, capped."""

from __future__ import annotations

import threading

import pytest

from studio.errors import ConflictError, InputError, NotFoundError
from studio.jobs import Claim, JobQueue, LeaseLostError, Progress, QueueFullError
from studio.store import Store
from tests.jobs.conftest import Clock


def claim(queue: JobQueue, warm_key: str = "") -> Claim:
    claimed = queue.claim(["draw"], warm_key=warm_key)
    assert claimed is not None
    return claimed


def test_a_job_is_submitted_run_and_done(queue: JobQueue) -> None:
    job = queue.submit("draw", {"seed": 2**60, "名前": [1.5, None]}, owner="ann")
    assert (job.status, job.owner, job.payload) == ("waiting", "ann", {"seed": 2**60, "名前": [1.5, None]})
    claimed = claim(queue)
    queue.heartbeat(claimed, Progress(done=1, total=4, note="drawing", seconds_left=3.0))
    assert queue.get(job.id).progress == Progress(done=1, total=4, note="drawing", seconds_left=3.0)
    done = queue.finish(claimed, {"variants": ["v1"]})
    assert (done.status, done.result, done.attempts) == ("done", {"variants": ["v1"]}, 1)
    assert done.created_at < done.started_at < done.finished_at
    assert queue.claim(["draw"]) is None
    assert [j.id for j in queue.list("done", "ann")] == [job.id]
    assert queue.list("waiting") == queue.list(owner="bob") == []


def test_same_key_same_body_is_the_same_job(queue: JobQueue) -> None:
    first = queue.submit("draw", {"a": 1, "b": 2}, idempotency_key="k")
    assert queue.submit("draw", {"b": 2, "a": 1}, idempotency_key="k").id == first.id
    queue.finish(claim(queue))
    assert queue.submit("draw", {"a": 1, "b": 2}, idempotency_key="k").status == "done"
    assert queue.submit("draw", {"a": 1, "b": 2}, idempotency_key="k", owner="bob").id != first.id


@pytest.mark.parametrize(("kind", "payload"), [("draw", {"a": 2}), ("train", {"a": 1})])
def test_same_key_other_body_is_a_conflict(queue: JobQueue, kind: str, payload: dict[str, int]) -> None:
    queue.submit("draw", {"a": 1}, idempotency_key="k")
    with pytest.raises(ConflictError, match="'k'"):
        queue.submit(kind, payload, idempotency_key="k")
    assert len(queue.list()) == 1


@pytest.mark.parametrize("payload", [{"x": float("nan")}, {"x": object()}, {"x": b"bytes"}])
def test_only_json_is_taken(queue: JobQueue, payload: dict[str, object]) -> None:
    with pytest.raises(InputError, match="JSON"):
        queue.submit("draw", payload)


def test_a_full_queue_says_when_to_come_back(queue: JobQueue, clock: Clock) -> None:
    queue.submit("draw", {}, idempotency_key="k")
    claimed = claim(queue)
    clock.now += 90
    queue.finish(claimed)
    for _ in range(6):
        queue.submit("draw", {})
    with pytest.raises(QueueFullError, match="90 s") as full:
        queue.submit("draw", {})
    assert full.value.retry_after_s == pytest.approx(90, abs=0.1)
    assert queue.submit("draw", {}, idempotency_key="k").status == "done", "a repeat needs no place"
    claim(queue)
    queue.submit("draw", {})


def test_owners_take_turns(queue: JobQueue) -> None:
    for owner in ("ann", "ann", "ann", "bob", "cid"):
        queue.submit("draw", {}, owner=owner)
    order = []
    for _ in range(5):
        claimed = claim(queue)
        order.append(claimed.job.owner)
        queue.finish(claimed)
    assert order == ["ann", "bob", "cid", "ann", "ann"]


def test_a_warm_model_goes_first_but_nobody_waits_for_ever(queue: JobQueue) -> None:
    cold = queue.submit("draw", {}, warm_key="sdxl")
    for number in range(4):
        queue.submit("draw", {"n": number}, warm_key="croquis")
    order = []
    for _ in range(5):
        claimed = claim(queue, warm_key="croquis")
        order.append(claimed.warm_key)
        queue.finish(claimed)
    assert order == ["croquis", "croquis", "croquis", "sdxl", "croquis"]
    assert queue.get(cold.id).status == "done"


def test_only_known_kinds_are_claimed(queue: JobQueue) -> None:
    queue.submit("train", {})
    assert not queue.has_work(["draw"])
    assert queue.claim(["draw"]) is None
    assert queue.has_work(["draw", "train"])


def test_an_expired_lease_is_taken_over_and_the_old_worker_cannot_write(queue: JobQueue, clock: Clock) -> None:
    queue.submit("draw", {})
    old = claim(queue)
    clock.now += 29
    queue.heartbeat(old)
    clock.now += 29
    assert queue.claim(["draw"]) is None, "the heartbeat renewed the lease"
    clock.now += 2
    new = claim(queue)
    assert (new.job.id, new.job.attempts) == (old.job.id, 2)
    for write in (queue.heartbeat, queue.verify, queue.finish, queue.cancelled, queue.release):
        with pytest.raises(LeaseLostError):
            write(old)
    with pytest.raises(LeaseLostError):
        queue.fail(old, "late", "error")
    assert queue.finish(new, {"by": "new"}).result == {"by": "new"}
    assert [a.outcome for a in queue.attempts(new.job.id)] == ["lost", "done"]


def test_a_job_that_kills_every_process_is_quarantined(queue: JobQueue, clock: Clock) -> None:
    job = queue.submit("draw", {})
    other = queue.submit("draw", {"healthy": True})
    for _ in range(2):
        claimed = queue.claim_job(job.id)
        assert claimed is not None
        clock.now += 31
        queue.reclaim()
    assert queue.get(job.id).status == "quarantined"
    assert "2 tries" in queue.get(job.id).error
    assert claim(queue).job.id == other.id
    assert queue.claim(["draw"]) is None
    assert queue.retry(job.id).attempts == 0
    assert claim(queue).job.id == job.id


def test_reclaim_here_does_not_wait_for_the_lease(queue: JobQueue) -> None:
    job = queue.submit("draw", {})
    claim(queue)
    assert queue.reclaim() == 0
    assert queue.reclaim(here=True) == 1
    assert queue.get(job.id).status == "waiting"


def test_cancel_waiting_running_and_ended(queue: JobQueue, clock: Clock) -> None:
    waiting, dead, running = (queue.submit("draw", {"n": n}) for n in range(3))
    assert queue.cancel(waiting.id).status == "cancelled"
    assert queue.cancel(waiting.id).status == "cancelled", "twice is once"
    claim(queue)
    assert queue.cancel(dead.id).status == "running"
    clock.now += 31
    claimed = claim(queue)
    assert queue.get(dead.id).status == "cancelled", "its process died before it saw the flag"
    assert claimed.job.id == running.id
    queue.finish(claimed)
    with pytest.raises(ConflictError, match="done"):
        queue.cancel(running.id)
    with pytest.raises(NotFoundError):
        queue.cancel("job_nope")


def test_only_ends_that_are_not_done_can_be_retried(queue: JobQueue) -> None:
    job = queue.submit("draw", {})
    with pytest.raises(ConflictError, match="waiting"):
        queue.retry(job.id)
    failed = queue.fail(claim(queue), "no such photo", "not-found")
    assert (failed.status, failed.error, failed.error_slug) == ("failed", "no such photo", "not-found")
    assert (queue.retry(job.id).status, queue.get(job.id).error) == ("waiting", "")
    queue.finish(claim(queue))
    with pytest.raises(ConflictError, match="done"):
        queue.retry(job.id)


def test_release_does_not_cost_a_try(queue: JobQueue) -> None:
    job = queue.submit("draw", {})
    for _ in range(5):
        assert queue.release(claim(queue)).status == "waiting"
    assert [a.outcome for a in queue.attempts(job.id)] == ["released"] * 5
    assert claim(queue).job.attempts == 1


def test_threads_that_claim_never_get_the_same_job(store: Store) -> None:
    queue, taken = JobQueue(store), []
    for _ in range(12):
        queue.submit("draw", {})

    def take() -> None:
        while (claimed := queue.claim(["draw"])) is not None:
            taken.append(claimed.job.id)

    threads = [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(job.id for job in queue.list())
