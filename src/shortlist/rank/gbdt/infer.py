"""Inference with trees: a compiled kernel for XGBoost's models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numba
import numpy as np
import orjson
from numpy.typing import NDArray

from shortlist.data.lazy import lazy_property
from shortlist.rank.gbdt.leaf_masks import FEWEST_ROWS, LeafMasks, lay_out_rows
from shortlist.retrieve.kernels.parallel import run_rows

if TYPE_CHECKING:
    import xgboost as xgb

BLOCK_ROWS = 32
"""Rows that walk a tree at the same time."""
PROBES = 256
"""Rows on which a forest is compared with its booster."""
SERIAL_ROWS = 2048
"""Up to this many rows are scored on the caller's thread."""

Places = NDArray[np.uint32]


@dataclass(frozen=True, eq=False, repr=False)
class Forest:
    """The trees of an XGBoost model as flat arrays, laid out for the few hundred rows of a request.

    A booster needs most of a millisecond for 500 rows: it makes a matrix object, then walks one row after the other, and
    each step waits for the load before it. Here the children of a node are adjacent, and 32 rows walk a tree at the same
    time, so that many loads are in progress. A step has no branch: the next node is the left child plus whether the value
    is at or above the threshold. A missing value is −∞ in one copy of a column and +∞ in another, and a node reads the
    copy that sends a missing value to XGBoost's side. The threshold of a leaf is NaN, so a row stays there.

    Leaves are added as XGBoost adds them, in float32 and in the order of the trees, so predictions are equal to the bit.

    Cost: O(rows · trees · depth); 2 · 32 · features floats of scratch memory a thread.

    Trees of at most 32 leaves without categories are not walked: all their conditions are evaluated by bit masks (`LeafMasks`), which
    finds the same leaves in a half to three quarters of the time.

    Parameters
    ----------
    roots, depths : ndarray of shape (trees,), uint32
        Root node and depth of each tree. Places are unsigned, because the kernel would test signed ones for being
        negative.
    column : ndarray of shape (nodes,), uint32
        Column that a node reads, of 2 · features: in the second half, missing values go right.
    threshold : ndarray of shape (nodes,), float32
        NaN for leaves.
    left : ndarray of shape (nodes,), uint32
        The left child; the right one is next to it. A leaf refers to itself.
    leaf : ndarray of shape (nodes,), uint32
        Row of `values`.
    set, size : ndarray of shape (nodes,), uint32
        Where the categories of a node begin in `words`, and how many categories have bits there; 0 for a number.
    words : ndarray of shape (words,), uint32
        Categories that go right, as bits.
    values : ndarray of shape (leaves, outputs), float32
        Leaf values.
    base : ndarray of shape (outputs,), float32
        Added to the sum of the leaves.
    features : int
        Number of columns of a feature matrix.

    References
    ----------
    Asadi, Lin & de Vries (2014). Runtime optimizations for tree-based machine learning models. IEEE TKDE.
    Lucchese et al. (2015). QuickScorer: a fast algorithm to rank documents with additive ensembles of regression trees. SIGIR.
    """

    roots: Places
    depths: Places
    column: Places
    threshold: NDArray[np.float32]
    left: Places
    leaf: Places
    set: Places
    size: Places
    words: Places
    values: NDArray[np.float32]
    base: NDArray[np.float32]
    features: int

    def __repr__(self) -> str:
        return f"Forest({len(self.roots)} trees, {len(self.column)} nodes, {len(self.base)} outputs)"

    @classmethod
    def of(cls, booster: xgb.Booster) -> Self | None:
        """Return the trees of a booster.

        None if they cannot be represented, or if predictions for `PROBES` rows differ from the booster's, as they may
        for the file of another version. The booster then predicts.
        """
        try:
            forest = cls.read(bytes(booster.save_raw("json")))
        except (KeyError, ValueError, IndexError, TypeError):
            return None
        rows = forest._probes()  # noqa: SLF001 - its own class
        expected = booster.inplace_predict(rows, predict_type="margin").reshape(len(rows), -1)
        return forest if np.array_equal(forest.margins(rows), expected) else None

    @classmethod
    def read(cls, saved: bytes) -> Self:
        """Read a booster's JSON, without XGBoost.

        Nodes refer only to nodes of their tree, whatever the file contains: the kernel indexes without a check.

        Raises
        ------
        KeyError, ValueError, IndexError, TypeError
            If it is not a booster, or cannot be represented.
        """
        learner = orjson.loads(saved)["learner"]
        facts = learner["learner_model_param"]
        features = int(facts["num_feature"])
        base = np.atleast_1d(np.array(orjson.loads(facts["base_score"]), np.float32))
        model = learner["gradient_booster"]["model"]
        if any(int(group) for group in model["tree_info"]):
            raise ValueError("one tree per target is not supported")
        trees = [_read_tree(tree, features) for tree in model["trees"]]
        outputs = trees[0].values.shape[1] if trees else len(base)
        first_node = _starts([len(tree.column) for tree in trees])
        first_leaf = _starts([len(tree.values) for tree in trees])
        first_word = _starts([len(tree.words) for tree in trees])
        none = np.empty(0, np.uint32)
        return cls(
            roots=first_node,
            depths=np.array([tree.depth for tree in trees], np.uint32),
            column=np.concatenate([none, *(tree.column for tree in trees)]),
            threshold=np.concatenate([np.empty(0, np.float32), *(tree.threshold for tree in trees)]),
            left=_shifted([tree.left for tree in trees], first_node),
            leaf=_shifted([tree.leaf for tree in trees], first_leaf),
            set=_shifted([tree.set for tree in trees], first_word),
            size=np.concatenate([none, *(tree.size for tree in trees)]),
            words=np.concatenate([none, *(tree.words for tree in trees)]),
            values=np.concatenate([np.empty((0, outputs), np.float32), *(tree.values for tree in trees)]),
            base=np.broadcast_to(base, outputs).astype(np.float32),
            features=features,
        )

    @lazy_property
    def _offset(self) -> Places:
        """uint32 (nodes,): where the column of a node begins in a block of rows."""
        return self.column * np.uint32(BLOCK_ROWS)

    @lazy_property
    def _outputs(self) -> NDArray[np.float32]:
        """float32 (outputs, nodes): what a row adds that ends at a node. One load less than by way of `leaf`, and rows side by side."""
        return np.ascontiguousarray(self.values[self.leaf].T)

    @lazy_property
    def _masks(self) -> LeafMasks | None:
        """The trees as masks of their leaves; None where one has categories or too many leaves."""
        if len(self.words):
            return None
        return LeafMasks.of(self.roots, (self.column, self.threshold, self.left, self.leaf), self.values)

    def _probes(self) -> NDArray[np.float32]:
        """Return rows that reach many leaves: values at and just below the thresholds of each column, categories, missing values."""
        rng = np.random.default_rng(0)
        rows = rng.normal(size=(PROBES, self.features)).astype(np.float32)
        for column in range(self.features):
            here = self.column % self.features == column
            numbers = self.threshold[here & ~np.isnan(self.threshold)]
            categories = self.size[here & (self.size > 0)]
            if len(categories):
                rows[:, column] = rng.integers(0, int(categories.max()) + 2, PROBES)
            elif len(numbers):
                at = rng.choice(numbers, PROBES)
                below = np.nextafter(at, np.float32(-np.inf))
                rows[:, column] = np.where(rng.random(PROBES) < 0.5, at, below)
        rows[rng.random(rows.shape) < 0.1] = np.nan
        return rows

    def margins(self, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the margins of rows, float32 (rows, outputs). matrix: float32 (rows, features), NaN for missing values."""
        margins = np.empty((len(matrix), len(self.base)), np.float32)
        if len(matrix) >= FEWEST_ROWS and self._masks is not None:
            self._masks.fill(np.ascontiguousarray(matrix, np.float32), self.base, margins, SERIAL_ROWS)
            return margins
        nodes = self.roots, self.depths, self._offset, self.threshold, self.left
        categories = self.set, self.size, self.words
        arguments = (
            np.ascontiguousarray(matrix, np.float32),
            nodes,
            categories,
            (self._outputs, self.base),
            margins,
        )
        run_rows(-(-len(matrix) // BLOCK_ROWS), _walk, *arguments, serial_rows=SERIAL_ROWS // BLOCK_ROWS)
        return margins


class _Tree(NamedTuple):
    """One tree, breadth first with its children side by side; fields as in `Forest`, with places within the tree."""

    depth: int
    column: Places
    threshold: NDArray[np.float32]
    left: Places
    leaf: Places
    set: Places
    size: Places
    words: Places
    values: NDArray[np.float32]


def _starts(sizes: list[int]) -> Places:
    return np.concatenate([[0], np.cumsum(sizes)])[:-1].astype(np.uint32)


def _shifted(parts: list[Places], starts: Places) -> Places:
    """Return places within trees as places among all trees."""
    moved = [part + start for part, start in zip(parts, starts, strict=True)]
    return np.concatenate([np.empty(0, np.uint32), *moved]).astype(np.uint32)


def _read_tree(tree: dict[str, Any], features: int) -> _Tree:
    """Read one tree of a booster's JSON. Raises `ValueError` if it refers to itself or to a column that does not exist."""
    left, right = tree["left_children"], tree["right_children"]
    order, depth = _breadth_first(left, right)
    place = {node: new for new, node in enumerate(order)}
    n = len(order)
    outputs = int(tree["tree_param"]["size_leaf_vector"])
    vectors = np.array(tree["leaf_weights"], np.float32).reshape(-1, outputs) if outputs > 1 else None
    column, to_left, leaf = np.zeros(n, np.uint32), np.arange(n, dtype=np.uint32), np.zeros(n, np.uint32)
    threshold = np.full(n, np.nan, np.float32)
    begins, size, words = np.zeros(n, np.uint32), np.zeros(n, np.uint32), np.empty(0, np.uint32)
    sets = _category_sets(tree)
    values: list[Any] = []
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
            begins[new], size[new] = len(words), 32 * len(sets[node])
            words = np.concatenate([words, sets[node]])
        else:
            threshold[new] = tree["split_conditions"][node]
    vectors_of_leaves = np.array(values, np.float32).reshape(len(values), -1)
    return _Tree(depth, column, threshold, to_left, leaf, begins, size, words, vectors_of_leaves)


def _breadth_first(left: list[int], right: list[int]) -> tuple[list[int], int]:
    """Return the nodes of a tree in breadth-first order, and its depth."""
    order, depths, reached, at = [0], [0], {0}, 0
    while at < len(order):
        node = order[at]
        if left[node] >= 0:
            for child in (left[node], right[node]):
                if child in reached:  # also a cycle; the right child would not stand next to the left one
                    raise ValueError("a node of a tree has two parents")
                if child < 0:
                    raise ValueError("a node of a tree has one child")
                reached.add(child)
                order.append(child)
                depths.append(depths[at] + 1)
        at += 1
    return order, depths[-1]


def _category_sets(tree: dict[str, Any]) -> dict[int, Places]:
    """Return, for each node that splits a category, the categories that go right, as bits."""
    nodes, begins, sizes = (tree[f"categories_{name}"] for name in ("nodes", "segments", "sizes"))
    sets = {}
    for node, begin, count in zip(nodes, begins, sizes, strict=True):
        chosen = np.array(tree["categories"][begin : begin + count], np.int64)
        bits = np.zeros(int(chosen.max(initial=-1)) // 32 + 1, np.uint32)
        np.bitwise_or.at(bits, chosen // 32, np.uint32(1) << (chosen % 32).astype(np.uint32))
        sets[node] = bits
    return sets


@numba.njit(cache=True, nogil=True)
def _goes_right(x: float, words: Places, begin: int, size: int) -> bool:
    """Whether a category goes right: as its bit says; left without a bit. A missing value is ±∞ and goes to its side."""
    if not np.isfinite(x):
        return x > 0
    if not 0 <= x < size:
        return False
    code = np.uint32(x)
    return bool(
        (words[begin + (code >> np.uint32(5))] >> (code & np.uint32(31))) & np.uint32(1) == np.uint32(1)
    )


@numba.njit(cache=True, nogil=True)
def _walk(  # noqa: C901 - inner loops of one kernel
    low: int,
    high: int,
    matrix: NDArray[np.float32],
    nodes: tuple[
        NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint32], NDArray[np.float32], NDArray[np.uint32]
    ],
    categories: tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint32]],
    outputs: tuple[NDArray[np.float32], NDArray[np.float32]],
    margins: NDArray[np.float32],
) -> None:
    """Fill the margins of the blocks low … high, of BLOCK_ROWS rows each."""
    roots, depths, offset, threshold, left = nodes
    begins, sizes, words = categories
    values, base = outputs
    features, targets = matrix.shape[1], len(base)
    rows = np.empty((2 * features, BLOCK_ROWS), np.float32)
    block = rows.reshape(-1)
    at = np.empty(BLOCK_ROWS, np.uint32)
    sums = np.empty((targets, BLOCK_ROWS), np.float32)
    for part in range(low, high):
        first = part * BLOCK_ROWS
        n = min(BLOCK_ROWS, len(matrix) - first)
        lay_out_rows(matrix, first, n, rows)
        for t in range(targets):
            for r in range(BLOCK_ROWS):
                sums[t, r] = base[t]
        for tree in range(len(roots)):
            root = roots[tree]
            if len(words) == 0:
                # all rows read the same column at the root
                start, edge, child = offset[root], threshold[root], left[root]
                for r in range(BLOCK_ROWS):
                    at[r] = child + np.uint32(block[start + np.uint32(r)] >= edge)
                for _ in range(1, depths[tree]):
                    for r in range(BLOCK_ROWS):
                        node = at[r]
                        x = block[offset[node] + np.uint32(r)]
                        at[r] = left[node] + np.uint32(x >= threshold[node])
            else:
                for r in range(BLOCK_ROWS):
                    at[r] = root
                for _ in range(depths[tree]):
                    for r in range(BLOCK_ROWS):
                        node = at[r]
                        x = block[offset[node] + np.uint32(r)]
                        if sizes[node] == 0:
                            right = x >= threshold[node]
                        else:
                            right = _goes_right(x, words, begins[node], sizes[node])
                        at[r] = left[node] + np.uint32(right)
            for t in range(targets):
                for r in range(BLOCK_ROWS):
                    sums[t, r] += values[t, at[r]]
        for r in range(n):
            for t in range(targets):
                margins[first + r, t] = sums[t, r]
