"""The live state is the fold of the stored rows: however they arrive, a rebuild gives the same state."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shortlist.recommender import Recommender
from shortlist.serve.live_models import LoadedModel
from shortlist.store.event_store import EventStore
from shortlist.store.records import Operation, StoredEvent

NUMBERS = itertools.count()
USERS = ["u00001", "u00002", "a new user"]
ITEMS = ["m00001", "m00002", "m00003"]


@dataclass
class Replica:
    """A model that reads the rows of a store whenever it is asked to."""

    loaded: LoadedModel
    store: EventStore

    def read(self) -> None:
        """Take what is new, events first, as the store's thread does."""
        events = self.store.events_since(self.loaded.row)
        self.loaded.take(events, self.store.operations_since(self.loaded.operation))


def content(loaded: LoadedModel, now: int, counters: bool) -> dict[str, Any]:
    """Everything that a request could see of a state.

    counters: whether to compare predictions too. Counters that people share keep the events of an erased person until
    the model is loaded again.
    """
    recommender = loaded.recommender
    state = recommender.state
    catalogue = state.catalogue
    items = catalogue.items.ids.ids(np.arange(len(catalogue.items)))
    return {
        "histories": {user: state.histories.since(user) for user in USERS},
        "known": [state.knows(user, recommender.dataset.users.ids.code(user)) for user in USERS],
        "items": items,
        "retired": catalogue.retired.tolist(),
        "first_seen": catalogue.first_seen[: len(items)].tolist(),
        "slates": [
            [
                (r.item, r.score, tuple(r.predictions.values()))
                for r in recommender.recommend(user, n=5, now=now)
            ]
            for user in USERS[: 3 * counters]
        ],
    }


step = st.one_of(
    st.tuples(
        st.just("event"),
        st.sampled_from(USERS),
        st.sampled_from(ITEMS),
        st.sampled_from(["play", "rating"]),
        st.integers(0, 3),
    ),
    st.tuples(st.just("erase"), st.sampled_from(USERS)),
    st.tuples(st.just("add"), st.sampled_from(["new1", "new2"])),
    st.tuples(st.just("retire"), st.sampled_from([*ITEMS, "new1"]), st.booleans()),
    st.tuples(st.just("genres"), st.sampled_from(ITEMS), st.sampled_from(["Drama", "Horror"])),
    st.tuples(st.just("read"), st.integers(0, 1)),
    st.tuples(st.just("restart"), st.integers(0, 1)),
)


@pytest.fixture(scope="module")
def base(bundle: Path) -> Recommender:
    return Recommender.load(bundle)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(step, min_size=4, max_size=30))
def test_any_interleaving(
    base: Recommender, steps: list[tuple[Any, ...]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Two servers read one store at moments of their own; one restarts. Both have the state of a rebuild."""
    store = EventStore(tmp_path_factory.mktemp("fold") / "e.sqlite")
    start = base.dataset.log.time[-1].item()

    def fresh() -> Replica:
        recommender = Recommender.of(base.model)
        recommender.state.clock.accepts(start + 10_000)  # the same clock for all
        return Replica(LoadedModel(recommender, Path("b")), store)

    replicas = [fresh(), fresh()]
    for what, *values in steps:
        if what == "event":
            user, item, kind, at = values
            store.write([StoredEvent(f"e{next(NUMBERS)}", user, item, kind, start + at, 4.0)])
        elif what == "erase":
            store.erase(values[0], start, "test")
        elif what == "read":
            replicas[values[0]].read()
        elif what == "restart":
            replicas[values[0]] = fresh()
        else:
            body: dict[str, Any] = {"at": start + len(steps)}
            if what == "add":
                body |= {"title": "New", "attributes": {"genres": ["Drama"]}}
            elif what == "retire":
                body |= {"retired": values[1]}
            else:
                body |= {"attributes": {"genres": [values[1]]}}
            store.add_operations([Operation(start, "item", values[0], body, "test")])
    rebuilt = fresh()
    for replica in (*replicas, rebuilt):
        replica.read()
    counters = all(step[0] != "erase" for step in steps)
    expected = content(rebuilt.loaded, start + 20_000, counters)
    for replica in replicas:
        assert content(replica.loaded, start + 20_000, counters) == expected
    store.close()


def test_events_beside_an_erasure(base: Recommender, tmp_path: Path) -> None:
    """An event that was acknowledged just after the erasure of its user counts at once, and the one before is gone."""
    store = EventStore(tmp_path / "e.sqlite")
    replica = Replica(LoadedModel(Recommender.of(base.model), Path("b")), store)
    start = base.dataset.log.time[-1].item()
    store.write([StoredEvent("before", "u00001", "m00001", "play", start, 4.0)])
    store.erase("u00001", start, "test")
    store.write([StoredEvent("after", "u00001", "m00002", "play", start + 1, 4.0)])
    replica.read()
    ids = base.dataset.items.ids
    since = replica.loaded.recommender.state.histories.since("u00001")
    assert [ids.id(event.item) for event in since] == ["m00002"]
    assert replica.loaded.recommender.state.histories.known_codes(np.array([0, 1], np.int32)).min() == -1
    store.close()


def test_a_stored_event_of_the_future_is_set_aside(base: Recommender, tmp_path: Path) -> None:
    store = EventStore(tmp_path / "e.sqlite")
    replica = Replica(LoadedModel(Recommender.of(base.model), Path("b")), store)
    start = base.dataset.log.time[-1].item()
    store.write([StoredEvent("far", "u00001", "m00001", "play", 8_000_000_000_000, 4.0)])
    store.write([StoredEvent("near", "u00001", "m00002", "play", start, 4.0)])
    before = replica.loaded.recommender.recommend("u00002", n=5, now=start + 1)
    replica.read()
    assert replica.loaded.not_replayed == 1
    assert len(replica.loaded.recommender.state.histories.since("u00001")) == 1
    after = replica.loaded.recommender.recommend("u00002", n=5, now=start + 1)
    assert [r.item for r in after] == [r.item for r in before]
    store.close()
