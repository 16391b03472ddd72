"""Logs as JSON lines, and traces where OpenTelemetry is configured."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from functools import cache
from typing import Any

from shortlist.errors import import_extra


class JsonLines(logging.Formatter):
    """One JSON object a line. It never contains what clients send (ids, values, bodies)."""

    def format(self, record: logging.LogRecord) -> str:
        """One record as a line."""
        fields: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields)


def set_up_logs() -> None:
    """Log to standard error, as SHORTLIST_LOG says: `json` (with a line an answer), `off`, or warnings as text."""
    logger, how = logging.getLogger("shortlist"), os.environ.get("SHORTLIST_LOG", "text")
    if logger.handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    if how == "json":
        handler.setFormatter(JsonLines())
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel({"json": logging.INFO, "off": logging.CRITICAL + 1}.get(how, logging.WARNING))


@cache
def tracer() -> Any:
    """Return an OpenTelemetry tracer where OTEL_EXPORTER_OTLP_ENDPOINT is set (extra `tracing`), else None."""
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return None
    trace: Any = import_extra("opentelemetry.trace", "tracing")
    sdk: Any = import_extra("opentelemetry.sdk.trace", "tracing")
    export: Any = import_extra("opentelemetry.sdk.trace.export", "tracing")
    otlp: Any = import_extra("opentelemetry.exporter.otlp.proto.http.trace_exporter", "tracing")
    resource: Any = import_extra("opentelemetry.sdk.resources", "tracing")
    name = os.environ.get("OTEL_SERVICE_NAME", "shortlist")
    provider = sdk.TracerProvider(resource=resource.Resource.create({"service.name": name}))
    provider.add_span_processor(export.BatchSpanProcessor(otlp.OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return trace.get_tracer("shortlist")
