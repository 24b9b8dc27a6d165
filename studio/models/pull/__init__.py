"""Pull: fetches bases and add-ons from a model hub or out of a folder, and what comes in has passed the gate."""

from studio.models.pull.service import PullService

__all__ = ["PullService"]
