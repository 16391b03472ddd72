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

import html
from dataclasses import dataclass
from typing import Any

import numpy as np

from shortlist.config.project import Project
from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress, silent
from shortlist.data.split import cut_for_test
from shortlist.errors import ProjectError
from shortlist.evaluate.protocol import true_means
from shortlist.metrics.significance import Estimate, bootstrap
from shortlist.rank.censoring import LEAST
from shortlist.rank.gbdt.targets import make_target
from shortlist.rank.propensity import curve_of
from shortlist.rank.training_set import TrainingSet, make_training_set
from shortlist.rank.utility import UtilityWeights
from shortlist.recommender import Recommender
from shortlist.report.html import page
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
        dataset, recommender.retrievers, recommender.features, cut, end, cut, curve=curve_of(train)
    )
    predictions = recommender.ranker.predict(examples.matrix)
    rng = np.random.default_rng(project.seed)
    test = dataset.between(cut, end)
    people = np.unique(test.log.user[test.log.acted])
    people = np.sort(rng.permutation(people)[:PEOPLE])
    ids = train.users.ids.ids(people)
    defaults = {name: o.weight for name, o in project.objectives.items()}
    found = []
    for number, share in enumerate(np.linspace(0, 1, points)):
        weights = {**defaults, a: float(1 - share), b: float(share)}
        wish = UtilityWeights(np.array(list(weights.values())), recommender.scales, project.utility.combine)
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
        target = make_target(project, examples, name, 1.0, False)
        worth = (target.label / np.clip(target.seen, LEAST, 1.0))[order]
        known = taken & (target.weight[order] > 0)
        total = np.bincount(owner[known], worth[known], len(starts))
        count = np.bincount(owner[known], minlength=len(starts))
        mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        answer[name] = bootstrap(mean, project.evaluate.bootstrap, project.seed)
    return answer


def pareto_page(front: ParetoFront) -> str:
    """The front as one HTML file: a plot for each view, and the table."""
    a, b = (html.escape(o) for o in front.objectives)
    plots = "".join(
        f"<figure><figcaption><b>{view}</b> {VIEWS[view]}: across {a}, up {b}</figcaption>{_plot(front, view)}</figure>"
        for view in front.views()
    )
    names = list(front.points[0].values["predicted"])
    head = "".join(
        f"<th>{html.escape(n)}<br><small>{view}</small></th>"
        for view in front.views()
        for n in names
        if n in front.points[0].values[view]
    )
    rows = "".join(
        f"<tr><th>{p.weights[front.objectives[0]]:.2f} : {p.weights[front.objectives[1]]:.2f}</th>"
        + "".join(
            f"<td>{e.value:.4g}<small>{e.low:.4g}–{e.high:.4g}</small></td>"
            for view in front.views()
            for e in p.values[view].values()
        )
        + "</tr>"
        for p in front.points
    )
    body = (
        f"<p class=verdict>{html.escape(front.sentence())}</p><div class=plots>{plots}</div>"
        f"<h2>All numbers</h2><p>Per shown item; small: 95 % interval.</p><div class=wide><table><thead><tr><th>{a} : {b}</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
    return page(f"{front.name}: what a weight buys", body, front.simulated)


def _plot(front: ParetoFront, view: str) -> str:
    a, b = front.objectives
    xs, ys = ([p.values[view][o] for p in front.points] for o in (a, b))
    width, height, left, low = 330, 220, 52, 34

    def scale(values: list[Estimate], size: int) -> Any:
        least, most = min(e.low for e in values), max(e.high for e in values)
        room = (most - least) * 0.06 or abs(most) * 0.1 or 1.0
        least, most = least - room, most + room
        return (lambda v: (v - least) / (most - least) * size), least, most

    x, x0, x1 = scale(xs, width)
    y, y0, y1 = scale(ys, height)
    on = front.best(view)
    marks = []
    line = sorted((x(e.value), y(f.value)) for e, f, best in zip(xs, ys, on, strict=True) if best)
    path = "L".join(f"{left + px:.1f} {height - py + 8:.1f}" for px, py in line)
    for at, (e, f) in enumerate(zip(xs, ys, strict=True)):
        px, py = left + x(e.value), height - y(f.value) + 8
        label = (
            f"<text x='{px + 6:.1f}' y='{py - 6:.1f}'>{front.points[at].weights[b]:.1f}</text>"
            if at % 2 == 0
            else ""
        )
        marks.append(
            f"<path class=whisker style='opacity:.35' d='M{left + x(e.low):.1f} {py:.1f}H{left + x(e.high):.1f}M{px:.1f} {height - y(f.low) + 8:.1f}V{height - y(f.high) + 8:.1f}'/>"
            f"<circle class='bar{' own' if on[at] else ''}' cx='{px:.1f}' cy='{py:.1f}' r=5><title>{a} {front.points[at].weights[a]:.2f}, {b} {front.points[at].weights[b]:.2f}: {e.value:.4g}, {f.value:.4g}</title></circle>{label}"
        )
    ticks = "".join(
        f"<text x='{left + x(v):.0f}' y='{height + 26}' text-anchor='middle'>{v:.3g}</text>"
        for v in np.linspace(x0, x1, 5)[1:4]
    ) + "".join(
        f"<text x='{left - 6}' y='{height - y(v) + 12:.0f}' text-anchor='end'>{v:.3g}</text>"
        for v in np.linspace(y0, y1, 5)[1:4]
    )
    axes = f"<path class=whisker style='opacity:.5' d='M{left} 4V{height + 8}H{left + width}' fill='none'/>"
    return (
        f"<svg viewBox='0 0 {left + width + 24} {height + low}' role='img'>{axes}"
        f"<path class=whisker d='M{path}' fill='none'/>{''.join(marks)}{ticks}</svg>"
    )
