"""The studio in the browser: `create_ui(studio)` is the page, `mount_ui` puts it behind the guards of `studio.api`."""

from studio.ui.page import create_ui, mount_ui

__all__ = ["create_ui", "mount_ui"]
