"""Compose: poses in millimetres and the control maps drawn from them."""

from studio.compose.openpose import draw_openpose
from studio.compose.service import ComposeService

__all__ = ["ComposeService", "draw_openpose"]
