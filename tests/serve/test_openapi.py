"""Generated requests against the API's OpenAPI schema."""

from __future__ import annotations

import json
import os
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from support.http import call
from support.paths import ROOT
from support.servers import Server
from support.sizes import size


def test_the_document_of_the_repository_is_the_servers(server: Server) -> None:
    """The interface changes where its document does, and clients see the change."""
    served = call(f"{server.url}/openapi.json")[1]
    kept = json.loads((ROOT / "docs" / "reference" / "openapi.json").read_text(encoding="utf-8"))
    served["info"]["title"] = kept["info"]["title"]  # it names the project
    assert served == kept, "the interface has changed; if that is intended, write it anew: make clients"


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
