"""The route class of the API: unknown parameters are refused, bodies are read strictly."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from serving.body import StrictRequest, check_content
from serving.errors import ApiError, fault

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class StrictRoute(APIRoute):
    """An APIRoute that knows every query parameter it takes."""

    def get_route_handler(self) -> Handler:
        """FastAPI's handler behind the checks."""
        handle = super().get_route_handler()
        known = _query_names(self.dependant)
        takes_body = self.body_field is not None

        async def strict(request: Request) -> Response:
            if request.scope["query_string"]:
                check_query(request, known)
            if not takes_body:
                return await handle(request)
            check_content(request)
            return await handle(StrictRequest(request.scope, request.receive))

        return strict


def _query_names(dependant: Dependant) -> frozenset[str]:
    own = {field.alias for field in dependant.query_params}
    return frozenset(own.union(*(_query_names(inner) for inner in dependant.dependencies)))


def check_query(request: Request, known: frozenset[str]) -> None:
    """400 for a parameter the operation does not take, or one given twice."""
    names = [name for name, _ in request.query_params.multi_items()]
    unknown = sorted(set(names) - known)
    if unknown:
        allowed = ", ".join(sorted(known)) or "none"
        faults = [fault(f"/query/{n}", "unknown_parameter", "not a parameter") for n in unknown]
        raise ApiError(
            400,
            "unknown_parameter",
            f"unknown parameter {unknown[0]!r}; allowed are {allowed}",
            errors=faults,
        )
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ApiError(
            400,
            "repeated_parameter",
            f"parameter {repeated[0]!r} is given more than once",
            errors=[fault(f"/query/{repeated[0]}", "repeated_parameter", "given more than once")],
        )
