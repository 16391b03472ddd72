"""Inference with trees: XGBoost's models, laid out for the few hundred rows of a request.

A booster needs most of a millisecond for 500 rows: it makes a matrix object, then walks one row after the other, and
each step waits for the load before it. Here a tree consists of flat arrays, children are adjacent, and 32 rows walk one
tree together, so that many loads are in progress at a time. A step has no branch: the next node is the left child plus
whether the value is at or above the threshold. A missing value is −∞ in one copy of a column and +∞ in another, and a
node reads the copy that sends a missing value where XGBoost would. The threshold of a leaf is NaN, so a row stays there.

Leaves are added as XGBoost adds them, in float32 and in the order of the trees, so predictions are equal to the bit.
`Forest.of` compares a few hundred random rows with the booster and returns None if one differs, for example for a file of
another version; the booster then predicts.

Evaluating all conditions of a tree by bit masks (QuickScorer, Lucchese et al. 2015) was measured as an alternative: requests
took between 1 % less and 26 % more time (movies, 2,000 items, 100 trees of 32 or 64 leaves), so trees are walked.

References
----------
Asadi, Lin & de Vries (2014). Runtime optimizations for tree-based machine learning models. IEEE TKDE.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import orjson

from shortlist.retrieve.kernels.parallel import run_rows

if TYPE_CHECKING:
    import xgboost as xgb

TOGETHER = 32
"""Rows that walk a tree together."""
PROBES = 256
ALONE = 2048
"""Up to this many rows are scored on the caller's thread."""


@dataclass(frozen=True, eq=False, repr=False)
class Forest:
    """Nodes of all trees, one after the other.

    Places are uint32: signed ones would be looked at for being negative. `roots`, `depths` (trees,). Per node: `column`, of 2 × features: the
    second half is where a missing value goes right; `threshold` float32, NaN for a leaf; `left`, the left child, the right one is next to it (a
    leaf: itself); `leaf`, the row of `values`; `set`, where its categories begin in `words`; `size`, for how many of them there are bits there, 0
    for a number. `words`: categories that go right, as bits. `values` float32 (leaves, targets). `base` float32 (targets,).
    """

    roots: np.ndarray
    depths: np.ndarray
    column: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    leaf: np.ndarray
    set: np.ndarray
    size: np.ndarray
    words: np.ndarray
    values: np.ndarray
    base: np.ndarray
    features: int

    def __repr__(self) -> str:
        return f"Forest({len(self.roots)} trees, {len(self.column)} nodes, {len(self.base)} outputs)"

    @classmethod
    def of(cls, booster: xgb.Booster) -> Forest | None:
        """Return None if the booster cannot be represented, or predicts otherwise."""
        try:
            forest = cls.read(bytes(booster.save_raw("json")))
        except (KeyError, ValueError, IndexError, TypeError):
            return None
        rows = forest._probes()
        said = booster.inplace_predict(rows, predict_type="margin").reshape(len(rows), -1)
        return forest if np.array_equal(forest.margins(rows), said) else None

    @classmethod
    def read(cls, saved: bytes) -> Forest:
        """Read a booster's JSON, without XGBoost.

        Nodes refer only to nodes of their tree, whatever the file contains. Raises `KeyError`, `ValueError`, `IndexError` or
        `TypeError` if it is not a booster.
        """
        learner = orjson.loads(saved)["learner"]
        facts = learner["learner_model_param"]
        trees = learner["gradient_booster"]["model"]["trees"]
        features = int(facts["num_feature"])
        base = np.atleast_1d(np.array(orjson.loads(facts["base_score"]), np.float32))
        if any(int(group) for group in learner["gradient_booster"]["model"]["tree_info"]):
            raise ValueError("one tree per target is not supported")
        parts = [_laid_out(tree, features) for tree in trees]
        targets = parts[0]["values"].shape[1] if parts else len(base)
        begin = _starts([len(p["column"]) for p in parts])
        leaves = _starts([len(p["values"]) for p in parts])
        sets = _starts([len(p["words"]) for p in parts])
        joined: dict[str, Any] = {
            name: np.concatenate([p[name] for p in parts]) if parts else np.empty(0, np.uint32)
            for name in ("column", "threshold", "size", "words")
        }
        return cls(
            roots=begin,
            depths=np.array([p["depth"] for p in parts], np.uint32),
            left=_moved(parts, "left", begin),
            leaf=_moved(parts, "leaf", leaves),
            set=_moved(parts, "set", sets),
            values=np.concatenate([p["values"] for p in parts])
            if parts
            else np.empty((0, targets), np.float32),
            base=np.broadcast_to(base, targets).astype(np.float32),
            features=features,
            **joined,
        )

    def _probes(self) -> np.ndarray:
        """Rows that come by many leaves: values drawn from each column's own thresholds and beside them, missing ones, categories."""
        rng = np.random.default_rng(0)
        rows = rng.normal(size=(PROBES, self.features)).astype(np.float32)
        for column in range(self.features):
            here = self.column % self.features == column
            numbers = self.threshold[here & ~np.isnan(self.threshold)]
            categories = self.size[here & (self.size > 0)]
            if len(categories):
                rows[:, column] = rng.integers(0, int(categories.max()) + 2, PROBES)
            elif len(numbers):
                near = rng.choice(numbers, PROBES)
                rows[:, column] = np.where(
                    rng.random(PROBES) < 0.5, near, np.nextafter(near, np.float32(-np.inf))
                )
        rows[rng.random(rows.shape) < 0.1] = np.nan
        return rows

    def margins(self, matrix: np.ndarray) -> np.ndarray:
        """float32 (rows, targets) of a matrix float32 (rows, features), NaN where something is missing."""
        answer = np.empty((len(matrix), len(self.base)), np.float32)
        matrix = np.ascontiguousarray(matrix, np.float32)
        nodes = self.roots, self.depths, self.column, self.threshold, self.left, self.leaf
        categories = self.set, self.size, self.words
        parts = -(-len(matrix) // TOGETHER)
        arguments = (
            matrix,
            nodes,
            categories,
            self.values,
            self.base,
            answer,
        )
        run_rows(parts, _walk, *arguments, serial_rows=ALONE // TOGETHER)
        return answer


def _starts(sizes: list[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(sizes)])[:-1].astype(np.uint32)


def _moved(parts: list[dict[str, Any]], name: str, by: np.ndarray) -> np.ndarray:
    """Places within a tree as places among all."""
    if not parts:
        return np.empty(0, np.uint32)
    return np.concatenate([p[name] + at for p, at in zip(parts, by, strict=True)]).astype(np.uint32)


def _laid_out(tree: dict[str, Any], features: int) -> dict[str, Any]:
    """One tree with its children side by side, breadth first."""
    left, right = tree["left_children"], tree["right_children"]
    order, at = [0], 0
    place, depth_of = {0: 0}, {0: 0}
    while at < len(order):
        node = order[at]
        if left[node] >= 0:
            for child in (left[node], right[node]):
                if child in place:  # also a cycle; the right child would not stand next to the left one
                    raise ValueError("a node of a tree has two parents")
                place[child], depth_of[child] = len(order), depth_of[node] + 1
                order.append(child)
        at += 1
    n = len(order)
    targets = int(tree["tree_param"]["size_leaf_vector"])
    vectors = np.array(tree["leaf_weights"], np.float32).reshape(-1, targets) if targets > 1 else None
    column, to_left, leaf = np.zeros(n, np.uint32), np.arange(n, dtype=np.uint32), np.zeros(n, np.uint32)
    threshold = np.full(n, np.nan, np.float32)
    values: list[Any] = []
    begins, size, words = np.zeros(n, np.uint32), np.zeros(n, np.uint32), np.empty(0, np.uint32)
    sets = {
        node: tree["categories"][begin : begin + count]
        for node, begin, count in zip(
            tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"], strict=True
        )
    }
    for new, node in enumerate(order):
        if left[node] < 0:
            leaf[new] = len(values)
            values.append(vectors[right[node]] if vectors is not None else [tree["split_conditions"][node]])
            continue
        if not 0 <= tree["split_indices"][node] < features:
            raise ValueError("a tree refers to a column that does not exist")
        column[new] = tree["split_indices"][node] + (0 if tree["default_left"][node] else features)
        to_left[new] = place[left[node]]
        if node in sets:
            chosen = np.array(sets[node], np.int64)
            bits = np.zeros(int(chosen.max(initial=-1)) // 32 + 1, np.uint32)
            np.bitwise_or.at(bits, chosen // 32, np.uint32(1) << (chosen % 32).astype(np.uint32))
            begins[new], size[new] = len(words), 32 * len(bits)
            words = np.concatenate([words, bits])
        else:
            threshold[new] = tree["split_conditions"][node]
    return {
        "column": column,
        "threshold": threshold,
        "left": to_left,
        "leaf": leaf,
        "set": begins,
        "size": size,
        "words": words,
        "values": np.array(values, np.float32).reshape(len(values), -1),
        "depth": max(depth_of.values()),
    }


@numba.njit(cache=True, nogil=True)
def _lay_out_rows(matrix, start, n, block):  # type: ignore[no-untyped-def]
    """Copy n rows into a block (2 × features, rows), column by column, twice: missing values as −∞ and as +∞.

    The last row is repeated where the block has more.
    """
    features = matrix.shape[1]
    for r in range(block.shape[1]):
        row = start + min(r, n - 1)
        for c in range(features):
            x = matrix[row, c]
            missing = np.isnan(x)
            block[c, r] = np.float32(-np.inf) if missing else x
            block[features + c, r] = np.float32(np.inf) if missing else x


@numba.njit(cache=True, nogil=True)
def _goes_right(x, words, begin, size):  # type: ignore[no-untyped-def]
    """Whether a category goes right: by its bit; without one, left; missing, as the block says."""
    if not np.isfinite(x):
        return x > 0
    if not 0 <= x < size:
        return False
    code = np.uint32(x)
    return (words[begin + (code >> np.uint32(5))] >> (code & np.uint32(31))) & np.uint32(1) == np.uint32(1)


@numba.njit(cache=True, nogil=True)
def _walk(low, high, matrix, nodes, categories, values, base, answer):  # type: ignore[no-untyped-def]
    """Blocks low … high of TOGETHER rows each."""
    roots, depths, column, threshold, left, leaf = nodes
    begins, sizes, words = categories
    features, targets = matrix.shape[1], len(base)
    rows = np.empty((2 * features, TOGETHER), np.float32)
    block = rows.reshape(-1)
    at = np.empty(TOGETHER, np.uint32)
    sums = np.empty((TOGETHER, targets), np.float32)
    for part in range(low, high):
        first = part * TOGETHER
        n = min(TOGETHER, len(matrix) - first)
        _lay_out_rows(matrix, first, n, rows)
        for r in range(TOGETHER):
            for t in range(targets):
                sums[r, t] = base[t]
        for tree in range(len(roots)):
            for r in range(TOGETHER):
                at[r] = roots[tree]
            if len(words) == 0:
                for _ in range(depths[tree]):
                    for r in range(TOGETHER):
                        node = at[r]
                        x = block[column[node] * np.uint32(TOGETHER) + np.uint32(r)]
                        at[r] = left[node] + np.uint32(x >= threshold[node])
            else:
                for _ in range(depths[tree]):
                    for r in range(TOGETHER):
                        node = at[r]
                        x = block[column[node] * np.uint32(TOGETHER) + np.uint32(r)]
                        if sizes[node] == 0:
                            right = x >= threshold[node]
                        else:
                            right = _goes_right(x, words, begins[node], sizes[node])
                        at[r] = left[node] + np.uint32(right)
            for r in range(TOGETHER):
                vector = leaf[at[r]]
                for t in range(targets):
                    sums[r, t] += values[vector, t]
        for r in range(n):
            for t in range(targets):
                answer[first + r, t] = sums[r, t]
