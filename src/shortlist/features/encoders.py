"""Attributes as columns of the ranker: numbers and categories as they are, lists, texts and embeddings as several.

What an item's attributes come to is the same for every request, so those columns are made once (`Static`) and gathered.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from shortlist.data.attributes import Attribute

TEXT_WIDTH = 4096


def names_of(feature: Any, attribute: Attribute | None) -> list[str]:
    """The columns that an attribute feature becomes."""
    if attribute is None or attribute.kind in {"number", "category"}:
        return [feature.name]
    if attribute.kind == "list":
        return [f"{feature.name}={attribute.vocabulary[code]}" for code in commonest(attribute, feature.most)]
    return [f"{feature.name}~{number + 1}" for number in range(_dims(feature, attribute))]


def _dims(feature: Any, attribute: Attribute) -> int:
    if attribute.kind == "embedding":
        return int(min(feature.dims, attribute.values.shape[1]))
    return int(feature.dims)


def commonest(attribute: Attribute, most: int) -> np.ndarray:
    """Codes of the commonest values of a list, by code where equally common."""
    seen = np.bincount(attribute.codes, minlength=len(attribute.vocabulary))
    return np.sort(np.argsort(-seen, kind="stable")[:most])


def columns_of(feature: Any, attribute: Attribute) -> np.ndarray:
    """float32 (n, columns): a list, text or embedding of n things, spread out."""
    n = len(attribute)
    if attribute.kind == "list":
        codes = commonest(attribute, feature.most)
        place = np.full(max(len(attribute.vocabulary), 1), -1)
        place[codes] = np.arange(len(codes))
        matrix = np.zeros((n, len(codes)), np.float32)
        owner, column = np.repeat(np.arange(n), np.diff(attribute.indptr)), place[attribute.codes]
        matrix[owner[column >= 0], column[column >= 0]] = 1
        return matrix
    dims = _dims(feature, attribute)
    answer = np.zeros((n, dims), np.float32)
    if attribute.kind == "text":
        from sklearn.decomposition import TruncatedSVD  # a second to come in, and most servers need it not
        from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

        counts = HashingVectorizer(n_features=TEXT_WIDTH, alternate_sign=False, norm=None).transform(
            attribute.text
        )
        vectors = TfidfTransformer().fit_transform(counts)
        there = min(dims, max(min(vectors.shape) - 1, 1))
        answer[:, :there] = TruncatedSVD(there, random_state=0).fit_transform(vectors)
        return answer
    matrix = attribute.values.astype(np.float64)
    known = np.isfinite(matrix).all(axis=1).reshape(-1)
    if not known.any():
        return np.full((n, dims), np.nan, np.float32)
    centred = np.where(known[:, None], matrix - matrix[known].mean(0), 0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    axes = vectors[:, ::-1][:, :dims]
    axes *= np.where(np.take_along_axis(axes, np.abs(axes).argmax(0)[None], 0) < 0, -1, 1)  # one sign of two
    answer = (centred @ axes).astype(np.float32)
    answer[~known] = np.nan
    return answer


def category_codes(codes: np.ndarray, vocabulary: int, buckets: int) -> np.ndarray:
    """Category codes as the ranker sees them: below `buckets` as they are, more of them hashed."""
    if vocabulary <= buckets:
        return codes
    return np.where(codes < 0, -1, hashed(codes.astype(np.int64), buckets))


def hashed(codes: np.ndarray, buckets: int) -> np.ndarray:
    """Spread codes over buckets (Fibonacci hashing)."""
    mixed = codes.astype(np.uint64) * np.uint64(11400714819323198485)
    return ((mixed >> np.uint64(33)) % np.uint64(buckets)).astype(np.int64)


def number(attribute: Attribute, buckets: int = 2**31) -> np.ndarray:
    """A number or category as floats, NaN where unknown."""
    if attribute.kind == "number":
        return attribute.values
    codes = category_codes(attribute.codes, len(attribute.vocabulary), buckets)
    return np.where(codes < 0, np.nan, codes)
