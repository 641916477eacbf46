"""The app: its routers, one file each, around what they share."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import anyio.to_thread
from fastapi import APIRouter, FastAPI

from serving import chat, errors, feedback, health, listing, snippet
from serving.context import Serving
from serving.guard import RequestGuard
from serving.pages import assets, dashboard, label, login
from serving.pages import chat as chat_page
from serving.pages.frame import is_page, respond
from serving.pages.visitors import LoginNeeded, to_login

ROUTERS: tuple[APIRouter, ...] = (
    *(chat.router, listing.router, feedback.router, snippet.router, health.router),
    *(login.router, label.router, dashboard.router, chat_page.router, assets.router),
)

ABOUT = "Chat with the champion of a workspace, and give feedback on its answers."


def create_app(serving: Serving, hosts: Collection[str] | None = None) -> FastAPI:
    """The app of one workspace. It starts and ends what `serving` has with its own life.

    Args:
        serving: what the routes share.
        hosts: names under which the server may be reached; None accepts any.
    """

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        serving.start()
        try:
            yield
        finally:
            await anyio.to_thread.run_sync(serving.close)

    app = FastAPI(title="Rounds", description=ABOUT, lifespan=life, docs_url=None, redoc_url=None)
    app.state.serving = serving
    errors.install(app, respond)
    app.add_exception_handler(LoginNeeded, to_login)
    for router in ROUTERS:
        app.include_router(router)
    app.add_middleware(
        RequestGuard,
        metrics=serving.metrics,
        most_bytes=serving.settings.request_bytes,
        takes_forms=is_page,
        respond=respond,
        hosts=hosts,
    )
    return app
