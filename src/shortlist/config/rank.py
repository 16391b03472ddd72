"""`[rank]`: how the ranker is trained."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from shortlist.config.base import SettingError, Settings


class RankSettings(Settings):
    """The boosted trees of the ranker and the examples they learn from (`[rank]`)."""

    model: str = "gbdt"
    """Name of the ranker: gbdt (boosted trees), multitask (a network; training needs the extra deep), or one that is registered by `@shortlist.register_ranker` or by an installed package."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Settings of multitask or of a registered ranker (`[rank.options]`). gbdt has none: its settings are those below."""
    trees: int = Field(200, ge=1)
    """Number of trees per objective."""
    depth: int = Field(4, ge=1, le=12)
    """Maximum depth of a tree."""
    learning_rate: float = Field(0.05, gt=0, le=1)
    """Factor by which each tree's contribution is shrunk."""
    min_child_weight: float = Field(20.0, ge=0)
    """Minimum total example weight of a leaf. Higher values give smoother predictions."""
    heads: Literal["auto", "separate", "joint"] = "auto"
    """separate: one model per objective. joint: one model for all, which takes a third of the time to score. auto trains both up to
    a third of the trees and keeps the joint one if it is as good on the validation slice; where that is not clear, both to the end."""
    inputs: Literal["auto", "all", "sources"] = "auto"
    """The inputs of the trees of the objectives with a weight. all: all features. sources: only the ranks and scores that the sources of
    candidates give, with predictions that rise with each score; other objectives read all features. auto: with candidates of up to 15,000
    requests, both are trained, and a third ranker that reads the best source alone; they order requests of the middle of the validation slice, and the
    simplest one (one source, then the sources) whose NDCG is within one standard error of the best is kept, beyond 5,000 requests only where it is
    ahead of all features by more. A few hundred requests are too few to learn from all features. With impressions, or with several objectives that have a weight, auto is all."""
    refit: bool = False
    """Whether the trees are grown once more, on the ranker's window and the validation slice, after the slice has chosen their number, what
    they read and the calibration, which are kept. Candidates of the slice come from sources that were fitted up to its beginning. The ranker
    that serves then knows the newest events. It helped trees of all features where items come and go, but did not put them ahead of popular items
    alone; elsewhere, it made no difference (benchmarks/real/README.md). Try it on your log. Training takes up to twice as long.
    Rankers of other kinds are refitted where they can be (`Ranker.refitted`); multitask is not."""
    calibration: Literal["auto", "platt", "isotonic"] = "auto"
    """How probabilities are calibrated on the validation slice. auto chooses by the amount of data."""
    position_bias: Literal["none", "weights"] = "none"
    """weights: examples are weighted by inverse propensity, to correct for lower slots being looked at less often. It requires
    impressions. (A feature of kind position is an alternative; use one of the two.)"""
    examples: Literal["candidates", "impressions"] = "candidates"
    """candidates: learn from what the retrievers propose; whatever was not shown is a negative. Suitable for logs without
    impressions, and for the first model that replaces an older system. The ranker meets the whole catalogue, but imitates the
    policy that wrote the log: retrained again and again on its own log, it gets worse (benchmarks/RESULTS.md).
    impressions: learn from what was shown, with its position. Recommended wherever impressions are logged and the model is
    retrained."""
    unshown: int = Field(0, ge=0)
    """With impressions: how many random candidates that were not shown are added to each slate, labelled by what followed (mostly
    nothing). A ranker that never saw such items overestimates them; a few make it careful (pessimism: Jeunen & Goethals 2021),
    many make it imitate the log, as `candidates` does. 3 per slate of 10 worked best in the movies simulation."""
    without_list: float = Field(0.1, ge=0, le=1)
    """With impressions and `data.given`: share of the lists of the training that lose their given numbers, so that a slate of
    `recommend`, which has none, is predicted as well."""
    requests_per_user: int = Field(8, ge=1)
    """With candidates: how many moments of each user's ranker window become requests."""
    batches: int = Field(0, ge=0)
    """With candidates: at how many moments of the ranker's window all users who come within the objectives' windows become requests,
    too. Slates that are computed ahead, for a mail or in a nightly batch, have to last for days; a ranker that learns from
    moments of action alone trusts what was popular a moment ago too much. It helped where items come and go, and not elsewhere."""
    negatives: int = Field(60, ge=1)
    """With candidates: how many negatives are kept per request; their weights stand for all negatives. Where `max_rows` has no room
    for all requests, each keeps fewer, down to a quarter."""
    max_rows: int = Field(450_000, ge=1_000)
    """Maximum number of examples. Above it, requests keep fewer negatives, then whole requests are dropped at random."""
    validation_rows: int = Field(200_000, ge=1_000)
    """Maximum number of examples for early stopping and calibration, which need fewer than the trees (at most `max_rows`)."""

    @model_validator(mode="after")
    def _check_position_bias(self) -> RankSettings:
        if self.position_bias == "weights" and self.examples != "impressions":
            raise SettingError(
                "position_bias",
                'position_bias = "weights" needs rank.examples = "impressions": candidates that were not shown have no '
                "position",
            )
        return self
