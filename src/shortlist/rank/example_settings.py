"""The sections of a project that determine the examples of its ranker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from shortlist.config.objectives import Objective
from shortlist.config.project import Project
from shortlist.config.rank import RankSettings
from shortlist.config.rerank import RerankSettings
from shortlist.config.retrieve import RetrieveSettings


@dataclass(frozen=True)
class ExampleSettings:
    """The sections of a project that determine its examples.

    Parameters
    ----------
    rank
        What to sample.
    objectives
        What to label.
    retrieve
        Number of candidates and length of histories.
    rerank
        Which items of the history may be candidates.
    seed
        Seed of the sampling.
    engine
        The data engine that computes features.
    without_context
        Share of the requests whose context is taken away (`request_contexts`).
    without_list
        Share of the given lists whose numbers are taken away (`rank.without_list`).
    at_once
        At most how many users who come within the objectives' windows are requests at the start of the window, instead of moments of
        action; 0: moments of action. Where the log has contexts, moments of action stay: requests of one moment have none.
    """

    rank: RankSettings
    objectives: Mapping[str, Objective]
    retrieve: RetrieveSettings
    rerank: RerankSettings = field(default_factory=RerankSettings)
    seed: int = 0
    engine: str = "duckdb"
    without_context: float = 0.0
    without_list: float = 0.0
    at_once: int = 0

    @classmethod
    def of(cls, project: Project) -> Self:
        """Return the sections of a project."""
        return cls(
            project.rank,
            project.objectives,
            project.retrieve,
            project.rerank,
            project.seed,
            project.data.engine,
        )

    def for_validation(self) -> Self:
        """Return the settings of the examples of the validation slice: `rank.validation_rows` of them."""
        most = min(self.rank.max_rows, self.rank.validation_rows)
        return replace(self, rank=self.rank.model_copy(update={"max_rows": most}))
