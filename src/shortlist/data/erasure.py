"""A data set without some users: neither their events, ids, titles and attributes, nor words that only they had."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from shortlist.data.attributes import Attribute, CategoryAttribute, CodedAttribute, ListAttribute
from shortlist.data.dataset import Dataset
from shortlist.data.entities import Entities
from shortlist.data.ids import IdMap
from shortlist.data.texts import Texts


def without_users(dataset: Dataset, users: Iterable[Any]) -> Dataset:
    """Return a data set without some users.

    Codes of items, kinds and words keep their meaning, so that what a model learned fits. A word of a user's attribute or of
    a context that no remaining row has is replaced by `(erased CODE)`.

    Parameters
    ----------
    dataset
        The data set; it is returned as it is where it has none of the users.
    users
        Ids of users.
    """
    codes = dataset.users.ids.codes(users)
    codes = codes[codes >= 0]
    if not len(codes):
        return dataset
    keep = np.ones(len(dataset.users), bool)
    keep[codes] = False
    rows = np.flatnonzero(keep)
    old = dataset.users
    remaining = Entities(
        IdMap(old.ids.values.take(pa.array(rows))),
        Texts(old.titles.some(rows)),
        _without_lost_words(old.attributes, {name: a.take(rows) for name, a in old.attributes.items()}),
    )
    log = dataset.log.rows(np.flatnonzero(keep[dataset.log.user]))
    place = (np.cumsum(keep) - 1).astype(np.int32)
    context = _without_lost_words(dataset.log.context, log.context)
    lists = None if log.lists is None else log.lists.of_slates(log.slate)
    log = replace(log, user=place[log.user], context=context, lists=lists)
    return replace(dataset, users=remaining, log=log)


def _without_lost_words(
    before: Mapping[str, Attribute], after: Mapping[str, Attribute]
) -> dict[str, Attribute]:
    return {name: _without_lost(before[name], attribute) for name, attribute in after.items()}


def _without_lost(before: Attribute, after: Attribute) -> Attribute:
    """The attribute without words that rows had before and that none has now; codes stay."""
    if not isinstance(before, CodedAttribute) or not isinstance(after, CodedAttribute):
        return after
    lost = np.setdiff1d(before.codes, after.codes)
    lost = lost[lost >= 0]
    if not len(lost):
        return after
    words = list(after.vocabulary)
    for code in lost.tolist():
        words[code] = f"(erased {code})"
    if isinstance(after, CategoryAttribute):
        return CategoryAttribute(after.name, after.codes, words)
    assert isinstance(after, ListAttribute)
    return ListAttribute(after.name, after.indptr, after.codes, words)
