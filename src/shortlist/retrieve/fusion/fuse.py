"""Fuse: several sources as one retriever, weighed by what came true.

The sources' candidates are scored by every source (`blend.py`) and then by one of three rules, the best of which on
validation requests is kept:

- **ranks**: reciprocal-rank fusion, Σ w_s / (60 + rank_s); nothing to learn but w.
- **scores**: Σ w_s · normalised score_s, the weights found by coordinate search on the metric itself (NDCG has no
  gradient in them, and there are only a handful).
- **trees**: gradient-boosted trees on the candidates' scores and ranks, their popularity, the size of the history and
  how popular its items are, trained for NDCG (LambdaMART; Burges 2010). They know that a source may be right about rare
  items and another about long histories. Judged out of fold: people whose lists the trees were grown on do not vote.

Time: the sources', plus some hundred candidates a request.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from shortlist.config.base import Settings
from shortlist.data.dataset import Dataset
from shortlist.data.mapped import load_arrays
from shortlist.errors import BundleError
from shortlist.metrics.ranking import hit_matrix, ndcg
from shortlist.retrieve.base import Candidates, Requests, Retriever
from shortlist.retrieve.fusion.blend import FUSION, Blended, blend
from shortlist.retrieve.item_item import ItemItem
from shortlist.retrieve.registry import load_retriever

if TYPE_CHECKING:
    import xgboost as xgb

STEPS = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5)
FOLDS = 3
SEARCHERS = 5_000
"""About this many requests find the weights; all of them judge the rules and grow the trees."""


class FuseConfig(Settings):
    rule: Literal["ranks", "scores", "trees"] = "scores"
    each: int = Field(100, ge=1)
    """How many candidates each source proposes."""
    shortlist: int = Field(100, ge=1)
    """How many of them, the best by weighted scores, the trees look at."""
    trees: int = Field(120, ge=1)
    depth: int = Field(4, ge=1, le=10)
    learning_rate: float = Field(0.1, gt=0, le=1)
    gain: float = Field(0.002, ge=0)
    """By which share of the metric the trees must be better than weighted scores to be kept: they cost more."""


@dataclass(frozen=True)
class Judged:
    """How good each rule was on the validation requests: rule → mean NDCG."""

    ndcg: dict[str, float]
    rule: str
    weights: dict[str, float]


class Fuse(Retriever):
    Config = FuseConfig
    name = "blend"
    arrays: ClassVar[tuple[str, ...]] = ("weights", "counts")

    sources: dict[str, Retriever]
    weights: np.ndarray
    """float64 (sources,)."""
    counts: np.ndarray
    """float32 (items,): how often each item was taken, a feature of the trees."""
    booster: xgb.Booster | None = None

    def __init__(self, sources: dict[str, Retriever], config: Any = None, **settings: Any) -> None:
        super().__init__(config, **settings)
        self.sources = sources
        self.weights = np.ones(len(sources))

    def fit(self, dataset: Dataset) -> Self:
        for source in self.sources.values():
            source.fit(dataset)
        self.counts = np.bincount(dataset.log.item[dataset.log.acted], minlength=len(dataset.items)).astype(
            np.float32
        )
        return self

    def learn(self, requests: Requests, truth: list[np.ndarray], k: int) -> Judged:
        """Choose the rule and its weights on validation requests. truth: per request, the items that came true; the
        sources must be fitted on what came before them. k: the length that NDCG is measured at.
        """
        blended = self._candidates(requests, k)
        relevant = np.array([len(t) for t in truth])
        hits = hit_matrix(blended.item, truth)

        def judge(values: np.ndarray, won: np.ndarray, among: np.ndarray | slice) -> float:
            order = np.argsort(-values, axis=1, kind="stable")[:, :k]
            return float(np.nanmean(ndcg(np.take_along_axis(won[among], order, 1), relevant[among], k)))

        some = slice(0, len(truth), max(1, len(truth) // SEARCHERS))
        found: dict[str, tuple[float, np.ndarray]] = {}
        for rule in ("ranks", "scores"):
            parts, items = _parts(blended, rule)[some], blended.item[some]
            weights = _search(parts, lambda w, p=parts, i=items: judge(_ordered(p @ w, i), hits, some))  # type: ignore[misc]
            fused = _ordered(_parts(blended, rule) @ weights, blended.item)
            found[rule] = judge(fused, hits, slice(None)), weights
        rule = max(found, key=lambda r: found[r][0])
        self.config = self.config.model_copy(update={"rule": rule})
        self.weights = found[rule][1]
        judged = {name: score for name, (score, _) in found.items()}
        if len(truth) >= 200 and hits.any():
            judged["trees"] = self._grow(requests, blended, hits, found["scores"][1], judge)
            if judged["trees"] >= judged[rule] * (1 + self.config.gain):
                # the shortlist is cut by weighted scores, whichever of the two rules was better
                self.config = self.config.model_copy(update={"rule": "trees"})
                self.weights = found["scores"][1]
            else:
                self.booster = None
        names = dict(zip(self.sources, (round(float(w), 3) for w in self.weights), strict=True))
        return Judged(judged, self.config.rule, names)

    def _grow(
        self,
        requests: Requests,
        blended: Blended,
        hits: np.ndarray,
        weights: np.ndarray,
        judge: Callable[[np.ndarray, np.ndarray, np.ndarray], float],
    ) -> float:
        """Grow the trees, and say how good they are on people they have not seen."""
        order, matrix = self._short(requests, blended, weights)
        won = np.take_along_axis(hits, order[:, : matrix.shape[1]], 1)
        fold = np.arange(len(hits)) % FOLDS
        total = 0.0
        for held in range(FOLDS):
            booster = self._train(matrix[fold != held], won[fold != held])
            values = booster.inplace_predict(matrix[fold == held].reshape(-1, matrix.shape[2])).reshape(
                -1, matrix.shape[1]
            )
            total += judge(values, won, fold == held) * float((fold == held).mean())
        self.booster = self._train(matrix, won)
        return total

    def _train(self, matrix: np.ndarray, won: np.ndarray) -> xgb.Booster:
        import xgboost as xgb  # a second to come in, and most servers need it not

        useful = won.any(1)
        matrix, won = matrix[useful], won[useful]
        data = xgb.DMatrix(matrix.reshape(-1, matrix.shape[2]), won.ravel().astype(np.float32))
        data.set_group(np.full(len(matrix), matrix.shape[1]))
        config = self.config
        settings = {
            "objective": "rank:ndcg",
            "lambdarank_pair_method": "topk",
            "lambdarank_num_pair_per_sample": 20,
            "max_depth": config.depth,
            "eta": config.learning_rate,
            "min_child_weight": 20,
            "tree_method": "hist",
            "seed": 0,
        }
        return xgb.train(settings, data, config.trees)

    @property
    def proposers(self) -> list[str]:
        """The sources that propose. Factor models score what the others found, where there are two others or more: going
        through the whole catalogue costs them more than all the rest, and they find little that no other source does.
        """
        cheap = [name for name, source in self.sources.items() if isinstance(source, ItemItem)]
        return cheap if len(cheap) >= 2 else list(self.sources)

    def _candidates(self, requests: Requests, k: int) -> Blended:
        proposers, each = self.proposers, max(self.config.each, k)
        return blend(self.sources, requests, each * len(proposers), each=each, proposers=proposers)

    def _short(
        self, requests: Requests, blended: Blended, weights: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Each request's candidates by weighted scores, as places (B, K), and the features of the first m of them, the
        shortlist (B, m, f).
        """
        fused = _ordered(_parts(blended, "scores") @ weights, blended.item)
        order = np.argsort(-fused, axis=1, kind="stable")
        place = order[:, : self.config.shortlist]
        item = np.take_along_axis(blended.item, place, 1)
        h = requests.histories
        sizes = np.diff(h.indptr).astype(np.float32)
        taken = np.where(item >= 0, np.log1p(self.counts[np.maximum(item, 0)]), np.nan)
        usual = np.bincount(h.owner, np.log1p(self.counts[h.item]), len(h)) / np.maximum(sizes, 1)
        features = [
            np.take_along_axis(blended.scores, place[:, :, None], 1),
            np.take_along_axis(blended.ranks, place[:, :, None], 1),
            np.take_along_axis(fused, place, 1)[:, :, None],
            np.broadcast_to(np.arange(item.shape[1], dtype=np.float32), item.shape)[:, :, None],
            taken[:, :, None],
            np.broadcast_to(sizes[:, None], item.shape)[:, :, None],
            (taken - usual[:, None])[:, :, None],
        ]
        matrix = np.concatenate(features, axis=2, dtype=np.float32)
        matrix[item < 0] = np.nan  # a list that is shorter than the others
        return order, matrix

    def retrieve(self, requests: Requests, k: int) -> Candidates:
        blended = self._candidates(requests, k)
        if self.config.rule == "trees" and self.booster is not None:
            order, matrix = self._short(requests, blended, self.weights)
            item, seen = np.take_along_axis(blended.item, order, 1), matrix.shape[1]
            values = self.booster.inplace_predict(matrix.reshape(-1, matrix.shape[2])).reshape(-1, seen)
            if k > seen:  # what the trees did not look at follows, in the order of the scores
                below = values.min(1, initial=0.0)[:, None] - 1 - np.arange(item.shape[1] - seen)
                values = np.concatenate([values, below], 1)
            item = item[:, : values.shape[1]]
        else:
            item, values = blended.item, _parts(blended, self.config.rule) @ self.weights
        values = _ordered(values, item)
        order = np.argsort(-values, axis=1, kind="stable")[:, :k]
        scores = np.take_along_axis(values, order, 1).astype(np.float32)
        item = np.take_along_axis(item, order, 1)
        return Candidates(item, np.where(item >= 0, scores, -np.inf).astype(np.float32))

    def score(self, requests: Requests) -> np.ndarray:
        """Fused scores of the candidates that the sources propose; −inf for what none does."""
        found = self.retrieve(requests, self.config.each * len(self.sources))
        scores = np.full((len(requests), len(self.counts)), -np.inf, np.float32)
        rows, columns = np.nonzero(found.item >= 0)
        scores[rows, found.item[rows, columns]] = found.score[rows, columns]
        return scores

    def similar(self, item: int) -> np.ndarray | None:
        return next((s for s in (r.similar(item) for r in self.sources.values()) if s is not None), None)

    def add_items(self, dataset: Dataset) -> None:
        for source in self.sources.values():
            source.add_items(dataset)
        self.counts = np.pad(self.counts, (0, len(dataset.items) - len(self.counts)))

    def save(self, folder: Path) -> None:
        super().save(folder)
        for name, source in self.sources.items():
            source.save(folder / "sources" / name)
        (folder / "sources.json").write_text(json.dumps(list(self.sources)), encoding="utf-8")
        if self.booster is not None:
            self.booster.save_model(folder / "trees.ubj")

    @classmethod
    def load(cls, folder: Path) -> Self:
        meta = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        names = json.loads((folder / "sources.json").read_text(encoding="utf-8"))
        if any(Path(name).name != name for name in names):
            raise BundleError(f"{folder}/sources.json names a folder outside of the bundle")
        sources = {name: load_retriever(folder / "sources" / name) for name in names}
        model = cls(sources, cls.Config.model_validate(meta["config"]))
        arrays = load_arrays(folder / "arrays")
        for name in cls.arrays:
            setattr(model, name, arrays[name])
        if (folder / "trees.ubj").exists():
            import xgboost as xgb

            model.booster = xgb.Booster()
            model.booster.load_model(folder / "trees.ubj")
        return model


def _parts(blended: Blended, rule: str) -> np.ndarray:
    """What the weights of a rule multiply, float32 (B, K, sources)."""
    if rule == "ranks":
        return np.nan_to_num(FUSION / (FUSION + blended.ranks), nan=0.0)
    return np.clip(np.nan_to_num(blended.scores, nan=-1.0), -3.0, None)


def _ordered(values: np.ndarray, item: np.ndarray) -> np.ndarray:
    return np.where(item >= 0, values, -np.inf)


def _search(parts: np.ndarray, judge: Callable[[np.ndarray], float], rounds: int = 2) -> np.ndarray:
    """Weights by coordinate search: from the best single source, each weight in turn over `STEPS`."""
    n = parts.shape[2]
    alone = [judge(np.eye(n)[at]) for at in range(n)]
    weights, best = np.eye(n)[int(np.argmax(alone))], max(alone)
    for _ in range(rounds):
        before = best
        for at in np.argsort(alone)[::-1]:
            for step in STEPS:
                tried = weights.copy()
                tried[at] = step
                if tried.any() and not np.array_equal(tried, weights) and (value := judge(tried)) > best:
                    best, weights = value, tried
        if best <= before * 1.0005:
            break
    return weights
