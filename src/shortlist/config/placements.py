"""`[placements.NAME]`: the settings of one place where an application shows recommendations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from shortlist.config.base import SettingError
from shortlist.config.experiments import Experiment
from shortlist.config.page import RowSettings, check_rows
from shortlist.config.request_defaults import MAX_N, RequestDefaults
from shortlist.config.rerank import RerankSettings, Rule, check_rule_names, check_rules, check_written
from shortlist.errors import suggestion
from shortlist.expressions import Schema

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Names of placements: they are labels of metrics and are written in many requests."""


class Placement(RequestDefaults):
    """A place where an application shows recommendations: the start page, the basket, the end of a film.

    A request names the placement and gets its settings for every field that it leaves open. The store keeps the name with each
    slate, and metrics and experiments tell placements apart.
    """

    n: int | None = Field(None, ge=1, le=MAX_N)
    """Number of items (default: 10)."""
    filters: dict[str, Any] | str | None = Field(None, min_length=1)
    """Conditions that an item must fulfil to be shown, as in a request's filters. Filters of the request replace them."""
    rules: list[Rule] = Field(default_factory=list)
    """Business rules that act in this placement only, after those of `[rerank]`. Requests cannot change them."""
    rows: list[RowSettings] | None = Field(None, min_length=1)
    """The kinds of rows of a page of rows in this placement (default: `page.rows`)."""
    experiments: list[str] = Field(default_factory=list)
    """Experiments that run in this placement. An experiment that a placement names runs only in placements that name it; one that
    none names runs in all requests."""

    @property
    def hides(self) -> bool:
        """Whether rules of the placement hide items."""
        return any(rule.action == "hide" for rule in self.rules)

    def request_fields(self) -> dict[str, Any]:
        """Return the fields of a request that the placement fills."""
        return {**super().request_fields(), "n": self.n, "filters": self.filters}


def check_placements(
    placements: Mapping[str, Placement],
    rerank: RerankSettings,
    experiments: Mapping[str, Experiment],
    schema: Schema,
) -> None:
    """Raise `SettingError` if a placement names something that the project does not have.

    Parameters
    ----------
    placements
        The placements.
    rerank
        The project's `[rerank]`: names of rules differ from its rules.
    experiments
        The project's experiments.
    schema
        The names that filters and rules can use.
    """
    for name, placement in placements.items():
        field = f"placements.{name}"
        if NAME.fullmatch(name) is None:
            raise SettingError(
                field, "a placement's name has 1 to 64 letters, digits, dashes and underscores, such as home"
            )
        if placement.filters is not None:
            check_written(placement.filters, f"{field}.filters", schema, f"the placement {name!r}")
        check_rule_names([*rerank.rules, *placement.rules], f"{field}.rules", len(rerank.rules))
        check_rules(placement.rules, schema, f"{field}.rules")
        check_rows(placement.rows or (), f"{field}.rows", schema)
        for number, experiment in enumerate(placement.experiments):
            if experiment not in experiments:
                known = ", ".join(experiments) or "none"
                raise SettingError(
                    f"{field}.experiments.{number}",
                    f"there is no experiment {experiment!r}{suggestion(experiment, experiments)}; there are: {known}",
                )
