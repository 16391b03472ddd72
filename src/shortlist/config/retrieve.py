"""`[retrieve]`: how candidates are found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator

from shortlist.config.base import Settings

AUTO = "auto"
"""`sources = "auto"`, or a source of this model with settings of the choice: training chooses the sources."""


class RetrieveSettings(Settings):
    """Which retrievers propose candidates, and how events weigh in a history (`[retrieve]`).

    The tables of `sources` stay untyped here: each retriever has its own settings class, and installed packages can
    register more retrievers. `shortlist.retrieve.registry` validates them with `Project.parse`.
    """

    candidates: int = Field(500, ge=1, le=10_000)
    """How many candidates go to the ranker."""
    history: int = Field(200, ge=1)
    """How many of a user's latest events the retrievers use."""
    weights: dict[str, float] = Field(default_factory=dict)
    """Event kind → the weight of one such event in a history (default: 1). 0 excludes the kind."""
    values: dict[str, float] = Field(default_factory=dict)
    """Event kind → exponent, 0 to 1. An event's weight is multiplied by (value ÷ usual value of the kind) ^ exponent, so that
    one minute of a film counts less than the whole film. Events without a value count as usual."""
    sources: list[dict[str, Any]] = Field(
        default_factory=lambda: [
            {"model": "popular"},
            {"model": "neighbours"},
            {"model": "als"},
            {"model": "content"},
        ]
    )
    """The retrievers, as tables with `model`, an optional `name`, and the model's own settings. "auto": training chooses them; the
    bundle records which."""

    @field_validator("sources", mode="before")
    @classmethod
    def _read_auto(cls, sources: Any) -> Any:
        if isinstance(sources, str):
            if sources != AUTO:
                raise ValueError(f'must be an array of tables or "auto", not {sources!r}')
            return [{"model": AUTO}]
        if isinstance(sources, (list, tuple)) and len(sources) > 1:
            models = [one.get("model") for one in sources if isinstance(one, Mapping)]
            if AUTO in models:
                raise ValueError('the model "auto" chooses all sources: it stands alone')
        return sources

    @field_validator("weights")
    @classmethod
    def _check_weights(cls, weights: dict[str, float]) -> dict[str, float]:
        for kind, weight in weights.items():
            if not 0 <= weight < float("inf"):
                raise ValueError(
                    f"{kind} has weight {weight:g}, and a weight is 0 or more, because retrievers learn from what was wanted; "
                    "give an unwanted kind the weight 0, or make it an objective with a negative weight"
                )
        return weights

    @field_validator("values")
    @classmethod
    def _check_exponents(cls, values: dict[str, float]) -> dict[str, float]:
        for kind, exponent in values.items():
            if not 0 <= exponent <= 1:
                raise ValueError(
                    f"{kind} has exponent {exponent:g}, and an exponent is between 0 (values are ignored) and 1 (twice the "
                    "value, twice the weight)"
                )
        return values
