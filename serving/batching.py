"""Looks up many customers by id, or by their id in another system, in the order asked."""

from typing import Any

from serving.errors import invalid, problem
from serving.reading import described
from serving.records import Score
from serving.render import Json
from serving.services import Services
from serving.views_posted import BatchGet

Found = list[str]  # the customers an id means: one when all is well


def batch_get(services: Services, body: BatchGet, request_id: str, path: str) -> list[Json]:
    """One result per id.

    Raises
    ------
    ApiError
        422 when neither or both kinds of ids are given, or the target is unknown.
    """
    asked, found = _resolve(services, body)
    run_id = services.reader.current_run_id()
    wanted = sorted({ids[0] for ids in found if len(ids) == 1})
    scores = services.reader.batch_get(wanted, run_id)
    answers = _answers(services, scores, body)
    results = []
    for given, ids in zip(asked, found, strict=True):
        if len(ids) == 1 and ids[0] in answers:
            results.append(
                {"id": given, "status": 200, "customer_id": ids[0], "scores": answers[ids[0]]}
            )
        else:
            results.append(_failed(given, ids, request_id, path))
    return results


def _resolve(services: Services, body: BatchGet) -> tuple[list[str], list[Found]]:
    """The ids as given, and the customers each one means."""
    if (body.ids is None) == (body.external_ids is None):
        raise invalid("", "one_of", "give either ids or external_ids")
    if body.target is not None and body.target not in services.project.targets:
        known = ", ".join(services.project.targets)
        raise invalid("/target", "unknown_target", f"the project declares {known}")
    if body.ids is not None:
        return body.ids, [[customer_id] for customer_id in body.ids]
    asked = body.external_ids or []
    for place, text in enumerate(asked):
        if not all(text.partition(":")):
            detail = f"{text[:60]!r} is not written system:id"
            raise invalid(f"/external_ids/{place}", "malformed_id", detail)
    return asked, [_find(services, text) for text in asked]


def _find(services: Services, text: str) -> Found:
    system, _, value = text.partition(":")
    return list(services.reader.find(system, value))


def _answers(
    services: Services, scores: dict[str, list[Score]], body: BatchGet
) -> dict[str, list[Json]]:
    """The scores asked for, by customer, described in one go."""
    chosen = {
        customer_id: [s for s in found if body.target in (None, s.target)]
        for customer_id, found in scores.items()
    }
    flat = [score for found in chosen.values() for score in found]
    made = iter(described(services, flat, frozenset(body.include)))
    return {customer_id: [next(made) for _ in found] for customer_id, found in chosen.items()}


def _failed(given: str, ids: Found, request_id: str, path: str) -> dict[str, Any]:
    """The result for an id that means no customer, or several."""
    status, code, detail = 404, "customer_not_found", f"customer {given[:200]!r} is not known"
    if len(ids) > 1:
        status, code = 409, "ambiguous_id"
        detail = f"{given[:200]!r} belongs to {len(ids)} customers"
    body = problem(status, code, detail, instance=path, request_id=request_id)
    return {"id": given, "status": status, "problem": body}
