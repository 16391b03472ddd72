"""`[evaluate]`: how the log is split and what is reported."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from shortlist.config.base import SettingError, Settings


class EvaluateSettings(Settings):
    """The evaluation protocol (`[evaluate]`)."""

    test: float = Field(0.2, gt=0, lt=1)
    """Fraction of the events (without impressions), the latest, that is held out for the report."""
    ranker_window: float = Field(0.2, gt=0, lt=1)
    """Fraction of the training events from which the ranker's examples are made."""
    validation: float = Field(0.1, gt=0, lt=1)
    """Fraction of the training events, the latest, for calibration and model choices."""
    relevant: str | None = None
    """The objective whose positives are the relevant items (default: the first objective)."""
    requests: Literal["people", "events"] = "people"
    """people: one request per user, relevant is all that followed. events: one request per test event, in that event's context
    (time of day, device, …), relevant is that item. Confidence intervals are over users in both cases."""
    protocol: Literal["time", "rolling", "leave_last", "users", "given"] = "time"
    """How the test is split off. time: all events after one moment. rolling: the same for several moments. leave_last: the last
    event of each user. users: whole users, with their earlier events as the request's history. given: a separate table."""
    cuts: int = Field(4, ge=2, le=50)
    """With rolling: number of parts into which the test period is cut."""
    given: str | None = None
    """With given: the table of test events; it has the same column names as `data.events`."""
    people: int = Field(2_000, ge=10)
    """Maximum number of test users, drawn at random. The catalogue is always complete."""
    candidates: Any = "all"
    """Always `"all"`: the whole catalogue is ranked. Any other value is refused, with the reason."""
    k: int = Field(10, ge=1)
    """Length of the evaluated slates (the k of NDCG@k)."""
    bootstrap: int = Field(1000, ge=100)
    """Number of bootstrap resamples for confidence intervals."""

    @model_validator(mode="after")
    def _check_sizes(self) -> EvaluateSettings:
        if self.ranker_window + self.validation >= 0.9:
            raise SettingError(
                "ranker_window",
                "ranker_window + validation must be below 0.9, to leave at least a tenth of the events as the past",
            )
        return self
