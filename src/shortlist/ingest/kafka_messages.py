"""Messages of Kafka as records: JSON objects, lists of them, or the body of `POST /v1/events` or `PUT /v1/items`."""

from __future__ import annotations

import json
from typing import Any

from shortlist.errors import RequestError
from shortlist.ingest.rules import RecordRules, rejection
from shortlist.store.intake import ReceivedRecord, RejectedRecord

FRAME = 5
"""Bytes that serialisers of a schema registry write before the JSON: a zero, and the number of the schema."""


def read_message(
    rules: RecordRules, source: str, part: str, offset: int, value: bytes, sent: int | None
) -> tuple[list[ReceivedRecord], list[RejectedRecord]]:
    """Return the records of a message, and what of it is rejected.

    Parameters
    ----------
    rules
        Reads and checks one record.
    source
        The name of the source.
    part, offset
        The partition, and the message's offset in it.
    value
        The message.
    sent
        When it was sent, ms since 1970: the time of events that have none.
    """
    try:
        bodies = _bodies(value, rules.records)
    except RequestError as error:
        text = value.decode("utf-8", errors="backslashreplace")
        return [], [rejection(part, offset, error, text)]
    records: list[ReceivedRecord] = []
    rejected: list[RejectedRecord] = []
    alone = len(bodies) == 1
    for at, body in enumerate(bodies):
        try:
            identity = f"{source}\0{part}\0{offset}\0{at}"
            record = rules.read(body, identity, sent, "" if alone else f"{at}.")
        except RequestError as error:
            user = body.get("user") if isinstance(body, dict) else None
            rejected.append(rejection(part, offset, error, json.dumps(body), user))
        else:
            records.append(ReceivedRecord(part, offset, record))
    return records, rejected


def _bodies(value: bytes, records: str) -> list[Any]:
    """Decode a message. Raises `RequestError` where it is no JSON."""
    framed = value[:1] == b"\0" and value[FRAME : FRAME + 1] in {b"{", b"["}
    try:
        decoded = json.loads(value[FRAME:] if framed else value)
    except (ValueError, RecursionError) as error:
        if value[:1] == b"\0":
            raise RequestError(
                "the message is in a binary format of a schema registry (Avro, Protobuf); send JSON",
                "message",
            ) from None
        raise RequestError(f"the message is no JSON: {error}", "message") from None
    if isinstance(decoded, dict) and set(decoded) == {records}:
        decoded = decoded[records]
    if isinstance(decoded, list) and decoded:
        return decoded
    if isinstance(decoded, dict):
        return [decoded]
    raise RequestError(f"the message is neither a JSON object nor a list of {records}", "message")
