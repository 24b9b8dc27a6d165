"""Tools: what can be done to any finished picture. Upscaling, and cutting the figure out."""

from studio.tools.service import ToolService

__all__ = ["ToolService"]
