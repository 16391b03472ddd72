"""Team-draft interleaving."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shortlist.experiments.analyse import ExposedPeople, analyse, analyse_interleaved
from shortlist.experiments.interleave import team_draft

DAY = 86_400_000


@given(st.permutations(range(8)), st.permutations(range(8)), st.integers(1, 8), st.integers(0, 1000))
def test_a_draft_takes_each_sides_best(a: list[int], b: list[int], n: int, seed: int) -> None:
    items, teams = team_draft(a, b, n, seed)
    assert len(items) == len(set(items)) == n
    for place, (item, team) in enumerate(zip(items, teams, strict=True)):
        ranking = (a, b)[team]
        assert item == next(i for i in ranking if i not in items[:place])
        if place % 2:  # each round, each side picks once
            assert teams[place] != teams[place - 1]
    assert team_draft(a, b, n, seed) == (items, teams)


def test_interleaving_needs_fewer_users_than_an_ab_test() -> None:
    """Ranking b has the wanted items somewhat higher. 400 people, each choosing a few times, in both designs."""
    rng = np.random.default_rng(4)
    found = {"interleaved": 0, "groups": 0}
    wrong = 0
    for trial in range(40):
        for b_better in (True, False):
            credit = np.zeros((400, 2))
            arm = rng.integers(0, 2, 400)
            grouped = np.zeros(400)
            for person in range(400):
                wanted = rng.random(20) < 0.1
                a = rng.permutation(20)
                b = np.argsort(-(wanted * 0.35 + rng.random(20))) if b_better else rng.permutation(20)
                items, teams = team_draft(a.tolist(), b.tolist(), 8, trial * 1000 + person)
                for item, team in zip(items, teams, strict=True):
                    credit[person, team] += wanted[item] and rng.random() < 0.5
                own = (b if arm[person] else a)[:8]
                grouped[person] = (wanted[own] & (rng.random(8) < 0.5)).sum()
            said = analyse_interleaved("x", ["a", "b"], credit, 300)
            assert said.preference is not None
            people = ExposedPeople(
                ["a", "b"], [1, 1], arm, {"play": grouped}, {"play": np.zeros(400)}, np.zeros(400)
            )
            groups = analyse("x", people, "play", [], 400).effects[0]
            if b_better:
                found["interleaved"] += said.preference.low > 0
                found["groups"] += groups.verdict == "better"
            else:
                wrong += not said.preference.low <= 0 <= said.preference.high
    assert found["interleaved"] > found["groups"] + 5
    assert wrong <= 4
