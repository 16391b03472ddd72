"""The Pareto front between two objectives: what a weight buys, before a slate is served.

A recommender is trained on the events before the test and asked with several weightings, from all weight on one
objective to all weight on the other; the project's other weights stay. Each weighting and objective has up to three
values:

- **replayed**: from the log. Of the shown items (or of the candidates, if the log has no impressions), those that this
  weighting ranks first, with their outcomes; an outcome that is observed with probability s counts 1 / s. This value
  needs no model, and it knows nothing about items that were not shown.
- **predicted**: the recommender's predictions for the slates that it makes from the whole catalogue.
- **true**: for a simulated world, the true expected outcome of those slates.

Intervals: bootstrap over requests or people. A point is on the front if no other point is better in both objectives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.config.project import Project
from shortlist.config.short_repr import ShortRepr
from shortlist.data.dataset import Dataset
from shortlist.data.progress import Progress, silent
from shortlist.data.slates import Slates
from shortlist.data.split import cut_for_test
from shortlist.errors import ProjectError
from shortlist.evaluate.fold_slates import true_means
from shortlist.metrics.significance import Estimate, bootstrap
from shortlist.rank.censoring import MIN_OBSERVED
from shortlist.rank.example_settings import ExampleSettings
from shortlist.rank.propensity import position_curve
from shortlist.rank.targets import Head, make_target
from shortlist.rank.training_set import TrainingSet, Window, make_training_set
from shortlist.rank.utility import UtilityWeights
from shortlist.recommender import Recommender
from shortlist.simulate.world import TrueOutcome

PEOPLE = 500
"""The number of people for whom slates are made."""
VIEWS = {
    "replayed": "from the log",
    "predicted": "predicted by the model",
    "true": "true in the simulated world",
}
Values = dict[str, Estimate]
"""The value of each objective."""


@dataclass(frozen=True, repr=False)
class ParetoPoint(ShortRepr):
    """One weighting.

    Attributes
    ----------
    weights : dict of str to float
        The weight of each objective.
    values : dict of str to dict of str to Estimate
        `values[view][objective]`; the views are the keys of `VIEWS`.
    """

    weights: dict[str, float]
    values: dict[str, Values]


@dataclass(frozen=True)
class ParetoFront:
    """The values of several weightings of two objectives.

    Attributes
    ----------
    name : str
        The name of the project.
    objectives : tuple of (str, str)
        The two objectives.
    points : list of ParetoPoint
        From all weight on the first objective to all weight on the second.
    simulated : bool
        Whether the data come from a simulated world.
    """

    name: str
    objectives: tuple[str, str]
    points: list[ParetoPoint]
    simulated: bool

    def __repr__(self) -> str:
        a, b = self.objectives
        return f"ParetoFront({self.name!r}, {a} and {b}, {len(self.points)} points)"

    def views(self) -> list[str]:
        """Return the views that the points have."""
        return [view for view in VIEWS if view in self.points[0].values]

    def best(self, view: str) -> list[bool]:
        """Return for each point whether it is on the front: no other point is better in both objectives."""
        pairs = np.array([[p.values[view][o].value for o in self.objectives] for p in self.points])
        return [
            not any(bool((other >= own).all()) and bool((other > own).any()) for other in pairs)
            for own in pairs
        ]

    def sentence(self) -> str:
        """State the ends of the front and the best balance, by the best evidence."""
        view = self.views()[-1] if self.simulated else "replayed"
        a, b = self.objectives
        first, last = self.points[0].values[view], self.points[-1].values[view]
        balances = [self._balance(p.values[view], first[a].value, last[b].value) for p in self.points]
        best = self.points[balances.index(max(balances))]
        values = best.values[view]
        return (
            f"From all weight on {a} to all weight on {b} ({VIEWS[view]}): {a} goes from {first[a].value:.4g} to "
            f"{last[a].value:.4g}, {b} from {first[b].value:.4g} to {last[b].value:.4g}. The best balance is at "
            f"{a} = {best.weights[a]:.2f}, {b} = {best.weights[b]:.2f}: {a} {values[a].value:.4g}, "
            f"{b} {values[b].value:.4g}."
        )

    def _balance(self, values: Values, most_a: float, most_b: float) -> float:
        """The geometric mean of the shares of both ends that a point reaches."""
        a, b = (values[o].value for o in self.objectives)
        return float(np.sqrt(max(a / most_a, 0.0) * max(b / most_b, 0.0))) if most_a and most_b else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the front as JSON values."""
        on_front = {view: self.best(view) for view in self.views()}
        return {
            "name": self.name,
            "simulated": self.simulated,
            "objectives": list(self.objectives),
            "sentence": self.sentence(),
            "points": [
                {
                    "weights": point.weights,
                    **{
                        view: {objective: estimate.to_json() for objective, estimate in values.items()}
                        for view, values in point.values.items()
                    },
                    "on_front": {view: best[number] for view, best in on_front.items()},
                }
                for number, point in enumerate(self.points)
            ],
        }


def pareto(
    project: Project,
    dataset: Dataset,
    objectives: tuple[str, str] | None = None,
    points: int = 11,
    progress: Progress = silent,
    truths: Mapping[str, TrueOutcome] | None = None,
) -> ParetoFront:
    """Compute the front between two objectives.

    Parameters
    ----------
    project : Project
        The project; it is trained on the events before its test.
    dataset : Dataset
        The whole data.
    objectives : tuple of (str, str), optional
        The two objectives; default: those with the greatest weights.
    points : int
        The number of weightings.
    progress : callable, optional
        Called with the name of a stage and the finished share.
    truths : mapping of str to callable, optional
        For a simulated world: objective → (user codes, item codes) → true values.

    Raises
    ------
    ProjectError
        If the project has one objective only, or a name is unknown.
    """
    a, b = _choose_objectives(project, objectives)
    cut = cut_for_test(dataset.log, project.evaluate)
    end = int(dataset.log.time[-1]) + 1
    train, test = dataset.before(cut), dataset.between(cut, end)
    recommender = Recommender(project).fit(train, progress=progress)
    examples = _examples(recommender, dataset, Window(cut, end, cut))
    predictions = recommender.model.ranker.predict(examples.matrix)
    people = np.unique(test.log.user[test.log.acted])
    people = np.sort(np.random.default_rng(project.seed).permutation(people)[:PEOPLE])
    ids = train.users.ids.ids(people)
    found = []
    progress("weightings", 0.0)
    for number, share in enumerate(np.linspace(0, 1, points)):
        weights = {name: o.weight for name, o in project.objectives.items()}
        weights |= {a: float(1 - share), b: float(share)}
        utility = UtilityWeights(
            np.array(list(weights.values())), recommender.model.scales, project.utility.combine
        )
        slates = recommender.recommend(users=ids, n=project.evaluate.k, weights=weights, now=cut)
        values = {
            "replayed": _replayed(project, examples, utility.utility(predictions)),
            "predicted": _predicted(project, slates),
        }
        if truths is not None:
            values["true"] = _true(project, train, people, slates, truths)
        found.append(ParetoPoint(weights, values))
        progress("weightings", (number + 1) / points)
    return ParetoFront(project.name, (a, b), found, project.simulated)


def _examples(recommender: Recommender, dataset: Dataset, window: Window) -> TrainingSet:
    """The test's requests with candidates, features and what followed."""
    model, project = recommender.model, recommender.project
    examination = position_curve(model.dataset, project)
    settings = ExampleSettings.of(project)
    return make_training_set(
        dataset, model.retrievers, model.features, window, settings, examination=examination
    )


def _predicted(project: Project, slates: Slates) -> Values:
    """The mean predictions of the slates."""
    return {
        name: _estimate(
            project,
            np.array([np.mean([item.predictions[name] for item in s]) if len(s) else np.nan for s in slates]),
        )
        for name in project.objectives
    }


def _true(
    project: Project,
    train: Dataset,
    people: NDArray[np.integer],
    slates: Slates,
    truths: Mapping[str, TrueOutcome],
) -> Values:
    """The mean true values of the slates."""
    items = np.full((len(people), project.evaluate.k), -1, np.int64)
    for row, slate in enumerate(slates):
        items[row, : len(slate)] = train.items.ids.codes([item.item for item in slate])
    return {name: _estimate(project, true_means(truth, people, items)) for name, truth in truths.items()}


def _estimate(project: Project, values: NDArray[np.float64]) -> Estimate:
    return bootstrap(values, project.evaluate.bootstrap, project.seed)


def _replayed(project: Project, examples: TrainingSet, utility: NDArray[np.floating]) -> Values:
    """The outcomes, per item, of the logged items that a weighting ranks first."""
    order = np.lexsort([-utility, examples.request])
    request = examples.request[order]
    starts = np.flatnonzero(np.concatenate([[True], request[1:] != request[:-1]]))
    sizes = np.diff(np.append(starts, len(request)))
    position = np.arange(len(request)) - np.repeat(starts, sizes)
    # the best third of a shown slate: the whole slate is the same for all weightings
    first = np.minimum(project.evaluate.k, np.maximum(sizes // 3, 1))
    chosen = position < np.repeat(first, sizes)
    owner = np.repeat(np.arange(len(starts)), sizes)
    values = {}
    for name, objective in project.objectives.items():
        target = make_target(
            Head.of(name, objective),
            examples,
            position_weights=project.rank.position_bias == "weights",
        )
        outcome = (target.label / np.clip(target.observed, MIN_OBSERVED, 1.0))[order]
        known = chosen & (target.weight[order] > 0)
        total = np.bincount(owner[known], outcome[known], len(starts))
        count = np.bincount(owner[known], minlength=len(starts))
        values[name] = _estimate(project, np.where(count > 0, total / np.maximum(count, 1), np.nan))
    return values


def _choose_objectives(project: Project, objectives: tuple[str, str] | None) -> tuple[str, str]:
    names = list(project.objectives)
    if objectives is None:
        if len(names) < 2:
            raise ProjectError(
                f"the project has one objective ({names[0]}); a trade-off needs two: add another to [objectives]",
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
