"""Fuse: several sources as one retriever."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from typing_extensions import override

from shortlist.config.short_repr import ShortRepr
from shortlist.data.dataset import Dataset
from shortlist.data.entities import Entities
from shortlist.errors import BundleError
from shortlist.metrics.ranking import hit_matrix
from shortlist.retrieve.base import Retriever
from shortlist.retrieve.deep.retriever import DeepRetriever
from shortlist.retrieve.event_weighting import EventWeighting
from shortlist.retrieve.fusion.blend import Blended, blend
from shortlist.retrieve.fusion.judge import judged
from shortlist.retrieve.fusion.logit import learn_logit, logit_values
from shortlist.retrieve.fusion.shortlisted import Shortlisted
from shortlist.retrieve.fusion.trees import TreeConfig, learn_trees, tree_values
from shortlist.retrieve.fusion.weights import masked, mean_ndcg_of, search_weights, source_values
from shortlist.retrieve.item_item import ItemItem
from shortlist.retrieve.popular import Popular
from shortlist.retrieve.registry import load_retriever
from shortlist.retrieve.requests import Candidates, Requests

if TYPE_CHECKING:
    import xgboost as xgb

SEARCH_REQUESTS = 5_000
"""About this many requests find the weights; all of them judge the rules and train the trees."""
MIN_REQUESTS = 200
"""With fewer requests, neither logit nor trees are learned."""


class FuseConfig(TreeConfig):
    """Settings of `Fuse`."""

    rule: Literal["ranks", "scores", "trees"] = "scores"
    """How candidates are ordered until `learn` chooses the best rule."""
    each: int = Field(100, ge=1)
    """Number of candidates that each source proposes, 1 or more."""
    shortlist: int = Field(100, ge=1)
    """Number of candidates, the best by weighted scores, that the logit or the trees order; 1 or more."""
    gain: float = Field(0.002, ge=0)
    """By which fraction of NDCG the logit and the trees must beat the rules before them to be kept, because they cost more; 0 or more."""


@dataclass(frozen=True, repr=False)
class FusionReport(ShortRepr):
    """How good each rule was on the validation requests.

    Attributes
    ----------
    ndcg
        Rule → mean NDCG.
    rule
        The rule that was chosen.
    weights
        Source → weight.
    """

    ndcg: dict[str, float]
    rule: str
    weights: dict[str, float]


class Fuse(Retriever):
    """Order the candidates of several sources by one of four rules, the best on validation requests.

    - **ranks**: reciprocal-rank fusion, Σ_s w_s / (60 + rank_s);
    - **scores**: Σ_s w_s · normalised score_s, with weights found by coordinate search on NDCG;
    - **logit**: a linear model of the scores, their logarithms, the logarithms of the ranks and the popularity, learned by the softmax
      loss. With a source that is far ahead, it is better than trees, which approximate a sum by steps;
    - **trees**: gradient-boosted trees (softmax loss) on the candidates' scores and ranks, their popularity, the size of the
      history and the popularity of its items. They learn, for example, that one source is right about rare items and
      another about long histories.

    Logit and trees are judged on requests that they have not learned from.

    Use it where several sources are of similar quality: a fusion is almost always better than its best part. Where one
    source is far ahead, that source alone is as good and cheaper.

    Cost of a request: that of the sources, plus some hundred candidates; memory that of the sources.

    Parameters
    ----------
    sources
        Name → retriever.
    config : FuseConfig
        See there for the settings.

    Attributes
    ----------
    weights_
        float64 (sources,).
    counts_
        float32 (items,): number of events of each item, a feature of the trees.
    rule_ : str
        The rule in use.
    coefficients_ : list of float or None
        Those of the logit, where it is in use; see `Shortlisted.for_logit`.
    booster_ : xgboost.Booster or None
        The trees, where they are in use.

    References
    ----------
    McFadden 1974, "Conditional logit analysis of qualitative choice behavior".
    Cormack, Clarke & Büttcher 2009, "Reciprocal rank fusion outperforms Condorcet and individual rank learning methods".
    Bruch 2021, "An alternative cross entropy loss for learning-to-rank".

    Examples
    --------
    >>> from shortlist.retrieve import Neighbours, Popular
    >>> Fuse({"popular": Popular(), "neighbours": Neighbours(k=50)})
    Fuse(popular, neighbours)
    """

    Config = FuseConfig
    config: FuseConfig
    name = "blend"
    arrays: ClassVar = {"weights_": "weights", "counts_": "counts"}
    facts: ClassVar = ("rule_", "coefficients_")

    weights_: NDArray[np.float64]
    counts_: NDArray[np.float32]
    rule_: str
    coefficients_: list[float] | None = None
    booster_: xgb.Booster | None = None

    def __init__(
        self,
        sources: Mapping[str, Retriever],
        config: Any = None,
        *,
        event_weighting: EventWeighting | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(config, event_weighting=event_weighting, **settings)
        self.sources = dict(sources)
        self.weights_ = np.ones(len(sources))
        self.rule_ = self.config.rule

    # ---------------------------------------------------------------- training

    def _fit(self, dataset: Dataset) -> None:
        for source in self.sources.values():
            source.fit(dataset, self._progress)
        counts = np.bincount(dataset.log.item[dataset.log.acted], minlength=len(dataset.items))
        self.counts_ = counts.astype(np.float32)

    def of_fitted(self, counts: NDArray[np.float32]) -> Self:
        """Use sources that are fitted already; counts float32 (items,) as `counts_`."""
        self.counts_ = counts
        return self._finish(len(counts))

    def learn(self, requests: Requests, truth: Sequence[NDArray[np.integer]], k: int) -> FusionReport:
        """Choose the rule and its weights on validation requests.

        Parameters
        ----------
        requests
            Requests that follow the data that the sources are fitted on.
        truth
            For each request, the relevant items.
        k
            Length of the lists whose NDCG is measured.
        """
        blended = self.candidates(requests, k)
        hits = hit_matrix(blended.item, truth)
        mean_ndcg = partial(mean_ndcg_of, np.array([len(t) for t in truth]), k)
        some = slice(0, len(truth), max(1, len(truth) // SEARCH_REQUESTS))
        found: dict[str, tuple[float, NDArray[np.float64]]] = {}
        for rule in ("ranks", "scores"):
            values = source_values(blended, rule)

            def evaluate(weights: NDArray[np.float64], values: NDArray[np.floating] = values[some]) -> float:
                return mean_ndcg(masked(values @ weights, blended.item[some]), hits, some)

            weights = search_weights(len(self.sources), evaluate)
            fused = masked(values @ weights, blended.item)
            found[rule] = mean_ndcg(fused, hits, slice(None)), weights
        rule = max(found, key=lambda r: found[r][0])
        measured = {name: value for name, (value, _) in found.items()}
        self.rule_, self.weights_, self.booster_, self.coefficients_ = rule, found[rule][1], None, None
        if len(truth) >= MIN_REQUESTS and hits.any():
            self._learn_order(requests, blended, hits, found["scores"], (mean_ndcg, measured))
        weights_by_name = dict(zip(self.sources, (round(float(w), 3) for w in self.weights_), strict=True))
        return FusionReport(measured, self.rule_, weights_by_name)

    def _learn_order(
        self,
        requests: Requests,
        blended: Blended,
        hits: NDArray[np.bool_],
        scores: tuple[float, NDArray[np.float64]],
        judge: tuple[Callable[..., float], dict[str, float]],
    ) -> None:
        """Learn the logit and the trees, and use the better one where it is better than the rule in use.

        Parameters
        ----------
        hits
            bool (B, K): which candidates are hits.
        scores
            NDCG and weights of weighted scores: logit and trees order the best by these, whichever rule is better.
        judge
            What measures NDCG, and the NDCG of each rule, where those of logit and trees are added.
        """
        (given, weights), (mean_ndcg, measured) = scores, judge
        order, best = self.shortlisted(requests, blended, weights)
        labels = np.take_along_axis(hits, order[:, : best.item.shape[1]], 1)
        found, gain = judged(best.for_logit(), labels, learn_logit, logit_values, mean_ndcg, quick=True)
        measured["logit"] = given + gain
        if measured["logit"] >= measured[self.rule_] * (1 + self.config.gain):
            self.rule_, self.weights_, self.coefficients_ = "logit", weights, found.tolist()
        learn = partial(learn_trees, config=self.config)
        booster, gain = judged(best.for_trees(), labels, learn, tree_values, mean_ndcg)
        measured["trees"] = given + gain
        if measured["trees"] >= measured[self.rule_] * (1 + self.config.gain):
            self.rule_, self.weights_ = "trees", weights
            self.booster_, self.coefficients_ = booster, None

    def over(self, sources: Mapping[str, Retriever]) -> Self:
        """Return a fusion with the learned rule and weights over other sources of the same names, to be fitted anew.

        Sources without weight are left out, except where the logit or the trees read their scores.
        """
        chosen = {
            name: sources[name]
            for name, weight in zip(self.sources, self.weights_, strict=True)
            if self.is_learned or weight > 0
        }
        twin = type(self)(chosen, self.config, event_weighting=self.event_weighting)
        twin.rule_, twin.booster_, twin.coefficients_ = self.rule_, self.booster_, self.coefficients_
        kept = [name in chosen for name in self.sources]
        twin.weights_ = self.weights_[kept]
        return twin

    @property
    def is_learned(self) -> bool:
        """Whether a model orders the candidates, which reads the scores of all sources."""
        return self.rule_ in {"logit", "trees"}

    # ---------------------------------------------------------------- requests

    @property
    def proposers(self) -> list[str]:
        """The sources that propose; the others only score.

        With two item-item sources or more, factor models do not propose: a pass over the whole catalogue costs more than all
        the rest, and finds little that no other source finds. Networks do: of the items that follow in Amazon Beauty, 39 % are candidates
        with a transformer that proposes, and 31 % without.
        """
        pairs = [name for name, source in self.sources.items() if isinstance(source, ItemItem)]
        others = [
            name for name, source in self.sources.items() if isinstance(source, Popular | DeepRetriever)
        ]
        return [*others, *pairs] if len(pairs) >= 2 else list(self.sources)

    def candidates(self, requests: Requests, k: int) -> Blended:
        """Return what the sources propose for lists of length k."""
        proposers, each = self.proposers, max(self.config.each, k)
        return blend(self.sources, requests, each * len(proposers), each=each, proposers=proposers)

    def shortlisted(
        self, requests: Requests, blended: Blended, weights: NDArray[np.float64]
    ) -> tuple[NDArray[np.integer], Shortlisted]:
        """Return the places of the candidates by falling weighted score, int (B, K), and the best of them, which a model orders."""
        fused = masked(source_values(blended, "scores") @ weights, blended.item)
        order = np.argsort(-fused, axis=1, kind="stable")
        place = order[:, : self.config.shortlist]
        return order, Shortlisted.of(blended, place, fused, requests.histories, np.log1p(self.counts_))

    def _ordered(self, best: Shortlisted) -> NDArray[np.float32]:
        """Return the values of the model that orders the best candidates, float32 (B, m)."""
        if self.booster_ is not None:
            return tree_values(best.for_trees(), self.booster_)
        return logit_values(best.for_logit(), np.array(self.coefficients_))

    @override
    def retrieve(self, requests: Requests, k: int) -> Candidates:
        blended = self.candidates(requests, k)
        values: NDArray[np.floating]
        if self.is_learned and (self.booster_ is not None or self.coefficients_ is not None):
            order, best = self.shortlisted(requests, blended, self.weights_)
            item, values = np.take_along_axis(blended.item, order, 1), self._ordered(best)
            ordered = values.shape[1]
            if k > ordered:  # candidates beyond those of the model follow in the order of the scores
                lowest = np.where(np.isfinite(values), values, np.float32(0)).min(1, initial=0.0)
                below = lowest[:, None] - 1 - np.arange(item.shape[1] - ordered, dtype=np.float32)
                values = np.concatenate([values, below], 1)
            item = item[:, : values.shape[1]]
        else:
            item, values = blended.item, source_values(blended, self.rule_) @ self.weights_
        values = masked(values, item)
        order = np.argsort(-values, axis=1, kind="stable")[:, :k]
        scores = np.take_along_axis(values, order, 1).astype(np.float32)
        item = np.take_along_axis(item, order, 1)
        return Candidates(item, np.where(item >= 0, scores, -np.inf).astype(np.float32))

    def score(self, requests: Requests) -> NDArray[np.float32]:
        """Return the fused scores of the candidates that the sources propose; −inf for other items."""
        found = self.retrieve(requests, self.config.each * len(self.sources))
        width = max(len(self.counts_), int(found.item.max(initial=-1)) + 1)
        scores = np.full((len(requests), width), -np.inf, np.float32)
        rows, columns = np.nonzero(found.item >= 0)
        scores[rows, found.item[rows, columns]] = found.score[rows, columns]
        return scores

    @override
    def similar(self, item: int) -> NDArray[np.float32] | None:
        return next((s for s in (r.similar(item) for r in self.sources.values()) if s is not None), None)

    @override
    def with_items(self, items: Entities) -> Retriever:
        longer = {name: source.with_items(items) for name, source in self.sources.items()}
        if all(longer[name] is source for name, source in self.sources.items()):
            return self
        twin = self._shared()
        twin.sources = longer
        return twin

    # ---------------------------------------------------------------- bundles and copies

    def __sklearn_clone__(self) -> Self:
        sources = {name: source.__sklearn_clone__() for name, source in self.sources.items()}
        return type(self)(sources, self.config, event_weighting=self.event_weighting)

    @override
    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {"sources": self.sources, **super().get_params(deep)}

    def __repr__(self) -> str:
        own = super().__repr__().removeprefix("Fuse(").removesuffix(")")
        return f"Fuse({', '.join([*self.sources, own] if own else self.sources)})"

    @override
    def save(self, folder: str | Path) -> None:
        super().save(folder)
        folder = Path(folder)
        for name, source in self.sources.items():
            source.save(folder / "sources" / name)
        (folder / "sources.json").write_text(json.dumps(list(self.sources)), encoding="utf-8")
        if self.booster_ is not None:
            self.booster_.save_model(folder / "trees.ubj")

    @override
    @classmethod
    def load(cls, folder: str | Path) -> Self:
        model = super().load(folder)
        folder = Path(folder)
        model._check_coefficients(folder)  # noqa: SLF001 - its own instance
        if (folder / "trees.ubj").exists():
            import xgboost as xgb

            model.booster_ = xgb.Booster()
            model.booster_.load_model(folder / "trees.ubj")
        return model

    def _check_coefficients(self, folder: Path) -> None:
        """Raise a `BundleError` where the logit is in use and its coefficients are no numbers, or not as many as it has inputs."""
        found, size = self.coefficients_, 3 * len(self.sources) + 1
        if self.rule_ != "logit":
            return
        if not isinstance(found, list) or len(found) != size or not all(type(one) is float for one in found):
            raise BundleError(
                f"{folder}: the coefficients of the logit are damaged; {size} numbers are expected"
            )

    @classmethod
    def _from_meta(cls, folder: Path, meta: Mapping[str, Any]) -> Self:
        names = json.loads((folder / "sources.json").read_text(encoding="utf-8"))
        if any(Path(name).name != name for name in names):
            raise BundleError(f"{folder}/sources.json names a folder outside of the bundle")
        sources = {name: load_retriever(folder / "sources" / name) for name in names}
        weighting = EventWeighting(**meta.get("event_weighting", {}))
        return cls(sources, cls.Config.model_validate(meta["config"]), event_weighting=weighting)

    @override
    def _saved_items(self, meta: object) -> int:
        return len(self.counts_)
