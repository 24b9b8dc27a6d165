"""The HTTP side of the studio: login, guards, and the routes that serve pictures. The page is mounted onto it."""

from studio.api.app import create_api
from studio.api.site import Site

__all__ = ["Site", "create_api"]
