"""The service: `uvicorn serving.app:app`, or `create_app(settings)` in a test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool

from serving import errors
from serving.answers import PROBLEM_SCHEMA
from serving.envelope import Envelope
from serving.pages import customer_page, list_page
from serving.pages.error_page import error_page
from serving.routes import batch, customers, models, predictions, scores, system
from serving.services import Services
from serving.settings import Settings

STATIC: Final = Path(__file__).parent / "pages" / "static"
API_VERSION: Final = "1.0.0"
_ABOUT: Final = (
    "Churn and upsell scores with reasons. Errors are problem details (RFC 9457); lists are walked "
    "with `next_cursor`; amounts are decimal strings with a currency; moments are UTC."
)
_TAGS: Final = [
    {"name": "scores", "description": "Published scores: one customer, many, or the list."},
    {"name": "predictions", "description": "Scores of given features; nothing is stored."},
    {"name": "models", "description": "Registered models and their cards."},
    {"name": "system", "description": "For load balancers and operators."},
]


def create_app(settings: Settings) -> FastAPI:
    """The whole service; files and models open when it starts, not here."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        services = await run_in_threadpool(Services.open, settings)
        app.state.services = services
        try:
            yield
        finally:
            await run_in_threadpool(services.close)

    app = FastAPI(
        title="Retention scores",
        version=API_VERSION,
        description=_ABOUT,
        openapi_tags=_TAGS,
        lifespan=lifespan,
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        telemetry=None,
    )
    for module in (customers, scores, batch, predictions, models, system, list_page, customer_page):
        app.include_router(module.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(Envelope)
    errors.install(app, error_page)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's description, with our problem documents in place of its validation errors."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=app.version,
            openapi_version="3.1.0",
            description=app.description,
            tags=app.openapi_tags,
            routes=app.routes,
        )
        schemas = made["components"]["schemas"]
        parts = dict(PROBLEM_SCHEMA)
        schemas |= parts.pop("$defs", {}) | {"Problem": parts}
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        app.openapi_schema = made
    return app.openapi_schema


app = create_app(Settings())
