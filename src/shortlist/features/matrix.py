"""The feature matrix: one row a candidate, float32, NaN where nothing is known.

One function builds it for training and for serving; only where the counts come from differs (`OfflineCounts` or
`LiveCounts`). Columns: what is fixed for an item, the other declared features, then for each retrieval source its rank
and its score.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from shortlist.data.attributes import Attribute
from shortlist.data.dataset import Dataset
from shortlist.data.histories import Histories
from shortlist.data.times import NO_TIME
from shortlist.engines import Engine
from shortlist.features.custom import call
from shortlist.features.encoders import columns_of, hashed, names_of, number
from shortlist.features.formulas import DAY, fill, fill_alike
from shortlist.features.keys import Asked, Keys
from shortlist.features.lift import Lifted, Spread, is_plain, joined
from shortlist.features.offline import OfflineCounts
from shortlist.features.online import Direct, LiveCounts, visitor_counts, without_user
from shortlist.features.saved import load_counts
from shortlist.features.similarity import live_likeness, squared_lengths
from shortlist.features.spec import Aggregate, Counts
from shortlist.features.validate import parse_features


@dataclass(frozen=True)
class Rows:
    """R requests and their candidate rows, rows of a request side by side.

    users int32 (R,), −1: a visitor; moments int64 ms (R,); request int64 (rows,) into the requests; item int32 (rows,);
    ranks, scores float32 (rows, sources), NaN where a source did not propose the item; position float32 (rows,).
    """

    users: np.ndarray
    moments: np.ndarray
    histories: Histories
    request: np.ndarray
    item: np.ndarray
    sources: list[str]
    ranks: np.ndarray
    scores: np.ndarray
    user_attributes: dict[str, Attribute] = field(default_factory=dict)
    context: dict[str, Attribute] = field(default_factory=dict)
    position: np.ndarray | None = None

    @property
    def asked(self) -> Asked:
        return Asked(self.users, self.context, self.user_attributes)


class Source(Protocol):
    """Where counts come from."""

    def counts(
        self, aggregates: list[Aggregate], keys: np.ndarray, moments: np.ndarray
    ) -> dict[Aggregate, Counts]:
        """Counts of (key, moment) pairs, for aggregates by the same key."""

    def visitors(self, aggregate: Aggregate, owner: np.ndarray, rest: np.ndarray) -> Counts | None:
        """Counts of people without counters; None where there are no such people."""

    def fill(self, of: FeatureSet, moments: np.ndarray, matrix: np.ndarray) -> set[str]:
        """Write the columns of features where it can be done directly; the names of those it did."""


class FeatureSet:
    """A project's features with what fitting learns about them: a prior per smoothed feature."""

    def __init__(self, dataset: Dataset, priors: dict[str, float] | None = None) -> None:
        self.features = parse_features(dataset.project, dataset.log.kinds)
        self.items = dataset.items.attributes
        self.kinds = dataset.log.kinds
        self.keys = Keys(
            len(dataset.users),
            len(dataset.items),
            dataset.users.attributes,
            self.items,
            {name: a.vocabulary for name, a in dataset.log.context.items()},
        )
        self.context = {name: a.kind for name, a in dataset.log.context.items()}
        # what a request needs of the declarations, worked out once
        self.wanted = {feature.name: feature.aggregates() for feature in self.features}
        self.groups: dict[str, list[Aggregate]] = defaultdict(list)
        for aggregate in dict.fromkeys(self.aggregates):
            self.groups[aggregate.by].append(aggregate)
        self.priors = priors or {}
        self._lay_out()

    def _lay_out(self) -> None:
        """Which columns each feature has: those fixed for an item first, side by side."""
        fixed = [f for f in self.features if f.kind == "attribute" and f.of.startswith("item.")]
        others = [f for f in self.features if f not in fixed]
        self.columns: dict[str, tuple[int, int]] = {}
        self.column_names: list[str] = []
        self.column_types: list[str] = []
        blocks = []
        for feature in fixed:
            attribute = self.items[feature.of.partition(".")[2]]
            spread = attribute.kind in {"list", "text", "embedding"}
            blocks.append(
                columns_of(feature, attribute) if spread else number(attribute, feature.buckets)[:, None]
            )
            self._add(feature, names_of(feature, attribute), attribute.kind)
        self.static = (
            np.concatenate(blocks, axis=1).astype(np.float32)
            if blocks
            else np.empty((self.keys.n_items, 0), np.float32)
        )
        self.spread: dict[str, np.ndarray] = {}
        """Lists, texts and embeddings of users, as columns."""
        for feature in others:
            user = self._user_attribute(feature)
            kind = "number"
            if feature.kind == "cross":
                kind = "category"
            elif feature.kind == "attribute":
                kind = user.kind if user is not None else self.context[feature.of.partition(".")[2]]
                if kind in {"list", "text", "embedding"} and user is not None:
                    self.spread[feature.name] = columns_of(feature, user)
            self._add(feature, names_of(feature, user), kind)
        self.width = len(self.column_names)
        self.others = others
        self._direct: dict[bool, tuple[LiveCounts, list[tuple[Direct, set[str]]]]] = {}
        self.alike = [f for f in others if f.kind in {"affinity", "similarity"}]

    def refresh(self, code: int) -> None:
        """An item's attributes have changed, or it is new: its fixed columns again. What a text or an embedding comes to
        is learnt in training: a new item's is unknown until the next.
        """
        line = np.full(self.static.shape[1], np.nan, np.float32)
        if code < len(self.static):
            line[:] = self.static[code]
        for feature in self.features:
            if feature.kind != "attribute" or not feature.of.startswith("item."):
                continue
            attribute, (begin, end) = self.items[feature.of.partition(".")[2]], self.columns[feature.name]
            if attribute.kind in {"number", "category"}:
                known = self.keys.size(feature.of) if attribute.kind == "category" else None
                value = number(attribute.take(np.array([code])), feature.buckets)[0]
                line[begin] = np.nan if known is not None and attribute.codes[code] >= known else value
            elif attribute.kind == "list":
                shown = set(attribute.show(code))
                names = self.column_names[begin:end]
                line[begin:end] = [name.partition("=")[2] in shown for name in names]
        self.static = np.concatenate([self.static[:code], line[None], self.static[code + 1 :]])

    def direct(self, live: LiveCounts, visitors: bool) -> list[tuple[Direct, set[str]]]:
        """What is read straight from some counters: features of one of the common formulas that count by single keys. With
        visitors, those by person are left out.
        """
        known = self._direct.get(visitors)
        if known is None or known[0] is not live:
            features, names = [], set()
            for feature in self.others:
                by = getattr(feature, "by", None)
                if getattr(feature, "formula", None) is None or by is None or not self.keys.is_single(by):
                    continue
                if visitors and "user" in by.split("*"):
                    continue
                x, y = feature.parameters(self.priors.get(feature.name, 0.0))
                column = self.columns[feature.name][0]
                features.append((by, column, feature.formula, x, y, self.wanted[feature.name]))
                names.add(feature.name)
            known = self._direct[visitors] = live, [(Direct(live, features), names)] if features else []
        return known[1]

    def _user_attribute(self, feature: Any) -> Attribute | None:
        side, _, name = (
            getattr(feature, "of", "").partition(".") if feature.kind == "attribute" else ("", "", "")
        )
        return self.keys.users[name] if side == "user" else None

    def _add(self, feature: Any, names: list[str], kind: str) -> None:
        begin = len(self.column_names)
        self.columns[feature.name] = (begin, begin + len(names))
        self.column_names += names
        self.column_types += ["c" if kind == "category" else "q"] * len(names)

    @property
    def aggregates(self) -> list[Aggregate]:
        return [aggregate for wanted in self.wanted.values() for aggregate in wanted]

    @property
    def summed(self) -> set[Aggregate]:
        """The aggregates whose total is read."""
        return {a for f in self.features if f.kind == "mean" for a in self.wanted[f.name]}

    def counters(self, dataset: Dataset, kept: Path | None = None) -> LiveCounts:
        """Live counters as they stand after the data set's log. kept: a folder where they were saved, which is faster than counting."""
        if kept is not None:
            live = LiveCounts(self.aggregates, self.keys, dataset.log.kinds, self.summed)
            if load_counts(live, kept):
                return live
        return LiveCounts.of(dataset.log, self.aggregates, self.keys, self.summed)

    def fit(self, dataset: Dataset) -> FeatureSet:
        """Learn the priors: the rate or mean over all events of the data set."""
        log = dataset.log
        for feature in self.features:
            if feature.kind == "mean":
                values = log.value[log.is_kind([feature.event], feature.at_least)]
                values = values[~np.isnan(values)]
                self.priors[feature.name] = float(values.mean(dtype=np.float64)) if len(values) else 0.0
            elif feature.kind == "rate":
                per = int(log.is_kind([feature.per]).sum())
                self.priors[feature.name] = (
                    float(log.is_kind([feature.event], feature.at_least).sum() / per) if per else 0.0
                )
        return self

    def names(self, sources: list[str]) -> list[str]:
        return self.column_names + [f"{s}_{what}" for what in ("rank", "score") for s in sources]

    def types(self, sources: list[str]) -> list[str]:
        """XGBoost's type per column: `c` for categories, `q` for quantities."""
        return self.column_types + ["q"] * (2 * len(sources))

    def offline(
        self,
        rows: Rows,
        dataset: Dataset,
        progress: Callable[[float], None] | None = None,
        engine: Engine | None = None,
    ) -> np.ndarray:
        """The matrix as of each request's moment, by SQL over the log."""
        return self._build(rows, _Past(rows, OfflineCounts(dataset, self.keys, engine)), progress)

    def live(self, rows: Rows, counts: LiveCounts) -> np.ndarray:
        """The matrix as of now, from counters and the histories that came with the requests."""
        return self._build(rows, _Now(rows, counts, self.kinds), None)

    def _build(self, rows: Rows, source: Source, progress: Callable[[float], None] | None) -> np.ndarray:
        n, sources = len(rows.item), len(rows.sources)
        matrix = np.empty((n, self.width + 2 * sources), np.float32)
        fixed = self.static.shape[1]
        if fixed:
            matrix[:, :fixed] = self.static[rows.item]
        moments = rows.moments[rows.request]
        done = source.fill(self, moments, matrix)
        counts = self._counts(rows, source, progress, done)
        for feature in self.others:
            begin, end = self.columns[feature.name]
            wanted = self.wanted[feature.name]
            if feature.name in done:
                continue
            if wanted:
                prior = self.priors.get(feature.name, 0.0)
                matrix[:, begin] = feature.finish([counts[a] for a in wanted], moments, prior)
            elif feature.kind == "custom":
                inputs = [self._column(of, rows, matrix) for of in feature.inputs]
                matrix[:, begin] = call(feature.name, feature.function, inputs, n)
            else:
                matrix[:, begin:end] = self._plain(feature, rows, moments)
        matrix[:, self.width : self.width + sources] = rows.ranks
        matrix[:, self.width + sources :] = rows.scores
        return matrix

    def _counts(
        self, rows: Rows, source: Source, progress: Callable[[float], None] | None, done: set[str]
    ) -> dict[Aggregate, Counts]:
        """The counts of all rows, one look at the source for each key they count by; not for features that are done."""
        answer: dict[Aggregate, Counts] = {}
        groups = self.groups
        if done:
            left = dict.fromkeys(
                a for name, wanted in self.wanted.items() if name not in done for a in wanted
            )
            groups = {by: [a for a in every if a in left] for by, every in groups.items()}
        for number_, (by, aggregates) in enumerate(groups.items()):
            if not aggregates:
                continue
            of_request = self.keys.is_of_request(by)
            # counts that do not depend on the candidate are made once a request
            request = np.arange(len(rows.users)) if of_request else rows.request
            item = np.zeros(len(rows.users), np.int32) if of_request else rows.item
            owner, keys = self.keys.of(by, rows.asked, request, item)
            found = source.counts(aggregates, keys, rows.moments[request[owner]])
            plain = is_plain(owner, len(item))
            visitors = None
            if "user" in by.split("*") and (rows.users < 0).any():
                unknown = np.flatnonzero(rows.users[request] < 0)
                row, rest = self.keys.of(without_user(by), rows.asked, request[unknown], item[unknown])
                visitors = unknown[row], rest
            for aggregate in aggregates:
                counted, owners = found[aggregate], owner
                if visitors is not None:
                    own = source.visitors(aggregate, request[visitors[0]], visitors[1])
                    if own is not None:
                        counted, owners = joined([(counted, owner), (own, visitors[0])])
                one_each = plain and owners is owner
                lifted: Counts = counted if one_each else Lifted(counted, owners, len(item))
                answer[aggregate] = Spread(lifted, rows.request) if of_request else lifted
            if progress:
                progress((number_ + 1) / len(groups))
        return answer

    def _plain(self, feature: Any, rows: Rows, moments: np.ndarray) -> np.ndarray:
        if feature.kind == "position":
            return _column(np.zeros(len(rows.item)) if rows.position is None else rows.position)
        if feature.kind == "moment":
            return _column(_moment(feature.of, rows.moments)[rows.request])
        if feature.kind == "age":
            times = self.items[feature.of.partition(".")[2]].times[rows.item]
            return _column(np.where(times == NO_TIME, np.nan, (moments - times) / DAY))
        if feature.kind == "cross":
            return _column(self._cross(feature, rows))
        side, _, name = feature.of.partition(".")
        if feature.name in self.spread:
            known = np.where(rows.users[:, None] >= 0, self.spread[feature.name][rows.users], np.nan)
            return known[rows.request]
        given = (rows.user_attributes if side == "user" else rows.context).get(name)
        if given is None:
            return np.full((len(rows.item), 1), np.nan)
        return _column(number(given, feature.buckets)[rows.request])

    def _cross(self, feature: Any, rows: Rows) -> np.ndarray:
        code, size, known = np.zeros(len(rows.item), np.int64), 1, np.ones(len(rows.item), bool)
        for of in feature.of:
            side, _, name = of.partition(".")
            if not name:  # a feature of kind moment
                which = next(f.of for f in self.features if f.name == of)
                part, vocabulary = _moment(which, rows.moments)[rows.request], 24 if which == "hour" else 7
            elif side == "item":
                part, vocabulary = self.items[name].codes[rows.item], len(self.items[name].vocabulary)
            else:
                given = (rows.user_attributes if side == "user" else rows.context).get(name)
                vocabulary = self.keys.size(of)
                part = np.full(len(rows.item), -1) if given is None else given.codes[rows.request]
            known &= (part >= 0) & (part < vocabulary)
            code, size = code * max(vocabulary, 1) + part, size * max(vocabulary, 1)
        if size > feature.buckets:
            code = hashed(np.where(known, code, 0), feature.buckets)
        return np.where(known, code, np.nan)

    def _column(self, of: str, rows: Rows, matrix: np.ndarray) -> pa.Array:
        """An input of a custom feature: a feature's column, or an attribute with its values spelt out."""
        if of in self.columns:
            return pa.array(matrix[:, self.columns[of][0]], from_pandas=True)
        side, _, name = of.partition(".")
        if side == "item":
            return self.items[name].to_arrow().take(pa.array(rows.item))
        given = (rows.user_attributes if side == "user" else rows.context).get(name)
        if given is None:
            return pa.nulls(len(rows.item))
        return given.to_arrow().take(pa.array(rows.request))


@dataclass
class _Past:
    """Counts as of moments of the past."""

    rows: Rows
    past: OfflineCounts

    def counts(
        self, aggregates: list[Aggregate], keys: np.ndarray, moments: np.ndarray
    ) -> dict[Aggregate, Counts]:
        streams: dict[tuple[Any, ...], list[Aggregate]] = defaultdict(list)
        for a in aggregates:
            streams[a.event, a.at_least, a.distinct, a.extremes].append(a)
        answer: dict[Aggregate, Counts] = {}
        for stream in streams.values():
            answer.update(self.past.lookup(stream, keys, moments))
        return answer

    def visitors(self, aggregate: Aggregate, owner: np.ndarray, rest: np.ndarray) -> Counts | None:
        return None

    def fill(self, of: FeatureSet, moments: np.ndarray, matrix: np.ndarray) -> set[str]:
        r = self.rows
        for feature in of.alike:
            attribute = of.items[feature.of.partition(".")[2]]
            dot, events, square = self.past.likeness(
                attribute, feature.last, feature.event, r.users, r.moments, r.request, r.item
            )
            own = squared_lengths(attribute)[r.item]
            column = matrix[:, of.columns[feature.name][0]]
            fill_alike(column, feature.kind == "similarity", dot, events, square, own)
        return {feature.name for feature in of.alike}


@dataclass
class _Now:
    """Counts as of now."""

    rows: Rows
    live: LiveCounts
    kinds: list[str]

    def counts(
        self, aggregates: list[Aggregate], keys: np.ndarray, moments: np.ndarray
    ) -> dict[Aggregate, Counts]:
        return {a: self.live.lookup(a, keys, self.rows.moments) for a in aggregates}

    def visitors(self, aggregate: Aggregate, owner: np.ndarray, rest: np.ndarray) -> Counts | None:
        r = self.rows
        return visitor_counts(
            aggregate, self.live.keys, r.histories, r.asked, self.kinds, owner, rest, r.moments
        )

    def fill(self, of: FeatureSet, moments: np.ndarray, matrix: np.ndarray) -> set[str]:
        """Counted features, where each row has one key; likeness with the history. With a visitor, counts by person come from
        the request's own history instead.
        """
        rows = self.rows
        visitors = bool((rows.users < 0).any())
        now = int(rows.moments.max()) if len(rows.moments) else 0
        done: set[str] = set()
        for direct, names in of.direct(self.live, visitors):
            direct.now(now)
            at = np.empty((len(direct.groups), len(rows.item)), np.int64)
            for group, by in enumerate(direct.groups):
                if of.keys.is_of_request(by):  # once a request, not once a row
                    n = len(rows.users)
                    keys = of.keys.single(by, rows.asked, np.arange(n), np.zeros(n, np.int32))
                    at[group] = direct.first[group].at(keys)[rows.request]
                else:
                    keys = of.keys.single(by, rows.asked, rows.request, rows.item)
                    at[group] = direct.first[group].at(keys)
            fill(matrix, at, direct.plan, direct.parameters, direct.addresses, direct.sizes, moments)
            done |= names
        latest: dict[tuple[int, str | None], Histories] = {}
        for feature in of.alike:
            asked = (feature.last, feature.event)
            if asked not in latest:
                h = rows.histories
                kept = h if feature.event is None else h.only(h.kind == self.kinds.index(feature.event))
                latest[asked] = kept.last(feature.last)
            column = matrix[:, of.columns[feature.name][0]]
            attribute = of.items[feature.of.partition(".")[2]]
            live_likeness(
                attribute, latest[asked], rows.request, rows.item, feature.kind == "similarity", column
            )
            done.add(feature.name)
        return done


def _column(values: np.ndarray) -> np.ndarray:
    return values[:, None]


def _moment(of: str, moments: np.ndarray) -> np.ndarray:
    hours = moments // 3_600_000
    return hours % 24 if of == "hour" else (hours // 24 + 3) % 7  # 1970-01-01 was a Thursday


__all__ = ["FeatureSet", "Rows"]
