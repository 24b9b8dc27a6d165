"""Durable jobs: the queue in the database, and the lane that runs one device job at a time."""

from studio.jobs.context import JobContext, OnProgress
from studio.jobs.device_lease import DeviceLease, Holder
from studio.jobs.give_way import GiveWay
from studio.jobs.job import Attempt, Claim, Job, JobStatus, Progress
from studio.jobs.lane import JobHandler, Lane
from studio.jobs.progress import ProgressMeter
from studio.jobs.queue import JobQueue, LeaseLostError, QueueFullError, QueueLimits

__all__ = [
    "Attempt",
    "Claim",
    "DeviceLease",
    "GiveWay",
    "Holder",
    "Job",
    "JobContext",
    "JobHandler",
    "JobQueue",
    "JobStatus",
    "Lane",
    "LeaseLostError",
    "OnProgress",
    "Progress",
    "ProgressMeter",
    "QueueFullError",
    "QueueLimits",
]
