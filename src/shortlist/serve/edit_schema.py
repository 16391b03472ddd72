"""Bodies of requests and answers about settings that operators change."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError

from shortlist.data.values import text_fault
from shortlist.serve.schema import Body


class EditedSettings(Body):
    """All settings that differ from the project of the bundle; what is not named is as in the bundle."""

    rerank: dict[str, Any] = Field(default_factory=dict)
    """Settings of [rerank]: rules (all of them), diversity, freshness, calibration, explore, exposure_cap."""
    weights: dict[str, float] = Field(default_factory=dict)
    """Objective → weight."""
    placements: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Placement → all of its settings. A name that the project does not have is a new placement."""

    def given(self) -> dict[str, Any]:
        """The parts that are not empty."""
        return {name: part for name, part in self.model_dump().items() if part}


class SettingsBody(Body):
    """Settings whose effect is asked for."""

    settings: EditedSettings
    placement: str | None = Field(None, max_length=64)
    """The placement whose slates are compared (default: requests without one)."""


def _storable(text: str) -> str:
    fault = text_fault(text)
    if fault is not None:
        raise PydanticCustomError("text", "{fault}", {"fault": fault})
    return text


Note = Annotated[str, AfterValidator(_storable)]
"""Why something is proposed or decided, for the history."""


class EditBody(SettingsBody):
    """A proposal."""

    base: int = Field(ge=0)
    """The proposal that serves, as `serving` of GET /v1/admin/edits: it must still serve."""
    note: Note = Field(min_length=1, max_length=1000)
    """Why, for the history."""


class NoteBody(Body):
    """A decision about a proposal."""

    note: Note = Field("", max_length=1000)
    """Why, for the history."""


class EstimateAnswer(BaseModel):
    """A share, with its 95 % interval over users."""

    value: float
    low: float
    high: float


class PartAnswer(BaseModel):
    """The cost of one part of the settings, such as one rule."""

    part: str
    price: EstimateAnswer
    changed: float
    """Share of the slates that the part changes."""


class MovedAnswer(BaseModel):
    """An item that would be on more or fewer slates."""

    title: str
    slates: int


class PreviewAnswer(BaseModel):
    """What settings would change, on the slates of some users."""

    placement: str | None
    people: int
    changed: float
    """Share of the slates that would have other items."""
    price: EstimateAnswer
    """Loss of predicted utility, by the present weights, as a share of it."""
    objectives: dict[str, EstimateAnswer]
    """Objective → change of its mean prediction on a slate, as a share of it."""
    gains: list[MovedAnswer]
    losses: list[MovedAnswer]
    parts: list[PartAnswer]


class EditAnswer(BaseModel):
    """A row of the history."""

    row: int
    """Names a proposal."""
    time: int
    action: str
    """propose, approve, reject or undo."""
    about: int
    """The proposal that was decided on; of a proposal, the one that served when it was made (0: the settings of the bundle)."""
    note: str
    by: str
    """Name of the key."""
    state: str | None = None
    """Of a proposal: open, approved, rejected or undone."""
    settings: dict[str, Any] | None = None
    preview: dict[str, Any] | None = None


class EditsAnswer(BaseModel):
    """The settings that serve, and the history."""

    serving: int
    """The proposal whose settings serve; 0: those of the bundle."""
    settings: dict[str, Any]
    """The settings that serve, as far as they differ from the bundle's."""
    present: dict[str, dict[str, Any]]
    """What can be changed, with the values that serve."""
    bundle: dict[str, dict[str, Any]]
    """What can be changed, with the values of the bundle."""
    fault: str | None
    """Why approved settings cannot be used with the model that serves."""
    second_key: bool
    """Whether a proposal must be approved with another key than it was made with."""
    key: str
    """Name of the key of this request."""
    history: list[EditAnswer]
    """Latest first."""
