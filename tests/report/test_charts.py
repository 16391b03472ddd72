"""Charts: valid markup, a text alternative, and no failure on missing or equal values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from shortlist.metrics.significance import Estimate
from shortlist.report import charts
from support.markup import check_markup

NAN = float("nan")
numbers = st.floats(-1e6, 1e6)
estimates = st.tuples(numbers, numbers, numbers).map(sorted).map(lambda v: Estimate(v[1], v[0], v[2]))


@given(
    st.dictionaries(st.text(max_size=8), st.one_of(estimates, st.just(Estimate(NAN, NAN, NAN))), max_size=4)
)
def test_bars_are_valid_markup_for_all_values(values: dict[str, Estimate]) -> None:
    check_markup(charts.bars(values))


@given(st.lists(estimates, min_size=1, max_size=5), st.lists(estimates, min_size=1, max_size=5))
def test_lines_are_valid_markup_for_all_values(a: list[Estimate], b: list[Estimate]) -> None:
    steps = [str(n) for n in range(max(len(a), len(b)))]
    check_markup(charts.bands({"a": a, "b<": b}, steps, "a"))


@given(st.dictionaries(st.text(max_size=8), st.tuples(numbers, numbers), max_size=6))
def test_scatter_is_valid_markup_for_all_values(points: dict[str, tuple[float, float]]) -> None:
    check_markup(charts.scatter(points, set(list(points)[:1])))


@given(st.lists(st.tuples(estimates, estimates, st.booleans()), min_size=1, max_size=6))
def test_trade_off_is_valid_markup_for_all_values(points: list[tuple[Estimate, Estimate, bool]]) -> None:
    check_markup(charts.trade_off([charts.TradeOff(x, y, "1<", "a < b", on) for x, y, on in points]))


@pytest.mark.parametrize(
    "chart",
    [
        charts.histogram([0.2, 0.8], ["≤ 1", "more"], "Weights", {1}),
        charts.histogram([0.0, 0.0], ["a", "b"], "Weights"),
        charts.distribution([0.1, 0.9, 0.0]),
        charts.share_bar(0.4),
        charts.reliability_plot([(0.1, 0.2, 0.5), (0.3, 0.3, 0.5)]),
        charts.reliability_plot([]),
        charts.running_best([(0, 0.1), (1, 0.05), (3, 0.2)]),
    ],
)
def test_charts_have_a_text_alternative(chart: Markup) -> None:
    check_markup(chart)
    assert 'role="img"' in chart
    assert "aria-label=" in chart


def test_charts_without_values_are_empty() -> None:
    assert charts.scatter({}) == ""
    assert charts.running_best([]) == ""


def test_the_highlighted_bar_has_the_accent_colour() -> None:
    drawn = charts.bars({"mine": Estimate(1, 1, 1), "other": Estimate(2, 2, 2)}, "mine")
    assert drawn.count('class="bar own"') == 1
    assert drawn.count('class="bar"') == 1
