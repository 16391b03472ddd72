"""Rank a given list: the items come from elsewhere, and the cascade orders all of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.cascade.answer_warnings import list_warnings
from shortlist.cascade.encode import EncodedBatch, ResolvedRequest, encode
from shortlist.cascade.given_items import ItemList, read_list
from shortlist.cascade.locks import single_threaded_blas
from shortlist.cascade.model import Model
from shortlist.cascade.respond import policy_name, recommendations, warnings_of
from shortlist.cascade.run import Cascade, ScoredBatch, score_rows
from shortlist.cascade.stage_times import StageTimes
from shortlist.cascade.state import LiveState
from shortlist.data.ids import random_id
from shortlist.data.slates import Recommendation, Slate
from shortlist.features.keys import RequestKeys
from shortlist.features.rows import DescribedRows, FeatureRows, ListNumbers
from shortlist.requests import RecommendRequest
from shortlist.retrieve.fusion.blend import blend_given


@dataclass(frozen=True, repr=False)
class ScoredLists:
    """The items of given lists with predictions and utility.

    Attributes
    ----------
    scored
        The items of the lists, those of a request side by side, in any order.
    place
        int64 (rows,): the place of each row in the list of its request.
    """

    scored: ScoredBatch
    place: NDArray[np.int64]

    def __repr__(self) -> str:
        return f"ScoredLists({self.scored!r})"


def rank_list(
    model: Model,
    state: LiveState,
    request: RecommendRequest,
    items: Any,
    times: StageTimes | None = None,
) -> Slate:
    """Order a given list by utility for one request, best first.

    Every item comes back, also what the user has had already; nothing is filtered, explored or diversified. An item that
    the catalogue does not have is ranked by its fields; one without fields is put last, because nothing is known of it.

    Parameters
    ----------
    model, state
        The recommender.
    request
        For whom; `n`, filters and strengths of re-ranking are ignored.
    items
        See `read_list`.
    times
        Receives the seconds that each stage took.

    Raises
    ------
    RequestError
        Names the field that is wrong.
    """
    lap = StageTimes() if times is None else times
    [resolved] = Cascade.resolve(model, state, [request.placed(model.project.placements).of_list()])
    listed = read_list(items, resolved.catalogue.items, model.dataset.log.given)
    found = score_lists(model, state, [resolved], [listed], lap)
    scored, ids = found.scored, resolved.catalogue.items.ids
    unknown = listed.unknown.tolist()
    blank = [place for place in unknown if listed.is_blank(place)]
    utility, order = _in_order(scored.utility, found.place, blank)
    scored, place = replace(scored, utility=utility), found.place[order]
    lap("rerank")
    items_of_slate = _in_full(model, scored, listed, order, place)
    warnings = [
        *warnings_of(model, resolved, scored.known[0]),
        *list_warnings(listed, blank, ids),
    ]
    slate = Slate(
        random_id(),
        request.user,
        scored.known[0],
        items_of_slate,
        model.version,
        [*resolved.unknown_items, *(listed.ids[place] for place in unknown)],
        policy=f"{policy_name(model, resolved)}-list",
        warnings=warnings,
        given={name: _json_numbers(numbers[place]) for name, numbers in listed.given.items()},
        placement=request.placement or "",
    )
    lap("slate")
    return slate


def score_lists(
    model: Model,
    state: LiveState,
    batch: Sequence[ResolvedRequest],
    lists: Sequence[ItemList],
    times: StageTimes | None = None,
) -> ScoredLists:
    """Score the items of given lists, one list a request; at most 128 requests of one batch key.

    Parameters
    ----------
    model, state
        The recommender.
    batch
        The requests.
    lists
        The list of each.
    times
        Receives the seconds that each stage took.
    """
    lap = StageTimes() if times is None else times
    with single_threaded_blas() if len(batch) > 1 else nullcontext(), state.reading(batch[0].moment):
        encoded = encode(model, state, batch)
        lap("request")
        rows, place = _rows_of_lists(model, encoded, batch[0], lists)
        lap("retrieve")
        return ScoredLists(score_rows(model, state, batch, encoded, rows, lap), place)


def _rows_of_lists(
    model: Model, encoded: EncodedBatch, first: ResolvedRequest, lists: Sequence[ItemList]
) -> tuple[FeatureRows, NDArray[np.int64]]:
    """The items of the lists as rows of features, and the place of each row in its list.

    Ranks and scores of the sources are measured as for candidates: among what they propose for the request.
    """
    # rows in the order of the items' codes: their counts and attributes lie in that order in memory
    places = [np.argsort(one.item, kind="stable")[len(one.unknown) :] for one in lists]
    blended = blend_given(
        first.catalogue.retrievers,
        encoded.requests,
        [one.item[at] for one, at in zip(lists, places, strict=True)],
        model.project.retrieve.candidates,
    )
    keys = RequestKeys(encoded.codes, encoded.context, encoded.requests.attributes)
    rows = blended.feature_rows(keys, encoded.requests.moments, encoded.histories)
    place = np.concatenate(places)
    if any(len(one.unknown) for one in lists):
        rows, place = _with_unknown(rows, place, lists)
    starts = np.concatenate([[0], np.cumsum([len(one) for one in lists])])
    flat = starts[rows.request] + place
    given = {name: _joined(name, lists)[flat] for name in model.dataset.log.given}
    return replace(rows, lists=ListNumbers(np.ones(len(flat), bool), given)), place


def _with_unknown(
    rows: FeatureRows, place: NDArray[np.int64], lists: Sequence[ItemList]
) -> tuple[FeatureRows, NDArray[np.int64]]:
    """Add the items that the catalogue does not have: no source has a rank or a score of them."""
    unknown = [one.unknown for one in lists]
    added = np.concatenate(unknown)
    owner = np.repeat(np.arange(len(lists)), [len(places) for places in unknown])
    request = np.concatenate([rows.request, owner])
    order = np.argsort(request, kind="stable")
    item = np.concatenate([rows.item, np.full(len(added), -1, np.int32)])[order]
    missing = np.full((len(added), len(rows.sources)), np.nan, np.float32)
    values = [
        lists[at].described.get(where, {}) for at, where in zip(owner.tolist(), added.tolist(), strict=True)
    ]
    return (
        replace(
            rows,
            request=request[order],
            item=item,
            ranks=np.concatenate([rows.ranks, missing])[order],
            scores=np.concatenate([rows.scores, missing])[order],
            described=DescribedRows(np.flatnonzero(item < 0), values),
        ),
        np.concatenate([place, added])[order],
    )


def _joined(name: str, lists: Sequence[ItemList]) -> NDArray[np.float32]:
    """One given number of the items of all lists; NaN where a list does not have it."""
    return np.concatenate([one.given.get(name, np.full(len(one), np.nan, np.float32)) for one in lists])


def _in_order(
    utility: NDArray[np.float64], place: NDArray[np.int64], blank: Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Utilities in which items that nothing is known of are not above any other, and the order of the rows by them, best first.

    Equals keep the order in which they were given. `place`: of each row in the list; `blank`: places of items that nothing is known of.
    """
    if blank:
        is_blank = np.isin(place, blank)
        if not is_blank.all():
            utility = np.where(is_blank, np.minimum(utility, utility[~is_blank].min()), utility)
        return utility, np.lexsort([place, is_blank, -utility])
    by_place = np.empty(len(place), np.int64)
    by_place[place] = np.arange(len(place))
    return utility, by_place[np.argsort(-utility[by_place], kind="stable")]


def _in_full(
    model: Model,
    scored: ScoredBatch,
    listed: ItemList,
    order: NDArray[np.int64],
    place: NDArray[np.int64],
) -> list[Recommendation]:
    """The items of one list in full, in order; place: int64 (rows,), their places in the list."""
    known = scored.rows.item[order] >= 0
    rows = order[known]
    in_full = recommendations(model, scored, rows)
    if known.all():
        return in_full
    of_catalogue = iter(in_full)
    own = scored.catalogue.items.ids.own
    return [
        next(of_catalogue)
        if there
        else Recommendation(
            own(listed.ids[at]),
            listed.titles[at],
            float(scored.utility[row]),
            dict(zip(model.objectives, scored.predictions[row].tolist(), strict=True)),
            {},
            "New here",
        )
        for there, row, at in zip(known.tolist(), order.tolist(), place.tolist(), strict=True)
    ]


def _json_numbers(numbers: NDArray[np.float32]) -> list[float | None]:
    return [None if number != number else number for number in numbers.tolist()]
