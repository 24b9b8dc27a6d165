"""Login by name and password: one small page of its own, a cookie, and a pause after wrong tries."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from pathlib import Path
from threading import Lock
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from studio.api.guards import COOKIE
from studio.api.site import Site
from studio.errors import InputError
from studio.studio import Accounts

HERE = Path(__file__).parent
TRIES, WINDOW_S = 8, 300.0
"""Wrong tries from one address before it has to wait."""
# The page knows no language yet, and runs no script: it says everything in both.
TOO_MANY = "Too many wrong tries. Wait five minutes. 試行回数が多すぎます。5分お待ちください。"
NOT_TOGETHER = "Name and password do not belong together. 名前またはパスワードが違います。"


def refuse_without_accounts(accounts: Accounts, site: Site) -> None:
    """Raise InputError where people must log in and nobody can."""
    if site.login_required and not accounts.names():
        raise InputError(
            f"People must log in at {', '.join((site.host, *site.names))}, and nobody has an account yet.",
            "Add one first: python app.py users add NAME",
        )


def routes(accounts: Accounts, site: Site) -> APIRouter:
    """`/login` and `/logout`."""
    router = APIRouter()
    page = (HERE / "login.html").read_text(encoding="utf-8")
    wrong: dict[str, deque[float]] = defaultdict(deque)
    # One try at a time: each takes 128 MiB, and tries side by side would not see each other's count.
    one_at_a_time = Lock()

    @router.get("/login")
    def form() -> HTMLResponse:
        return HTMLResponse(page.replace("{{message}}", ""))

    @router.get("/assets/login.css")
    def style() -> FileResponse:
        return FileResponse(HERE / "login.css", media_type="text/css")

    @router.post("/login")
    def log_in(request: Request, name: Annotated[str, Form()], password: Annotated[str, Form()]) -> Response:
        address = request.client.host if request.client else ""
        with one_at_a_time:
            _forget_old(wrong)
            if len(wrong[address]) >= TRIES:
                return HTMLResponse(page.replace("{{message}}", TOO_MANY), 429)
            if not accounts.check(name, password):
                wrong[address].append(time.monotonic())
                return HTMLResponse(page.replace("{{message}}", NOT_TOGETHER), 403)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(
            COOKIE, accounts.session(name), max_age=accounts.session_s, httponly=True, samesite="lax", secure=site.https
        )
        return answer

    @router.post("/logout")
    def log_out() -> Response:
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE)
        return answer

    return router


def _forget_old(wrong: dict[str, deque[float]]) -> None:
    """Drops tries that count no more, and addresses without any."""
    since = time.monotonic() - WINDOW_S
    for address, tries in list(wrong.items()):
        while tries and tries[0] < since:
            tries.popleft()
        if not tries:
            del wrong[address]
