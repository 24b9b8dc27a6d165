"""The command line: parses, calls the Studio, prints. `python app.py --help` explains every command.

Each stage is a group of commands in a file of its own; `command.py` holds what they share.
"""

from studio.cli.main import main

__all__ = ["main"]
