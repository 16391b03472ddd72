"""Generated requests against the API's OpenAPI schema."""

from __future__ import annotations

import os
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from support.servers import Server
from support.sizes import size


def test_responses_conform_to_the_openapi_schema(server: Server) -> None:
    """For valid and invalid requests that schemathesis generates, no status is 5xx, and answers match the schema."""
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    operations = list(schema.get_all_operations())
    assert len(operations) >= 20
    skipped = {"/metrics"}
    for result in operations:
        operation = result.ok()  # type: ignore[union-attr]
        if operation.path in skipped:
            continue

        strategy = operation.as_strategy()

        def run(case: Any) -> None:
            answer = case.call()
            assert answer.status_code < 500, (case.as_curl_command(), answer.text[:300])
            if answer.status_code >= 400:
                assert set(answer.json()) >= {"error", "field"}

        given(case=strategy)(
            settings(
                max_examples=int(os.environ.get("SHORTLIST_FUZZ", size(6, 12))),
                derandomize=True,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )(run)
        )()
