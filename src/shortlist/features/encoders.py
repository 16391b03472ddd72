"""Attributes as columns of the matrix: one column for a number or category, several for a list, text or embedding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shortlist.data.attributes import (
    Attribute,
    CategoryAttribute,
    CodedAttribute,
    EmbeddingAttribute,
    ListAttribute,
    NumberAttribute,
    TextAttribute,
)
from shortlist.features.spec import AttributeFeature
from shortlist.features.texts import TextVectorizer

TEXT_BUCKETS = 4096
SEVERAL_COLUMNS = {"list", "text", "embedding"}
"""Kinds of attributes that become several columns."""


class AttributeEncoder:
    """Encodes an attribute as columns. It learns the number of columns and their meaning from the training data.

    Parameters
    ----------
    feature
        The declaration.
    attribute
        The attribute in the training data.

    Attributes
    ----------
    names
        Name of each column.
    several
        Whether a value becomes several columns (list, text, embedding).
    """

    def __init__(self, feature: AttributeFeature, attribute: Attribute) -> None:
        self.feature = feature
        self.kind = attribute.kind
        self.several = attribute.kind in SEVERAL_COLUMNS
        self._vocabulary = len(attribute.vocabulary) if isinstance(attribute, CodedAttribute) else 0
        self._column_of_code = np.empty(0, np.int64)
        if isinstance(attribute, ListAttribute):
            codes = most_frequent(attribute, feature.most)
            self._column_of_code = np.full(max(self._vocabulary, 1), -1)
            self._column_of_code[codes] = np.arange(len(codes))
            self.names = [f"{feature.name}={attribute.vocabulary[code]}" for code in codes.tolist()]
        elif self.several:
            known = attribute.dimensions if isinstance(attribute, EmbeddingAttribute) else feature.dims
            self.names = [f"{feature.name}~{number + 1}" for number in range(min(feature.dims, known))]
        else:
            self.names = [feature.name]

    def __repr__(self) -> str:
        return f"AttributeEncoder({self.feature.name!r}, {self.kind}, {len(self.names)} columns)"

    def encode_all(self, attribute: Attribute) -> NDArray[np.float32]:
        """Encode a whole column of the training data, float32 (n, columns): texts and embeddings learn their components."""
        if isinstance(attribute, TextAttribute):
            return _text_components(attribute.text, len(self.names))
        if isinstance(attribute, EmbeddingAttribute):
            return _principal_components(attribute.values, len(self.names))
        return self.encode(attribute)

    def encode(self, attribute: Attribute) -> NDArray[np.float32]:
        """Encode numbers, categories or lists, float32 (n, columns), NaN where unknown.

        The columns do not depend on values that were added to the vocabulary after training.
        """
        if isinstance(attribute, ListAttribute):
            return self._encode_lists(attribute)
        if isinstance(attribute, NumberAttribute):
            return attribute.values[:, None]
        assert isinstance(attribute, CategoryAttribute)
        codes = bucket_codes(attribute.codes, self._vocabulary, self.feature.buckets)
        return np.where(codes < 0, np.nan, codes).astype(np.float32)[:, None]

    def _encode_lists(self, attribute: ListAttribute) -> NDArray[np.float32]:
        matrix = np.zeros((len(attribute), len(self.names)), np.float32)
        known = attribute.codes < len(self._column_of_code)
        owner = np.repeat(np.arange(len(attribute)), np.diff(attribute.indptr))[known]
        column = self._column_of_code[attribute.codes[known]]
        matrix[owner[column >= 0], column[column >= 0]] = 1
        return matrix

    def encode_changed(self, attribute: Attribute, old: NDArray[np.float32]) -> NDArray[np.float32]:
        """Encode rows that changed after training. old: their columns so far, NaN for new rows.

        A category that training has not seen is unknown. Texts and embeddings keep their columns: their components
        belong to the training.
        """
        if isinstance(attribute, (TextAttribute, EmbeddingAttribute)):
            return old
        columns = self.encode(attribute)
        if isinstance(attribute, CategoryAttribute):
            columns[attribute.codes >= self._vocabulary] = np.nan
        return columns


def most_frequent(attribute: ListAttribute, most: int) -> NDArray[np.int64]:
    """Return the codes of the most frequent values of a list, ascending; ties go to the lower code."""
    counts = np.bincount(attribute.codes, minlength=len(attribute.vocabulary))
    return np.sort(np.argsort(-counts, kind="stable")[:most])


def bucket_codes(
    codes: NDArray[np.int32], vocabulary: int, buckets: int
) -> NDArray[np.int32] | NDArray[np.int64]:
    """Return category codes as the ranker sees them: hashed if there are more than `buckets`."""
    if vocabulary <= buckets:
        return codes
    return np.where(codes < 0, -1, hash_codes(codes.astype(np.int64), buckets))


def hash_codes(codes: NDArray[np.int64], buckets: int) -> NDArray[np.int64]:
    """Distribute codes over buckets (Fibonacci hashing)."""
    mixed = codes.astype(np.uint64) * np.uint64(11400714819323198485)
    return ((mixed >> np.uint64(33)) % np.uint64(buckets)).astype(np.int64)


def _text_components(texts: Sequence[str], width: int) -> NDArray[np.float32]:
    """Latent semantic analysis: TF-IDF, then truncated SVD; unused columns are 0."""
    from sklearn.decomposition import TruncatedSVD  # see TextVectorizer

    vectors = TextVectorizer(TEXT_BUCKETS).fit_transform(texts)
    components = min(width, max(min(vectors.shape) - 1, 1))
    columns = np.zeros((len(texts), width), np.float32)
    columns[:, :components] = TruncatedSVD(components, random_state=0).fit_transform(vectors)
    return columns


def _principal_components(values: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    matrix = values.astype(np.float64)
    known = np.isfinite(matrix).all(axis=1).reshape(-1)
    if not known.any():
        return np.full((len(values), width), np.nan, np.float32)
    centred = np.where(known[:, None], matrix - matrix[known].mean(0), 0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    axes = vectors[:, ::-1][:, :width]
    # an eigenvector has two signs; take the one whose largest entry is positive
    axes *= np.where(np.take_along_axis(axes, np.abs(axes).argmax(0)[None], 0) < 0, -1, 1)
    columns: NDArray[np.float32] = (centred @ axes).astype(np.float32)
    columns[~known] = np.nan
    return columns
