"""Every answer is what the OpenAPI page promises, whatever is asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sereno.surfaces.api.app import create_app
from tests.surfaces.seeded import seeded_desk

HEADERS = {"Host": "127.0.0.1"}
OPERATIONS = (
    "/",
    "/health",
    "/metrics",
    "/api/v1/diagnostics/last-run",
    "/api/v1/jobs",
    "/api/v1/models",
    "/api/v1/candles",
    "/api/v1/signals",
    "/api/v1/signals/{signal_id}",
    "/api/v1/positions",
    "/api/v1/equity",
    "/reports/{name}",
)
WITH_PARAMETERS = OPERATIONS[5:]


@pytest.fixture(scope="module")
def operations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder: Path = tmp_path_factory.mktemp("schema")
    with seeded_desk(folder) as desk:
        schema = schemathesis.openapi.from_asgi("/openapi.json", create_app(desk), headers=HEADERS)
        found = [result.ok() for result in schema.get_all_operations()]
        yield {operation.path: operation for operation in found}


def test_the_schema_names_every_route_and_only_reading(operations: dict[str, Any]) -> None:
    assert set(operations) == set(OPERATIONS)
    assert {operation.method.upper() for operation in operations.values()} == {"GET"}


@pytest.mark.parametrize(
    ("path", "mode"),
    [(path, schemathesis.GenerationMode.POSITIVE) for path in OPERATIONS]
    + [(path, schemathesis.GenerationMode.NEGATIVE) for path in WITH_PARAMETERS],
)
def test_answers_are_as_promised(
    operations: dict[str, Any], path: str, mode: schemathesis.GenerationMode
) -> None:
    cases = operations[path].as_strategy(generation_mode=mode)

    @settings(
        max_examples=15,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def ask(data: st.DataObject) -> None:
        case = data.draw(cases)
        answer = case.call(headers=HEADERS)
        case.validate_response(answer, headers=HEADERS)

    ask()
