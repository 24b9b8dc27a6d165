"""Builds the FastAPI app: guards around everything, login where it is required, routes for pictures and packages."""

from __future__ import annotations

from fastapi import FastAPI

from studio.api import login, pictures
from studio.api.guards import Guard
from studio.api.site import Site
from studio.errors import StudioError
from studio.studio import Studio


def create_api(studio: Studio, site: Site) -> FastAPI:
    """The app, without the page: `studio.ui.mount_ui` adds that.

    Raises:
        InputError: the address is reached from other machines, and nobody has an account.
    """
    login.refuse_without_accounts(studio.accounts, site)
    app = FastAPI(title="Sasage Studio", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(pictures.routes(studio))
    app.include_router(login.routes(studio.accounts, site))
    app.add_exception_handler(StudioError, pictures.answer_errors)
    app.add_middleware(Guard, site=site, accounts=studio.accounts)
    return app
