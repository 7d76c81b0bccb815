"""Registered models: `/v1/models`."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from features.errors import ModelNotFoundError
from serving.answers import answer, problems
from serving.predicting import loaded_ref
from serving.render import moment
from serving.routes.params import TargetName
from serving.services import Services, ServicesDep
from serving.strict import StrictRoute
from serving.views_models import ModelCard, ModelList

router = APIRouter(prefix="/v1/models", tags=["models"], route_class=StrictRoute)


@router.get(
    "",
    operation_id="listModels",
    summary="Targets, their champions and versions",
    response_model=ModelList,
    responses=problems(400),
)
def list_models(services: ServicesDep) -> Response:
    """In the order of the project file."""
    return answer({"models": [_summary(services, target) for target in services.project.targets]})


@router.get(
    "/{target}/versions/{version}",
    operation_id="getModelVersion",
    summary="The card of a version",
    response_model=ModelCard,
    responses=problems(400, 404, 422),
)
def get_model_version(services: ServicesDep, target: TargetName, version: int) -> Response:
    """What was learned, from what, how well, and every feature with its meaning."""
    services.project.target(target)
    name = services.project.model_name(target)
    if not 0 < version < 2**31:
        raise ModelNotFoundError(f"no version {version} of model {name!r}")
    model = services.champions.version(target, version)
    champion = services.champions.get(target)
    body = {
        "target": target,
        "version": str(version),
        "is_champion": champion is not None and champion.version == version,
        "card": model.card,
    }
    return answer(body)


def _summary(services: Services, target: str) -> dict[str, Any]:
    declared = services.project.target(target)
    champion = services.champions.get(target)
    return {
        "target": target,
        "kind": declared.kind,
        "horizon_days": declared.horizon_days,
        "champion": None if champion is None else loaded_ref(target, champion),
        "versions": [
            _version(row, None if champion is None else champion.version)
            for row in services.champions.versions(target)
        ],
    }


def _version(row: dict[str, Any], champion: int | None) -> dict[str, Any]:
    return {
        "version": str(row["version"]),
        "is_champion": row["version"] == champion,
        "created_at": moment(row["created_at"]),
        "grade": row["grade"],
    }
