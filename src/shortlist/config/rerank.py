"""`[rerank]`: how ranked candidates become a slate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from shortlist.config.base import Duration, SettingError, Settings
from shortlist.errors import RequestError
from shortlist.expressions import Schema, check_condition, check_number, parse
from shortlist.expressions.tree import ExpressionText

MAX_AMOUNT = 100.0
"""Greatest strength of a boost."""


class NewItemSettings(Settings):
    """Exposure for new items by Thompson sampling (`[rerank.new_items]`)."""

    share: float = Field(0.0, ge=0, le=1)
    """Fraction of slates that reserve a slot for a new item (0 disables it)."""
    slot: int = Field(3, ge=0)
    """The reserved slot, from 0; the last one of a slate that is shorter. Pages after the first reserve none."""
    budget: int = Field(300, ge=1)
    """Maximum number of impressions as a new item; afterwards the item competes like any other."""
    window: Duration = "14d"
    """How long an item is new, counted from its `freshness_by` attribute, or from its first event."""


class FairShare(Settings):
    """A minimum share of a slate's slots for some providers, as long as the loss of utility stays bounded.

    With `explore`, the minimum holds for the best of the candidates from which the slate is drawn; the drawn slate may have less.
    """

    by: str
    """A category or list attribute of items."""
    values: list[str] = Field(min_length=1)
    """The values of the attribute that get the share: small sellers, local producers, …"""
    share: float = Field(gt=0, le=1)
    """Minimum fraction of the slots, rounded up."""
    most_loss: float = Field(0.05, ge=0, le=1)
    """Maximum fraction of the slate's predicted utility that may be lost. Exchanges that would cost more are not made."""


class Rule(Settings):
    """A business rule: an action on the items that meet a condition."""

    name: str = Field(min_length=1)
    """Unique name; reports state the cost of each rule under it."""
    when: dict[str, Any] | str = Field(min_length=1)
    """The condition, written like a request's filters: an expression such as `"price < 20 and brand = viewed.brand"`, or
    `{ genres = { any = ["Horror"] }, year = { min = 1990 } }`."""
    action: Literal["boost", "bury", "hide", "pin"]
    """boost: utility × (1 + amount). bury: utility ÷ (1 + amount). hide: never shown. pin: the best of them gets the slot `slot`."""
    amount: float | str = 0.2
    """boost and bury: the strength, above 0 and at most 100, or an expression of a number such as `"(60 - minutes) / 60"`, which
    is taken as 0 where it is negative or unknown, and as 100 above."""
    slot: int = Field(0, ge=0, le=999)  # pages show 1,000 items at most
    """pin: the slot, from 0, counted over all pages. The item is shown there and nowhere else: a slate that ends above the slot does not have it."""

    @field_validator("amount")
    @classmethod
    def _check_amount(cls, amount: float | str) -> float | str:
        if not isinstance(amount, str) and not 0 < amount <= MAX_AMOUNT:
            raise ValueError(f"a strength is above 0 and at most {MAX_AMOUNT:g}, and this is {amount!r}")
        return amount


class RerankSettings(Settings):
    """Diversity, calibration, freshness, exposure, rules and exploration (`[rerank]`)."""

    diversity: float = Field(0.0, ge=0, le=1)
    """0: order by utility only. 1: order by dissimilarity only."""
    diversity_way: Literal["mmr", "dpp"] = "mmr"
    """mmr: an item is penalised by its greatest similarity to any item above it. dpp: by its similarity to all of them together."""
    diversity_by: str | None = None
    """A category, list or embedding attribute that defines similarity; of embeddings, it is the cosine (default: the item factors of
    the first retriever that has them)."""
    calibration: float = Field(0.0, ge=0, le=1)
    """Genre calibration: how strongly a slate follows the shares of the user's tastes. 0: not at all, 1: by nothing else. Above 0,
    it orders the slate and `diversity` is ignored."""
    calibration_by: str | None = None
    """A category or list attribute whose shares are the user's tastes."""
    freshness: float = Field(0.0, ge=0, le=10)
    """Boost of new items: utility × (1 + freshness × 2^(−age ÷ half-life))."""
    freshness_by: str | None = None
    """A time attribute of items (default: the time of the item's first event)."""
    freshness_half_life: Duration = "30d"
    """Age at which the boost is halved."""
    exposure_by: str | None = None
    """A category attribute that names the provider (studio, seller, channel)."""
    exposure_cap: int | None = Field(None, ge=1)
    """Maximum number of items of one provider per slate (default: no limit). Further ones come last, and only where a slate
    would be shorter without them, as with a filter on one provider."""
    fair: list[FairShare] = Field(default_factory=list)
    """Minimum shares of slots for some providers, at a bounded cost."""
    rules: list[Rule] = Field(default_factory=list)
    """Business rules: boost, bury, hide or pin. `shortlist preview` shows their effect before they are live."""
    in_stock: str | None = None
    """A number attribute. Items for which it is 0 are never shown."""
    explore: float = Field(0.0, ge=0, le=5)
    """Strength of exploration, with logged propensities. 0: none, 0.3: little, 1: much."""
    explore_way: Literal["plackett_luce", "epsilon"] = "plackett_luce"
    """plackett_luce: candidates near the best are drawn more often. epsilon: with probability `explore`, any candidate, uniformly."""
    explore_from: int = Field(0, ge=0)
    """The first slot, from 0, that is explored, counted over all pages."""
    new_items: NewItemSettings = Field(default_factory=NewItemSettings)
    """Exposure for new items."""
    show_seen: bool = False
    """Whether items of the user's history may be shown again."""
    show_again: str | None = None
    """A number attribute. Items for which it is not 0 (consumables) may be shown again even if they are in the user's history."""

    def attributes(self) -> list[tuple[str, str | None, set[str]]]:
        """Return the item attributes that the settings name: (setting, attribute, allowed kinds)."""
        return [
            ("rerank.diversity_by", self.diversity_by, {"category", "list", "embedding"}),
            ("rerank.calibration_by", self.calibration_by, {"category", "list"}),
            ("rerank.freshness_by", self.freshness_by, {"time"}),
            ("rerank.exposure_by", self.exposure_by, {"category"}),
            ("rerank.in_stock", self.in_stock, {"number"}),
            ("rerank.show_again", self.show_again, {"number"}),
            *((f"rerank.fair.{n}.by", f.by, {"category", "list"}) for n, f in enumerate(self.fair)),
        ]

    @model_validator(mode="after")
    def _check_complete(self) -> RerankSettings:
        if self.calibration > 0 and self.calibration_by is None:
            raise SettingError(
                "calibration",
                "calibration needs calibration_by = the attribute whose shares are the user's tastes",
            )
        check_rule_names(self.rules, "rules")
        return self


def check_attributes(
    named: Iterable[tuple[str, str | None, set[str]]], attributes: Mapping[str, str]
) -> None:
    """Raise `SettingError` if a setting names an attribute that items lack, or one of another kind.

    Parameters
    ----------
    named
        (setting, attribute, allowed kinds), as `RerankSettings.attributes` returns them.
    attributes
        The item attributes: name → kind.
    """
    for setting, attribute, kinds in named:
        if attribute and attributes.get(attribute) not in kinds:
            declared = ", ".join(f"{name} ({kind})" for name, kind in attributes.items()) or "none"
            raise SettingError(
                setting,
                f"{attribute!r} must be an item attribute of kind {' or '.join(sorted(kinds))}; [items.attributes] has: {declared}",
            )


def check_rule_names(rules: Sequence[Rule], where: str, first: int = 0) -> None:
    """Raise `SettingError` if two rules have one name. `where` holds the rules from number `first` on."""
    names = [rule.name for rule in rules]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise SettingError(
                f"{where}.{number - first}.name",
                f"two rules have the name {name!r}; names must differ, since reports state the cost of each rule",
            )


def check_rules(rules: Iterable[Rule], schema: Schema, where: str = "rerank.rules") -> None:
    """Raise `SettingError` if a rule names something that does not exist, or an expression is wrong.

    Parameters
    ----------
    rules
        The rules.
    schema
        The attributes of items and users, and the context columns.
    where
        The setting that holds the rules.
    """
    for number, rule in enumerate(rules):
        field = f"{where}.{number}"
        check_written(rule.when, f"{field}.when", schema, f"the rule {rule.name!r}")
        if isinstance(rule.amount, str):
            with _as_setting(f"{field}.amount"):
                check_number(
                    parse(rule.amount, f"{field}.amount"),
                    ExpressionText(f"{field}.amount", rule.amount),
                    schema,
                )


def check_written(written: Mapping[str, Any] | str, setting: str, schema: Schema, what: str) -> None:
    """Raise `SettingError` if a condition names something that does not exist, or its expression is wrong.

    Parameters
    ----------
    written
        The condition: an expression, or attribute → condition.
    setting
        The setting that holds it.
    schema
        The names that expressions can use.
    what
        What the setting belongs to, for errors.
    """
    if isinstance(written, str):
        with _as_setting(setting):
            check_condition(parse(written, setting), ExpressionText(setting, written), schema)
        return
    for name in sorted(set(written) - {"items", *schema.items}):
        raise SettingError(
            setting,
            f"{what} uses {name!r}, which is not an attribute of items; [items.attributes] has: "
            f"{', '.join(schema.items) or 'none'}",
        )


@contextmanager
def _as_setting(setting: str) -> Iterator[None]:
    """Turn the error of an expression into one of a setting."""
    try:
        yield
    except RequestError as error:
        raise SettingError(setting, error.message.removeprefix(setting).lstrip(":, ")) from None
