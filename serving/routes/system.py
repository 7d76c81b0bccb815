"""Whether the service lives and can serve: `/livez`, `/readyz`, `/version`."""

import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from fastapi import APIRouter
from starlette.responses import Response

from features.errors import StoreError
from serving.answers import answer, problems
from serving.freshness import is_stale
from serving.records import Run
from serving.services import Services, ServicesDep
from serving.strict import StrictRoute
from serving.views_models import Liveness, Readiness, Version

router = APIRouter(tags=["system"], route_class=StrictRoute)


@router.get(
    "/livez",
    operation_id="livez",
    summary="The process answers",
    response_model=Liveness,
    responses=problems(400),
)
def livez() -> Response:
    """Says nothing about store or models."""
    return answer({"status": "alive"})


@router.get(
    "/readyz",
    operation_id="readyz",
    summary="Scores can be served",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "At least one check failed"}},
)
def readyz(services: ServicesDep) -> Response:
    """A model is loaded, the store is reachable, scores are fresh."""
    checks = _checks(services)
    ready = all(check["ok"] for check in checks)
    body = {"status": "ready" if ready else "not_ready", "checks": checks}
    return answer(body, 200 if ready else 503)


@router.get(
    "/version",
    operation_id="version",
    summary="What is running",
    response_model=Version,
    responses=problems(400),
)
def read_version(services: ServicesDep) -> Response:
    """Service, project and Python."""
    body = {
        "service": installed_version(),
        "project": services.project.name,
        "python": platform.python_version(),
    }
    return answer(body)


def installed_version() -> str:
    """The version of the installed package; `unknown` when it runs from a bare folder."""
    try:
        return version("retention")
    except PackageNotFoundError:
        return "unknown"


def _checks(services: Services) -> list[dict[str, object]]:
    checks: list[dict[str, object]] = []
    run: Run | None = None
    try:
        run = services.reader.current_run()
        checks.append(_check("store", 1, "reachable"))
    except StoreError as error:
        checks.append(_check("store", 0, str(error)))
    loaded = ", ".join(services.champions.loaded())
    checks.append(_check("model", bool(loaded), loaded or "nothing was promoted yet"))
    checks.append(_check("run", run is not None, f"run {run.id}" if run else "nothing scored yet"))
    if run is not None:
        stale = is_stale(run, services.settings.stale_after_hours, datetime.now(UTC))
        checks.append(
            _check("fresh", not stale, f"published {run.published_at:%Y-%m-%d %H:%M} UTC")
        )
    return checks


def _check(name: str, ok: object, detail: str) -> dict[str, object]:
    return {"name": name, "ok": bool(ok), "detail": detail}
