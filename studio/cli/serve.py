"""`serve`: the studio in the browser. The page is up first; the libraries that draw and train are loaded behind it."""

from __future__ import annotations

import signal
import socket
import sys
import threading
from typing import Annotated

import typer

from studio.api import Site, create_api
from studio.cli.command import Context, call_of
from studio.errors import ConflictError


def serve(
    context: Context,
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but the loopback one needs accounts.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 7860,
    name: Annotated[
        list[str] | None, typer.Option(help="Another host name of this page, for a proxy in front.")
    ] = None,
    login: Annotated[bool, typer.Option("--login", help="Ask for a login on the loopback address too.")] = False,
    https: Annotated[bool, typer.Option("--https", help="A proxy in front speaks TLS: mark cookies Secure.")] = False,
) -> None:
    """Open the studio in the browser."""
    import uvicorn

    from studio.ui import mount_ui

    with call_of(context).studio() as (studio, output):
        site = Site(host=host, names=tuple(name or ()), login=login or None, https=https)
        api = create_api(studio, site)
        listener = _listen(host, port)
        port = listener.getsockname()[1]
        app = mount_ui(api, studio)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", server_header=False))
        threading.Thread(target=studio.warm_up, name="warm-up", daemon=True).start()
        # uvicorn sends a signal on once it has shut down: as an exit, so that the running job is handed back in order.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        output.say(f"The studio is open at http://{host}:{port}  (stop with Ctrl-C)")
        server.run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()  # a browser that comes before the server runs waits instead of being refused
    except OSError as error:
        listener.close()
        raise ConflictError(f"{host}:{port} cannot be used: {error.strerror}.", "Choose another --port.") from error
    return listener
