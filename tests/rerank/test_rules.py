"""Business rules: boost, bury, hide, pin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from shortlist.cascade.rerank_cost import rerank_costs, rerank_parts
from shortlist.config.changes import changed_project
from shortlist.config.project import Project, parse_project
from shortlist.config.rerank import FairShare, RerankSettings, Rule
from shortlist.data.attributes import NumberAttribute
from shortlist.data.dataset import Dataset
from shortlist.errors import ProjectError
from shortlist.recommender import Recommender
from shortlist.requests import RecommendRequest
from shortlist.rerank.rules import adjust_utility

UTILITY = hnp.arrays(np.float64, 14, elements=st.floats(-5, 5))


@given(UTILITY, st.integers(0, 2**14 - 1), st.floats(0.01, 100))
def test_a_boost_raises_utility_and_a_bury_lowers_it(utility: NDArray[Any], bits: int, amount: float) -> None:
    matches = np.array([bool(bits >> i & 1) for i in range(14)])
    for action, sign in (("boost", 1), ("bury", -1)):
        rule = Rule(name="r", when={"x": {}}, action=action, amount=amount)
        adjusted = adjust_utility(utility, np.arange(14, dtype=np.int32), [rule], lambda _rule: matches)
        assert (adjusted[~matches] == utility[~matches]).all()
        assert (sign * (adjusted[matches] - utility[matches]) >= 0).all()


def _matching(items: dict[str, list[int]]) -> Callable[[Rule], NDArray[np.bool_]]:
    """Return the function that tells which of 8 items a rule of a name matches."""
    return lambda rule: np.isin(np.arange(8), items[rule.name])


def test_rules_computed_by_hand() -> None:
    items = np.arange(5, dtype=np.int32)
    rules = [
        Rule(name="up", when={"x": {}}, action="boost", amount=1.0),
        Rule(name="down", when={"x": {}}, action="bury", amount=1.0),
        Rule(name="gone", when={"x": {}}, action="hide"),
    ]
    matching = _matching({"up": [0, 4], "down": [1], "gone": [2]})
    adjusted = adjust_utility(np.array([1.0, 4.0, 9.0, 3.0, -2.0]), items, rules, matching)
    assert adjusted.tolist() == [2.0, 2.0, -np.inf, 3.0, -1.0]  # a boost never lowers a utility


def test_rules_act_on_slates_pages_and_similar_items_and_their_cost_is_measured(
    dataset: Dataset, recommender: Recommender
) -> None:
    people = recommender.some_users(40)
    rules = [
        {"name": "no horror", "when": {"genres": {"any": ["Horror"]}}, "action": "hide"},
        {"name": "short first", "when": {"minutes": {"max": 95}}, "action": "pin", "slot": 0},
        {"name": "more comedy", "when": {"genres": {"any": ["Comedy"]}}, "action": "boost", "amount": 5.0},
    ]
    by = recommender.project.rerank.model_dump() | {
        "rules": rules,
        "fair": [{"by": "mood", "values": ["Cosy"], "share": 0.3, "most_loss": 0.5}],
        "calibration": 0.4,
        "calibration_by": "genres",
    }
    settings_of = RerankSettings.model_validate(by)
    project = recommender.project.model_copy(update={"rerank": settings_of})
    found = recommender.preview(project, people, 8)
    assert found.people == len(people)
    assert found.changed > 0.5
    assert found.price.value > 0
    assert {p.part for p in found.parts} == {
        "calibration", "exposure cap", "fair share: Cosy", "rule: no horror", "rule: short first", "rule: more comedy"
    }  # fmt: skip
    assert found.gains
    assert found.losses
    assert {p.part for p in found.parts} == {name for name, *_ in rerank_parts(settings_of)}
    assert rerank_costs(recommender.model, recommender.state, people)[0].part == "exposure cap"
    only_weights = changed_project(recommender.project, None, {"seconds": 0.0, "rating": 5.0})
    assert recommender.preview(only_weights, people, 8).objectives["rating"].low > 0
    ruled = recommender.with_project(project)
    genres, minutes = dataset.items.attributes["genres"], dataset.items.attribute("minutes", NumberAttribute)
    for slate in ruled.recommend(users=people, n=8):
        codes = dataset.items.ids.codes([r.item for r in slate])
        assert not any("Horror" in genres.show(int(c)) for c in codes)
        assert len(codes) == 8
        assert minutes.values[codes[0]] <= 95
    page = ruled.page(RecommendRequest(people[0], 10), rows=8)
    near = ruled.similar(dataset.items.ids.id(3), 30)
    for item in [r.item for row in page.rows for r in row.items] + [r.item for r in near]:
        assert "Horror" not in genres.show(dataset.items.ids.code(item))
    scary = next(i for i in range(len(dataset.items)) if "Horror" in genres.show(i))
    answer = ruled.why(people[0], dataset.items.ids.id(scary), n=8)
    assert (answer["stage"], answer["sentence"]) == ("rules", "The rule 'no horror' hides it.")


def test_invalid_settings_are_refused(project: Project) -> None:
    base = project.model_dump()
    rule = {"name": "a", "when": {"items": {"any": ["x"]}}, "action": "hide"}
    for change, message in (
        ({"rules": [rule, rule]}, "names must differ"),
        ({"calibration": 0.5}, "calibration_by"),
        ({"fair": [{"by": "minutes", "values": ["x"], "share": 0.5}]}, "rerank.fair.0.by"),
        ({"show_again": "genres"}, "rerank.show_again"),
        ({"rules": [{**rule, "action": "shout"}]}, "boost"),
        ({"rules": [{**rule, "when": {"colour": {"any": ["red"]}}}]}, "uses 'colour'"),
    ):
        with pytest.raises(ProjectError) as error:
            parse_project({**base, "rerank": {**base["rerank"], **change}})
        assert message in error.value.message
    assert FairShare(by="x", values=["a"], share=0.2).most_loss == 0.05
