"""What does a weight buy? The front between two objectives, before anybody sees another slate.

A recommender is trained on what came before the test and asked with each of some weightings, from all for one objective to
all for the other; the project's other weights stay. For each weighting and objective three numbers:

- **replayed**: from the log. Of what people were shown (or of the candidates, where the log has no impressions), the items
  that this weighting would have put first, and what truly followed; an outcome that was seen with probability s counts
  1 / s. It needs no model, and it knows nothing of items that were not shown.
- **predicted**: what the recommender expects of the slates that it would make, from the whole catalogue.
- **true**: in a world, what is truly to be expected of those slates.

Intervals: bootstrap over requests or people. A point is on the front where no other is better in both objectives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from shortlist.config.project import Project
from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress, silent
from shortlist.data.split import cut_for_test
from shortlist.errors import ProjectError
from shortlist.evaluate.protocol import true_means
from shortlist.metrics.significance import Estimate, bootstrap
from shortlist.rank.censoring import LEAST
from shortlist.rank.gbdt.targets import Head, make_target
from shortlist.rank.propensity import position_curve
from shortlist.rank.training_set import ExampleSettings, TrainingSet, Window, make_training_set
from shortlist.rank.utility import UtilityWeights
from shortlist.recommender import Recommender
from shortlist.report.charts import TradeOff, trade_off
from shortlist.report.document import (
    Block,
    Document,
    Figure,
    FigureGrid,
    Heading,
    Paragraph,
    TableBlock,
    TableCell,
    TableRow,
)
from shortlist.report.render import render_page
from shortlist.simulate.world import TrueOutcome

PEOPLE = 500
"""Slates are made for so many people."""
VIEWS = {
    "replayed": "from the log",
    "predicted": "expected by the model",
    "true": "true, as this world is simulated",
}


@dataclass(frozen=True)
class ParetoPoint:
    """One weighting: `weights` objective → weight; `values[view][objective]`."""

    weights: dict[str, float]
    values: dict[str, dict[str, Estimate]]


@dataclass(frozen=True)
class ParetoFront:
    name: str
    objectives: tuple[str, str]
    points: list[ParetoPoint]
    simulated: bool

    def views(self) -> list[str]:
        return [view for view in VIEWS if view in self.points[0].values]

    def best(self, view: str) -> list[bool]:
        """For each point, whether no other is better in both objectives."""
        pairs = np.array([[p.values[view][o].value for o in self.objectives] for p in self.points])
        return [
            not any(bool((other >= own).all()) and bool((other > own).any()) for other in pairs)
            for own in pairs
        ]

    def sentence(self) -> str:
        """What the middle of the way costs, by the best evidence there is."""
        view = self.views()[-1] if self.simulated else "replayed"
        a, b = self.objectives
        first, last = self.points[0].values[view], self.points[-1].values[view]
        gain = max(self.points, key=lambda p: self._balance(p.values[view], first[a].value, last[b].value))
        return (
            f"From all weight on {a} to all on {b} ({VIEWS[view]}): {a} goes from {first[a].value:.4g} to {last[a].value:.4g}, "
            f"{b} from {first[b].value:.4g} to {last[b].value:.4g}. The best balance of both shares is at "
            f"{a} = {gain.weights[a]:.2f}, {b} = {gain.weights[b]:.2f}: {a} {gain.values[view][a].value:.4g}, {b} {gain.values[view][b].value:.4g}."
        )

    def _balance(self, values: dict[str, Estimate], most_a: float, most_b: float) -> float:
        """What is reached of both ends, as a geometric mean of shares."""
        a, b = (values[o].value for o in self.objectives)
        return float(np.sqrt(max(a / most_a, 0.0) * max(b / most_b, 0.0))) if most_a and most_b else 0.0

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "simulated": self.simulated,
            "objectives": list(self.objectives),
            "sentence": self.sentence(),
            "points": [
                {
                    "weights": p.weights,
                    **{v: {o: e.to_json() for o, e in values.items()} for v, values in p.values.items()},
                    "on_front": {view: self.best(view)[at] for view in self.views()},
                }
                for at, p in enumerate(self.points)
            ],
        }


def pareto(
    project: Project,
    dataset: Dataset,
    objectives: tuple[str, str] | None = None,
    points: int = 11,
    progress: Progress = silent,
    truths: dict[str, TrueOutcome] | None = None,
) -> ParetoFront:
    """The front between two objectives; without names, the two with the greatest weights. Raises `ProjectError` where a
    project has but one, or a name is unknown.
    """
    a, b = _chosen(project, objectives)
    cut = cut_for_test(dataset.log, dataset.project.evaluate)
    train = dataset.before(cut)
    recommender = Recommender(project).fit(train, progress)
    end = int(dataset.log.time[-1]) + 1
    examples = make_training_set(
        dataset,
        recommender.model.retrievers,
        recommender.model.features,
        Window(cut, end, cut),
        ExampleSettings.of(project),
        examination=position_curve(train, project),
    )
    predictions = recommender.model.ranker.predict(examples.matrix)
    rng = np.random.default_rng(project.seed)
    test = dataset.between(cut, end)
    people = np.unique(test.log.user[test.log.acted])
    people = np.sort(rng.permutation(people)[:PEOPLE])
    ids = train.users.ids.ids(people)
    defaults = {name: o.weight for name, o in project.objectives.items()}
    found = []
    for number, share in enumerate(np.linspace(0, 1, points)):
        weights = {**defaults, a: float(1 - share), b: float(share)}
        wish = UtilityWeights(
            np.array(list(weights.values())), recommender.model.scales, project.utility.combine
        )
        slates = recommender.recommend(users=ids, n=project.evaluate.k, weights=weights, now=cut)
        values = {
            "replayed": _replayed(project, examples, predictions, wish),
            "predicted": {
                name: bootstrap(
                    np.array(
                        [np.mean([r.predictions[name] for r in s]) if len(s) else np.nan for s in slates]
                    ),
                    project.evaluate.bootstrap,
                    project.seed,
                )
                for name in project.objectives
            },
        }
        if truths is not None:
            items = np.full((len(people), project.evaluate.k), -1, np.int64)
            for row, slate in enumerate(slates):
                items[row, : len(slate)] = train.items.ids.codes([r.item for r in slate])
            values["true"] = {
                name: bootstrap(true_means(truth, people, items), project.evaluate.bootstrap, project.seed)
                for name, truth in truths.items()
            }
        found.append(ParetoPoint(weights, values))
        progress("weightings", (number + 1) / points)
    return ParetoFront(project.name, (a, b), found, project.simulated)


def _chosen(project: Project, objectives: tuple[str, str] | None) -> tuple[str, str]:
    names = list(project.objectives)
    if objectives is None:
        if len(names) < 2:
            raise ProjectError(
                f"there is one objective ({names[0]}), so there is nothing to weigh; add another to [objectives]",
                field="objectives",
            )
        first, second = sorted(names, key=lambda n: -abs(project.objectives[n].weight))[:2]
        return (first, second) if names.index(first) < names.index(second) else (second, first)
    for name in objectives:
        if name not in names:
            raise ProjectError(
                f"there is no objective {name!r}; there are: {', '.join(names)}", field="objectives"
            )
    if objectives[0] == objectives[1]:
        raise ProjectError("name two different objectives", field="objectives")
    return objectives


def _replayed(
    project: Project, examples: TrainingSet, predictions: np.ndarray, wish: UtilityWeights
) -> dict[str, Estimate]:
    """What followed the items that come first by this weighting, per item."""
    utility = wish.utility(predictions)
    order = np.lexsort([-utility, examples.request])
    request = examples.request[order]
    starts = np.flatnonzero(np.concatenate([[True], request[1:] != request[:-1]]))
    sizes = np.diff(np.append(starts, len(request)))
    place = np.arange(len(request)) - np.repeat(starts, sizes)
    # of a slate that was shown, the better third: all of it would be the same by any weighting
    first = np.minimum(project.evaluate.k, np.maximum(sizes // 3, 1))
    taken = place < np.repeat(first, sizes)
    owner = np.repeat(np.arange(len(starts)), sizes)
    answer = {}
    for name in project.objectives:
        target = make_target(
            Head.of(name, project.objectives[name]),
            examples,
            position_weights=project.rank.position_bias == "weights",
        )
        worth = (target.label / np.clip(target.observed, LEAST, 1.0))[order]
        known = taken & (target.weight[order] > 0)
        total = np.bincount(owner[known], worth[known], len(starts))
        count = np.bincount(owner[known], minlength=len(starts))
        mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        answer[name] = bootstrap(mean, project.evaluate.bootstrap, project.seed)
    return answer


def pareto_page(front: ParetoFront) -> str:
    """Return the front as one HTML file: a chart for each view, and a table."""
    a, b = front.objectives
    figures = [
        Figure(view, f"{VIEWS[view]}; horizontal: {a}, vertical: {b}", _chart(front, view))
        for view in front.views()
    ]
    first = front.points[0].values
    columns: list[TableCell | str] = [
        f"{a} : {b}",
        *(TableCell(name, view) for view in front.views() for name in first[view]),
    ]
    rows = [
        TableRow(
            f"{point.weights[a]:.2f} : {point.weights[b]:.2f}",
            [
                TableCell(f"{e.value:.4g}", f"{e.low:.4g} to {e.high:.4g}")
                for view in front.views()
                for e in point.values[view].values()
            ],
        )
        for point in front.points
    ]
    blocks: list[Block] = [
        FigureGrid(figures),
        Heading("All values"),
        Paragraph("Per shown item. Small print: 95 % interval."),
        TableBlock(columns, rows),
    ]
    title = f"{front.name}: trade-off between {a} and {b}"
    return render_page(Document(title, [front.sentence()], blocks, front.simulated))


def _chart(front: ParetoFront, view: str) -> Markup:
    a, b = front.objectives
    on_front = front.best(view)
    points = []
    for number, point in enumerate(front.points):
        x, y = point.values[view][a], point.values[view][b]
        description = f"{a} {point.weights[a]:.2f}, {b} {point.weights[b]:.2f}: {x.value:.4g}, {y.value:.4g}"
        label = f"{point.weights[b]:.1f}" if number % 2 == 0 else ""
        points.append(TradeOff(x, y, label, description, on_front[number]))
    return trade_off(points)
