"""`jobs`: what runs, what waits, what came of it."""

from __future__ import annotations

from typing import Annotated

import typer

from studio.cli.command import Context, Json, call_of, finish, group
from studio.cli.output import table

app = group("jobs", "Look at long work: list it, show one job, cancel it, try a failed one again.")

JobId = Annotated[str, typer.Argument(help="Id of a job, as `jobs list` shows it.")]


@app.command("list")
def show_all(context: Context, as_json: Json = False) -> None:
    """List all jobs, oldest first."""
    with call_of(context).studio() as (studio, output):
        jobs = studio.jobs.list()
        rows = [
            (j.id, j.kind, j.status, f"{j.progress.done}/{j.progress.total}", j.progress.note or j.error) for j in jobs
        ]
        output.result(jobs, table("Jobs", "id", "kind", "status", "done", "note", rows=rows))


@app.command()
def show(context: Context, job_id: JobId, as_json: Json = False) -> None:
    """Show one job with all its tries."""
    with call_of(context).studio() as (studio, output):
        job, attempts = studio.jobs.get(job_id), studio.jobs.attempts(job_id)
        rows = [(a.number, a.outcome, a.started_at, a.ended_at, a.error) for a in attempts]
        title = f"{job.id}: {job.kind}, {job.status}. {job.error}"
        output.result(
            {"job": job, "attempts": attempts}, table(title, "try", "outcome", "from", "to", "error", rows=rows)
        )


@app.command()
def cancel(context: Context, job_id: JobId, as_json: Json = False) -> None:
    """Ask a job to stop: a waiting one ends at once, a running one at its next step."""
    with call_of(context).studio() as (studio, output):
        job = studio.jobs.cancel(job_id)
        output.result(job, f"{job.id} is {job.status}" + (" and stops at its next step." if not job.ended else "."))


@app.command()
def retry(context: Context, job_id: JobId, as_json: Json = False) -> None:
    """Let a job that failed, was stopped or was set aside wait for another try."""
    with call_of(context).studio() as (studio, output):
        job = studio.jobs.retry(job_id)
        output.result(job, f"{job.id} is {job.status}; `jobs run {job.id}` runs it now.")


@app.command()
def run(context: Context, job_id: JobId, as_json: Json = False) -> None:
    """Bring a waiting job to its end in this process, for example after a crash."""
    with call_of(context).studio() as (studio, output):
        done = finish(studio, output, job_id, job_id)
        output.result(done, f"{job_id} is done.")
