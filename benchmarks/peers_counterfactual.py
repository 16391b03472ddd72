"""Run obp's estimators on the logs of benchmarks/counterfactual.py, in a separate environment.

Reads every .npz file of a folder and writes obp.json: file → estimator → value. Model-based estimators use obp's
RegressionModel with three-fold cross-fitting, once with a logistic (or ridge) model and once with boosted trees.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402
from obp.ope import (  # noqa: E402
    DirectMethod,
    DoublyRobust,
    DoublyRobustWithShrinkage,
    InverseProbabilityWeighting,
    RegressionModel,
    SelfNormalizedDoublyRobust,
    SelfNormalizedInverseProbabilityWeighting,
    SlateIndependentIPS,
    SlateRewardInteractionIPS,
    SlateStandardIPS,
    SwitchDoublyRobust,
)
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor  # noqa: E402
from sklearn.linear_model import LogisticRegression, Ridge  # noqa: E402


def single(log: dict[str, np.ndarray]) -> dict[str, float]:
    action, reward, pscore = log["action"].astype(int), log["reward"], log["propensity"]
    dist = log["policy"][:, :, None]
    n_actions = dist.shape[1]
    common = {"reward": reward, "action": action, "pscore": pscore, "action_dist": dist}
    where = {"position": np.zeros(len(action), int)}
    found = {
        "IPS": InverseProbabilityWeighting().estimate_policy_value(**common, **where),
        "SNIPS": SelfNormalizedInverseProbabilityWeighting().estimate_policy_value(**common, **where),
    }
    yes_no = bool(np.isin(reward, (0, 1)).all())
    models = (
        {"linear": LogisticRegression(max_iter=500), "trees": HistGradientBoostingClassifier(max_iter=80)}
        if yes_no
        else {"linear": Ridge(), "trees": HistGradientBoostingRegressor(max_iter=80)}
    )
    for name, base in models.items():
        model = RegressionModel(base, n_actions=n_actions, action_context=log["about"])
        estimated = model.fit_predict(
            context=log["context"], action=action, reward=reward, pscore=pscore, n_folds=3, random_state=0
        )
        own = {**common, **where, "estimated_rewards_by_reg_model": estimated}
        for kind, estimator in {
            "DM": DirectMethod(),
            "DR": DoublyRobust(),
            "SNDR": SelfNormalizedDoublyRobust(),
            "Switch-DR": SwitchDoublyRobust(tau=10.0),
            "DRos": DoublyRobustWithShrinkage(lambda_=100.0),
        }.items():
            found[f"{kind} ({name})"] = estimator.estimate_policy_value(**own)
    return found


def slates(log: dict[str, np.ndarray]) -> dict[str, float]:
    n, k = log["slates"].shape
    common = {
        "slate_id": np.repeat(np.arange(n), k),
        "reward": log["rewards"].ravel(),
        "position": np.tile(np.arange(k), n),
    }
    own, new = np.cumprod(log["propensities"], 1), np.cumprod(log["chances"], 1)
    return {
        "SlateStandardIPS": SlateStandardIPS(len_list=k).estimate_policy_value(
            **common,
            pscore=np.repeat(own[:, -1], k),
            evaluation_policy_pscore=np.repeat(new[:, -1], k),
        ),
        "SlateIndependentIPS": SlateIndependentIPS(len_list=k).estimate_policy_value(
            **common,
            pscore_item_position=log["marginals"].ravel(),
            evaluation_policy_pscore_item_position=log["new_marginals"].ravel(),
        ),
        "SlateRewardInteractionIPS": SlateRewardInteractionIPS(len_list=k).estimate_policy_value(
            **common, pscore_cascade=own.ravel(), evaluation_policy_pscore_cascade=new.ravel()
        ),
    }


def main() -> None:
    folder = Path(sys.argv[1])
    kept = folder / "obp.json"
    # earlier estimates are reused: logs are generated from seeds, and the table checks that they are the same
    answer = json.loads(kept.read_text()) if kept.exists() else {}
    for file in sorted(folder.glob("*.npz")):
        if file.stem in answer:
            continue
        with np.load(file) as log:
            arrays = dict(log)
        found = slates(arrays) if "slates" in arrays else single(arrays)
        answer[file.stem] = {name: float(value) for name, value in found.items()}
    kept.write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
