"""JSON of answers and of the event store."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import orjson


def as_json(content: Any) -> bytes:
    """Return a value as JSON. Text that UTF-8 cannot encode (half of a surrogate pair in an id) is escaped, and numbers may have any size.

    Examples
    --------
    >>> as_json({"é": [1, None]}).decode(), as_json([2**70])
    ('{"é":[1,null]}', b'[1180591620717411303424]')
    """
    try:
        return orjson.dumps(content)
    except TypeError:
        return json.dumps(content, default=asdict).encode()
