"""LambdaMART of XGBoost and LightGBM on given lists; runs in the environment benchmarks/.peers_real, without Shortlist.

    python benchmarks/real/peer_lists.py FOLDER NAME…

FOLDER holds `learn.npz` (matrix, label, group and held, as `Trees.choose` takes them) and `test.npz` (matrix). The scores of the test rows go to
FOLDER/NAME.npy, settings and times to FOLDER/NAME.json.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
from peer_trees import Trees


def main() -> None:
    folder = Path(sys.argv[1])
    learn, test = np.load(folder / "learn.npz"), np.load(folder / "test.npz")
    for name in sys.argv[2:]:
        started = time.process_time()
        trees = Trees(name, {}, {})
        trees.choose(*(learn[part] for part in ("matrix", "label", "group", "held")))
        np.save(folder / f"{name}.npy", trees.model.predict(test["matrix"]))
        facts = {"settings": trees.settings, "trials": trees.trials, "seconds": time.process_time() - started}
        (folder / f"{name}.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main()
