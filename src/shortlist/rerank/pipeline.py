"""The re-rankers in their order, for one catalogue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shortlist.config.base import duration_ms
from shortlist.config.rerank import RerankSettings, Rule
from shortlist.data.attributes import CategoryAttribute, CodedAttribute, EmbeddingAttribute
from shortlist.data.entities import Entities
from shortlist.data.lazy import lazy_property
from shortlist.expressions.typed import NOTHING, Uses
from shortlist.rerank.conditions import Conditions
from shortlist.rerank.dpp import dpp
from shortlist.rerank.earlier_pages import FIRST_PAGE, EarlierPages
from shortlist.rerank.exploration import pool_of
from shortlist.rerank.exposure import cap_exposure
from shortlist.rerank.fairness import fair_share
from shortlist.rerank.freshness import boost_fresh
from shortlist.rerank.genre_calibration import calibrate_genres, taste_distribution
from shortlist.rerank.mmr import mmr
from shortlist.rerank.pins import NO_PINS, Pinned, named_items, pin_slots, take_pins
from shortlist.rerank.request_values import RequestValues
from shortlist.rerank.rule_masks import RuleMasks
from shortlist.rerank.rules import adjust_utility, boost_rules
from shortlist.rerank.slot_limits import NO_CAP, PER_SLOT, POOL, SlotLimits, no_limits, opening_slots
from shortlist.rerank.strengths import RerankStrengths

MOST_EARLIER = 200
"""Number of items of earlier pages, the latest ones, that diversity compares candidates with: as many as the longest slate has."""


@dataclass(frozen=True, eq=False)
class RerankPipeline:
    """The re-rankers of a project, in their order, for one snapshot of the catalogue.

    1. freshness and rules (boost, bury, hide) change utilities;
    2. genre calibration, or otherwise diversity (MMR or DPP), orders the best candidates;
    3. the exposure limit and fair shares select the slate, around the items that pins take.

    The object is immutable and cheap to construct: whoever changes the catalogue constructs a new one.
    The masks of rules are computed when a request first needs them; computing one twice in two threads is harmless. Where
    rules read the request, or the request has boosts, `for_request` returns its own pipeline.

    Parameters
    ----------
    settings
        The project's `[rerank]`.
    items
        The catalogue.
    first_seen : ndarray of shape (items,), int64
        Time from which each item's age counts, ms since 1970, or `NO_TIME`.
    factors : ndarray of shape (items, d), float32, optional
        Item vectors for diversity if `diversity_by` is not set. Items beyond its rows have zero vectors.
    masks
        The masks of rules (default: those of `items`, for rules that read no request).
    """

    settings: RerankSettings
    items: Entities
    first_seen: NDArray[np.int64]
    factors: NDArray[np.float32] | None = None
    masks: RuleMasks = None  # type: ignore[assignment]  # made of `items` where it is not given

    def __post_init__(self) -> None:
        """Make the masks of rules where they are not given."""
        if self.masks is None:
            object.__setattr__(self, "masks", RuleMasks(Conditions(self.items)))

    def __repr__(self) -> str:
        vectors = "none" if self.factors is None else "×".join(map(str, self.factors.shape))
        return f"RerankPipeline({len(self.items)} items, factors: {vectors}, {self.settings!r})"

    def with_settings(self, settings: RerankSettings) -> RerankPipeline:
        """Return a pipeline for the same catalogue with other settings."""
        return replace(self, settings=settings)

    def for_request(self, values: RequestValues, boosts: Sequence[Mapping[str, Any]] = ()) -> RerankPipeline:
        """Return the pipeline of one request: rules read its values, and its boosts follow the project's rules.

        It is this pipeline where no rule reads a request and there are no boosts.
        """
        if not boosts and not self.uses:
            return self
        settings = self.settings
        if boosts:
            settings = settings.model_copy(update={"rules": [*settings.rules, *boost_rules(boosts)]})
        return replace(self, settings=settings, masks=self.masks.bound(values))

    @lazy_property
    def uses(self) -> Uses:
        """Names that the rules read of a request: (scope, name) pairs."""
        return NOTHING.union(*(self.masks.uses(rule) for rule in self.settings.rules))

    @lazy_property
    def pinned(self) -> tuple[tuple[int, NDArray[np.int64]], ...]:
        """The slot of each pin that few items meet, and their codes: retrieval makes them candidates, whatever the sources propose.

        Pins that read the request count in the pipeline of a request only (`for_request`).
        """
        return named_items(self.settings.rules, self.masks)

    @lazy_property
    def hide_uses(self) -> Uses:
        """Names that the rules that hide items read of a request: the items that may be shown depend on their values."""
        return NOTHING.union(*(self.masks.uses(rule) for rule in self._hiding()))

    # ------------------------------------------------------------------ re-ranking

    def rerank(
        self,
        items: NDArray[np.int32],
        utility: NDArray[np.float64],
        n: int,
        now: int,
        strengths: RerankStrengths,
        taste: NDArray[np.float64] | None = None,
        earlier: EarlierPages = FIRST_PAGE,
    ) -> NDArray[np.int64]:
        """Select and order the candidates of one request.

        Where the exposure limit leaves fewer than n, the best of the others follow: a person who filters on one provider gets a whole slate
        of it.

        Parameters
        ----------
        items : ndarray of shape (rows,), int32
            Item codes of the candidates.
        utility : ndarray of shape (rows,), float64
            Their utilities.
        n
            Number of slots.
        now
            Time of the request, ms.
        strengths
            How strongly each re-ranker acts. With exploration, the result is the pool from which the slate is drawn (`pool_of`).
        taste : ndarray of shape (genres,), float64, optional
            The user's taste distribution (`taste`), for genre calibration.
        earlier
            The pages before this one: diversity, genre calibration, exposure limit, fair shares and pins are those of all pages
            together. The candidates have none of their items.

        Returns
        -------
        ndarray of shape (at most n, or at most the size of the pool,), int64
            Rows of the candidates, best first.
        """
        size = pool_of(n, len(items)) if strengths.explore > 0 else n
        order, pins = self._ordered(items, utility, size, now, strengths, taste, earlier)
        missing = min(n, len(items)) - len(order) - len(pins.until(earlier.slots + n))
        if self.settings.exposure_cap is not None and missing > 0:
            others = pins.free(self._by_utility(self._adjusted(items, utility, now, strengths)))
            others = np.sort(others[~np.isin(others, order)])
            best = others[np.argsort(-utility[others], kind="stable")]
            order = np.concatenate([order, best[:missing]])
        return pins.placed(order, earlier.slots, size)

    def rerank_within_cap(
        self,
        items: NDArray[np.int32],
        utility: NDArray[np.float64],
        n: int,
        now: int,
        strengths: RerankStrengths,
        taste: NDArray[np.float64] | None = None,
    ) -> NDArray[np.int64]:
        """Select and order candidates as `rerank` does, fewer than n where the exposure limit leaves fewer."""
        order, pins = self._ordered(items, utility, n, now, strengths, taste, FIRST_PAGE)
        return pins.placed(order, 0, n)

    def _ordered(
        self,
        items: NDArray[np.int32],
        utility: NDArray[np.float64],
        n: int,
        now: int,
        strengths: RerankStrengths,
        taste: NDArray[np.float64] | None,
        earlier: EarlierPages,
    ) -> tuple[NDArray[np.int64], Pinned]:
        """The rows that no pin takes, best first, at least those of this page; and those that pins of this page and later ones take."""
        settings = self.settings
        adjusted = self._adjusted(items, utility, now, strengths)
        order = self._by_utility(adjusted)
        if len(earlier.utility):
            earlier = replace(earlier, utility=self._adjusted(earlier.items, earlier.utility, now, strengths))
        pins = self._pins(order, items, earlier)
        order = self._reordered(_Candidates(items, adjusted, order, pins), n, strengths, taste, earlier)
        order = pins.free(order)
        # Fair shares and pins need candidates beyond the first n.
        size = len(order) if settings.fair or settings.rules else n
        if settings.exposure_by is None:
            order = order[:size]
        else:
            provider = self.items.attribute(settings.exposure_by, CategoryAttribute).codes
            held = np.concatenate([earlier.items, items[pins.rows]]) if len(pins) else earlier.items
            shown = provider[held]
            order = cap_exposure(order, provider[items], settings.exposure_cap, size, shown)
        here = pins.until(earlier.slots + n)
        for fair in settings.fair:
            protected = self.masks.share(fair)
            shown = np.concatenate([earlier.items, items[here]])
            before = earlier.slots + len(here), int(protected[shown].sum())
            slots = n - len(here)
            slate = fair_share(
                order, adjusted, protected[items], fair.share, fair.most_loss, slots, before
            ).order
            order = np.concatenate([slate, order[~np.isin(order, slate)]])
        return order, pins

    def _by_utility(self, adjusted: NDArray[np.float64]) -> NDArray[np.int64]:
        """Rows by utility, without hidden ones."""
        order = np.argsort(-adjusted, kind="stable")
        return order[adjusted[order] > -np.inf] if self.settings.rules else order

    def taken_by_pins(
        self,
        items: NDArray[np.int32],
        utility: NDArray[np.float64],
        now: int,
        strengths: RerankStrengths,
        earlier: EarlierPages = FIRST_PAGE,
    ) -> Pinned:
        """Return the candidates that pins take, on this page and on later ones; parameters as for `rerank`."""
        return self._pins(self._by_utility(self._adjusted(items, utility, now, strengths)), items, earlier)

    def _pins(self, order: NDArray[np.int64], items: NDArray[np.int32], earlier: EarlierPages) -> Pinned:
        """The candidates, by utility, that pins of this page and later ones take."""
        pins = [(slot, rule) for slot, rule in pin_slots(self.settings.rules) if slot >= earlier.slots]
        if not pins:
            return NO_PINS
        by, cap, room = self.settings.exposure_by, self.settings.exposure_cap, None
        if by is not None and cap is not None:
            provider = self.items.attribute(by, CategoryAttribute).codes
            room = provider[items], Counter(provider[earlier.items].tolist()), cap
        return take_pins(order, items, pins, self.masks.mask, room)

    def _adjusted(
        self, items: NDArray[np.int32], utility: NDArray[np.float64], now: int, strengths: RerankStrengths
    ) -> NDArray[np.float64]:
        """Apply freshness and the rules that change utilities."""
        if strengths.freshness > 0:
            half_life = duration_ms(self.settings.freshness_half_life)
            utility = boost_fresh(utility, self.first_seen[items], now, strengths.freshness, half_life)
        return adjust_utility(utility, items, self.settings.rules, self.masks.mask, self.masks.amount)

    def _reordered(
        self,
        candidates: _Candidates,
        n: int,
        strengths: RerankStrengths,
        taste: NDArray[np.float64] | None,
        earlier: EarlierPages,
    ) -> NDArray[np.int64]:
        """Reorder the best candidates by genre calibration or diversity, as those that follow the items of earlier pages."""
        items, utility, order, pins = candidates
        calibrates = strengths.calibration > 0 and taste is not None
        if not calibrates and strengths.diversity <= 0:
            return order
        before = earlier.items
        if not calibrates and len(earlier.items) > MOST_EARLIER:
            latest = slice(-MOST_EARLIER, None)
            earlier = replace(earlier, items=earlier.items[latest], utility=earlier.utility[latest])
        shown, rows = len(earlier.items), len(order)
        if not shown and not len(pins) and self._is_plain(utility[order[: POOL + 1]], n):
            head, rest = order[:POOL], order[POOL:]
            both, values, limits = items[head], utility[head], no_limits(len(head))
        else:
            both, values = np.concatenate([items[order], earlier.items]), earlier.following(utility[order])
            pinned = np.full(rows + shown, -1)
            by_row = np.argsort(order)
            pinned[by_row[np.searchsorted(order, pins.rows, sorter=by_row)]] = (
                pins.slots - earlier.slots + shown
            )
            limits = self._slot_limits(both, values, np.concatenate([before, items[pins.rows]]), pinned)
            considered = np.ones(rows + shown, bool)
            if limits.cap == NO_CAP:  # where a provider can be full, any row may be needed
                considered[:rows] = (limits.opens[:rows] < shown + n) | (pinned[:rows] >= 0)
                both, values = both[considered], values[considered]
                limits = limits.of(considered)
            head, rest = order[considered[:rows]], order[~considered[:rows]]
        if calibrates and taste is not None:
            genres = self._calibration_values(both)
            selected = calibrate_genres(values, genres, taste, strengths.calibration, n, shown, limits)
        elif self.settings.diversity_way == "dpp":
            selected = dpp(values, self.vectors(both), strengths.diversity, n, shown, limits)
        else:
            attribute = self.items.attributes.get(self.settings.diversity_by or "")
            features: NDArray[Any] = (
                attribute.codes[both] if isinstance(attribute, CategoryAttribute) else self.vectors(both)
            )
            selected = mmr(values, features, strengths.diversity, n, shown, limits)
        return np.concatenate([head[selected], rest])

    def _is_plain(self, best: NDArray[np.float64], n: int) -> bool:
        """Return whether all slots of a first page choose from the best `POOL` candidates, whose utilities are given with the next one's."""
        capped = self.settings.exposure_by is not None and self.settings.exposure_cap is not None
        return (
            not capped and n * PER_SLOT <= POOL and (len(best) <= POOL or bool(best[POOL - 1] > best[POOL]))
        )

    def _slot_limits(
        self,
        items: NDArray[np.int32],
        utility: NDArray[np.float64],
        before: NDArray[np.int32],
        pinned: NDArray[np.int64],
    ) -> SlotLimits:
        """Return what each slot may choose from: the best candidates, and no provider that is full of `before`, items of earlier pages and of pins."""
        limits = SlotLimits.opening(opening_slots(utility, items), pinned)
        by, cap = self.settings.exposure_by, self.settings.exposure_cap
        if by is None or cap is None:
            return limits
        codes = self.items.attribute(by, CategoryAttribute).codes
        return limits.capped(codes[items], codes[before], cap)

    def within_exposure_cap(self, items: NDArray[np.int32], ordered: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Return which items (codes) can join any slate drawn from a pool, after some pages, within the exposure limit: bool (rows,).

        `ordered`, int32, has the codes of the items of the pool and of earlier pages.
        """
        by, cap = self.settings.exposure_by, self.settings.exposure_cap
        if by is None or cap is None:
            return np.ones(len(items), bool)
        codes = self.items.attribute(by, CategoryAttribute).codes
        provider, count = np.unique(codes[ordered], return_counts=True)
        full = provider[(provider >= 0) & (count >= cap)]
        return np.asarray(~np.isin(codes[items], full) | np.isin(items, ordered))

    # ------------------------------------------------------------------ rules

    def hidden_items(self) -> NDArray[np.bool_] | None:
        """Return the items that rules hide, bool (items,), or None without such rules.

        Retrieval leaves them out, so that slates stay full. Rules that read the request count in the pipeline of a
        request only (`for_request`).
        """
        rules = [rule for rule in self._hiding() if self.masks.values or not self.masks.uses(rule)]
        return np.any([self.masks.mask(rule) for rule in rules], axis=0) if rules else None

    def hidden_by(self, item: int) -> str | None:
        """Return the name of the rule that hides an item, or None."""
        return next((rule.name for rule in self._hiding() if self.masks.mask(rule)[item]), None)

    def _hiding(self) -> list[Rule]:
        return [rule for rule in self.settings.rules if rule.action == "hide"]

    # ------------------------------------------------------------------ item properties

    def taste(self, history: NDArray[np.int32]) -> NDArray[np.float64] | None:
        """Return the taste distribution of a history (item codes, oldest first), or None without `calibration_by`."""
        by = self.settings.calibration_by
        if by is None:
            return None
        indptr, values = self._calibration_values(history)
        return taste_distribution(values, indptr, len(self.items.attribute(by, CodedAttribute).vocabulary))

    def _calibration_values(self, items: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return the values of `calibration_by`, ragged."""
        return self.items.attribute(str(self.settings.calibration_by), CodedAttribute).take(items).ragged()

    def vectors(self, items: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return the vectors that define similarity, float32 (rows, d): the values of `diversity_by`, or factors.

        Without either, items are pairwise dissimilar. An item whose embedding is unknown is similar to no other.
        """
        by = self.settings.diversity_by
        if by is None or not by:
            return np.eye(len(items), dtype=np.float32) if self.factors is None else self._factor_rows(items)
        embedding = self.items.attributes.get(by)
        if isinstance(embedding, EmbeddingAttribute):
            return np.nan_to_num(embedding.take(items).values)
        attribute = self.items.attribute(by, CodedAttribute)
        if isinstance(attribute, CategoryAttribute):  # one column per value that occurs
            values, at = np.unique(attribute.codes[items], return_inverse=True)
            return np.eye(len(values), dtype=np.float32)[at] * (values[at] >= 0)[:, None]
        return np.asarray(attribute.take(items).matrix().toarray())

    def _factor_rows(self, items: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return factor rows; items that were added after training have zeros."""
        assert self.factors is not None
        known = items < len(self.factors)
        if known.all():
            return np.asarray(self.factors[items])
        return np.where(known[:, None], self.factors[np.where(known, items, 0)], np.float32(0))


class _Candidates(NamedTuple):
    """The candidates of one request: items and utilities by row, the rows by utility, and those that pins take."""

    items: NDArray[np.int32]
    utility: NDArray[np.float64]
    order: NDArray[np.int64]
    pins: Pinned
