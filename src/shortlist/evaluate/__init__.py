"""Is it any good, and how do we know."""

from shortlist.evaluate.protocol import Report, evaluate

__all__ = ["Report", "evaluate"]
