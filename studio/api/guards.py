"""The guard in front of every route: known host names, no foreign origin, a logged-in person, and plain headers.

Gradio reflects any Origin with credentials and serves some routes without asking who is there; nothing gets past this.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio.api.site import Site
from studio.records.base import LOCAL_PERSON
from studio.studio import Accounts

COOKIE = "sasage_session"
OPEN_PATHS = frozenset({"/login", "/assets/login.css"})
OPEN_BYTES = 16_384
"""Largest body that is read from somebody who is not logged in: a name and a password."""
_HOST = re.compile(r"(\[(?P<six>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(:[0-9]{1,5})?", re.IGNORECASE)
"""A Host header that is nothing but a name and a port. What else it may smuggle ends up in parsed addresses."""
HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"SAMEORIGIN",
    b"referrer-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
}


class Guard:
    """ASGI middleware. Puts the person's name into `scope["person"]` for every handler behind it."""

    def __init__(self, app: ASGIApp, site: Site, accounts: Accounts) -> None:
        # No origin is allowed but the page's own, which needs no CORS; Gradio then adds no headers of its own.
        self._app: ASGIApp = CORSMiddleware(app, allow_origins=())
        self._site, self._accounts = site, accounts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(HTTPConnection(scope), scope)

        async def with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                kept = [pair for pair in message["headers"] if not pair[0].lower().startswith(b"access-control-")]
                message["headers"] = [*kept, *HEADERS.items()]
            await send(message)

        await (refusal or self._app)(scope, receive, with_headers)

    def _refusal(self, asked: HTTPConnection, scope: Scope) -> Response | None:
        host = _host_name(asked.headers.get("host", ""))
        if host not in self._site.host_names:
            next_step = f"Open it by its own address, or start it with --name {host}." if host else "Give a host name."
            return _plain(400, f"This studio is not called {host!r}.", next_step)
        changing = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD", "OPTIONS")
        if changing and not self._same_origin(asked):
            return _plain(403, "This request came from another site.", "Open the studio in a tab of its own.")
        scope["person"] = self._person(asked)
        # The path as it was asked for: `asked.url` is put together from headers, which anybody can forge.
        if scope["person"] is None and scope["path"] in OPEN_PATHS:
            return _too_large(asked) if changing else None
        if scope["person"] is None:
            if scope["type"] == "http" and "text/html" in asked.headers.get("accept", ""):
                return RedirectResponse("/login", 303)
            return _plain(401, "Nobody is logged in.", "Log in at /login.")
        return None

    def _same_origin(self, asked: HTTPConnection) -> bool:
        """Browsers always send Origin with what changes something; a program that sends none is no browser."""
        origin = asked.headers.get("origin")
        if origin is None:
            return asked.headers.get("sec-fetch-site", "none") in ("none", "same-origin")
        try:
            return urlsplit(origin).netloc.lower() == asked.headers.get("host", "").lower()
        except ValueError:
            return False

    def _person(self, asked: HTTPConnection) -> str | None:
        if not self._site.login_required:
            return LOCAL_PERSON
        return self._accounts.person(asked.cookies.get(COOKIE, ""))


def _host_name(header: str) -> str:
    found = _HOST.fullmatch(header)
    return (found["six"] or found["name"]).lower() if found else ""


def _too_large(asked: HTTPConnection) -> Response | None:
    length = asked.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length) <= OPEN_BYTES:
        return None
    return _plain(413, "That is too much for a name and a password.", "Log in with the form at /login.")


def _plain(status: int, what: str, next_step: str) -> Response:
    return JSONResponse({"title": what, "detail": next_step, "status": status}, status)
