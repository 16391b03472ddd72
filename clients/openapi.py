"""Write the OpenAPI document of the server to `docs/reference/openapi.json`: `make clients`."""

from __future__ import annotations

import json
from pathlib import Path

from shortlist.serve.openapi import openapi_document

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "reference" / "openapi.json"

if __name__ == "__main__":
    DOCUMENT.write_text(json.dumps(openapi_document(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
