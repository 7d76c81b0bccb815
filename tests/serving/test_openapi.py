"""The OpenAPI file is a golden file: a change of the API is seen in review.

`python tests/serving/test_openapi.py` writes it anew.
"""

import json
import sys
from pathlib import Path

GOLDEN = Path(__file__).parent / "openapi.json"
VERBS = {"get", "post", "put", "patch", "delete"}


def current() -> dict:
    from serving.app import create_app
    from serving.settings import Settings

    return create_app(Settings()).openapi()


def operations(document: dict) -> dict:
    return {
        (path, verb): operation
        for path, item in document["paths"].items()
        for verb, operation in item.items()
        if verb in VERBS
    }


def test_the_api_is_the_golden_file():
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    how = "the API changed; `python tests/serving/test_openapi.py` writes the golden file anew"
    assert current() == golden, how


def test_every_operation_has_an_id_a_tag_and_its_errors():
    found = operations(current())
    assert len(found) == 11
    ids = [operation["operationId"] for operation in found.values()]
    assert len(set(ids)) == len(ids)
    for operation in found.values():
        assert operation["tags"]
        assert operation["summary"]
        assert any(status.startswith(("4", "5")) for status in operation["responses"])


def test_every_error_is_described_as_a_problem_document():
    for (path, _), operation in operations(current()).items():
        for status, answer in operation["responses"].items():
            if status[0] in "45" and path != "/readyz":
                assert list(answer["content"]) == ["application/problem+json"], (path, status)


def test_it_is_openapi_31_and_all_references_lead_somewhere():
    document = current()
    assert document["openapi"].startswith("3.1")
    text = json.dumps(document)
    names = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names <= set(document["components"]["schemas"])


def test_scores_and_posted_bodies_carry_an_example():
    schemas = current()["components"]["schemas"]
    for name in ("Score", "BatchGet", "PredictionRequest", "Problem"):
        assert schemas[name]["example"], name


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    text = json.dumps(current(), indent=2, ensure_ascii=False)
    GOLDEN.write_text(text + "\n", encoding="utf-8")
