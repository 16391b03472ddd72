"""Groceries: completejourney, a year of baskets; what a household buys in the next two weeks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from case import Case, Tables
from table import Headline, Section, against_best, compared, headline, interval, table

from shortlist.evaluate.report import Report
from shortlist.metrics.significance import bootstrap

HOUSEHOLDS = 1_000
"""A sample of the 2,469 households, so that the section takes minutes."""
PERIOD = 14 * 86_400
"""Seconds of the validation and of the test: the last two weeks, and the two before."""
PEERS = (
    "popular of 7 days",
    "bought before",
    "spent before",
    "implicit ALS",
    "bought before + ALS",
    "implicit neighbours",
    "RecTools EASE",
    "LightFM",
    "XGBoost",
    "LightGBM",
)
RECIPE: dict[str, Any] = {}
"""Changes of the project that `shortlist init` writes, chosen on the validation."""
FOR_NEW: dict[str, Any] = {"rerank": {"show_seen": False}}
"""For lists of products that the household has not bought."""
FOR_DOLLARS = {"purchase": 0.0, "revenue": 1.0}
"""Weights of a request for what brings in most, chosen on the validation."""
OWN_PAST = ("bought before", "spent before")


def cases(data: Path) -> list[Case]:
    """The last two weeks of the year."""
    tables = Tables.read(data / "completejourney")
    users = np.unique(tables.events.column("user_id").to_numpy())
    users = np.random.default_rng(0).permutation(users)[:HOUSEHOLDS]
    kept = pc.is_in(tables.events.column("user_id"), pa.array(users))
    tables = Tables(tables.events.filter(kept), tables.items, tables.users)
    end = tables.quantile(1.0) + 1
    return [
        Case(
            "completejourney",
            tables,
            end - 2 * PERIOD,
            end - PERIOD,
            end,
            repeats=True,
            people=3_000,
            windows=3,
            kinds={"new": False},
        )
    ]


def section(data: Path, validation: bool) -> Section:
    [whole] = cases(data)
    case = whole.on_validation() if validation else whole
    facts = case.peers(*PEERS)
    lists, new = {}, {}
    for name, patch in (("shortlist", RECIPE), ("shortlist init", {})):
        if name == "shortlist init" and not RECIPE:
            continue
        recommender, seconds = case.fitted(patch)
        facts[name] = {"seconds": seconds}
        lists[name] = case.slates(recommender)
        if name == "shortlist":
            lists["shortlist for dollars"] = case.slates(recommender, weights=FOR_DOLLARS)
    recommender, _ = case.fitted({**RECIPE, **FOR_NEW})
    new["shortlist"] = case.slates(recommender)
    lists |= {name: case.list_of(name) for name in PEERS}
    new |= {name: case.list_of(name, "new") for name in PEERS if name not in OWN_PAST}
    wanted = case.wanted
    report = case.judge(lists)
    of_new = case.judge(new, wanted.filter(wanted.column("new")))
    ours = [name for name in lists if name.startswith("shortlist")]
    return Section(
        "shop",
        [
            "## Shop",
            "",
            "### completejourney: what households buy in the next two weeks",
            "",
            (
                f"A sample of {HOUSEHOLDS:,} households, of which {len(case.users):,} buy in the test; {len(wanted):,} products, of which "
                f"{np.mean(~np.asarray(wanted.column('new'))):.0%} were bought before; {len(case.train.events):,} training lines."
            ),
            "",
            *compared(report, facts),
            *parts(case, lists),
            "### completejourney: products that the household has not bought before",
            "",
            "Lists without products of the past, judged by new products alone.",
            "",
            *compared(of_new, {}),
        ],
        [
            headline(
                report,
                "shop",
                "completejourney",
                "the ten products that a household is shown, against all that it buys in two weeks.",
                ours,
            ),
            dollars_line(case, lists),
            headline(
                of_new,
                "shop",
                "completejourney, new products",
                "the same where only products count that the household has never bought.",
                ours,
            ),
        ],
    )


def parts(case: Case, lists: dict[str, pa.Table]) -> list[str]:
    """Repeat and new products of the same lists, and the dollars that households spent on what was listed."""
    wanted = case.wanted
    rows = []
    by_part: dict[str, Report] = {
        "repeat": case.judge(lists, wanted.filter(pc.invert(wanted.column("new")))),
        "new": case.judge(lists, wanted.filter(wanted.column("new"))),
    }
    first: np.ndarray | None = None
    for name, table_of in lists.items():
        dollars = spent(case, table_of)
        gap = ""
        if first is None:
            first = dollars
        else:
            gap = interval(bootstrap(first - dollars, 1000, 0), 2)
        rows.append(
            [
                name,
                *(f"{by_part[part].metrics[name][f'recall@{case.k}'].value:.4f}" for part in by_part),
                interval(bootstrap(dollars, 1000, 0), 2),
                gap,
            ]
        )
    head = [
        "",
        "recall@10 of repeat purchases",
        "of new products",
        "dollars per household on the ten products",
        "shortlist minus it",
    ]
    return table(head, rows)


def dollars_line(case: Case, lists: dict[str, pa.Table]) -> Headline:
    """The line of the page for dollars: the lists that were asked for them, and the peer whose products households spent most on."""
    found = {name: spent(case, one) for name, one in lists.items()}
    return Headline(
        "shop",
        "completejourney, dollars",
        "dollars per household",
        *against_best(found, "shortlist for dollars", PEERS),
        "what households spent on their ten products, which the same recommender ordered by expected revenue, by the weights of the request.",
    )


def spent(case: Case, lists: pa.Table) -> np.ndarray:
    """Dollars that each household spent in the test on the products of its list, float64 (households,)."""
    wanted, keys = case.wanted, ["user_id", "item_id"]
    top = lists.filter(pc.less_equal(lists.column("rank"), case.k)).select(keys)
    same_types = pa.schema([wanted.schema.field(name) for name in keys])
    joined = top.cast(same_types).join(wanted, keys, join_type="inner")
    sums = joined.group_by("user_id").aggregate([("worth", "sum")]).to_pydict()
    found = dict(zip(sums["user_id"], sums["worth_sum"], strict=True))
    return np.array([found.get(user, 0.0) for user in case.users])
