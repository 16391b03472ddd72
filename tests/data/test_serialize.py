"""A data set on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shortlist.data.attributes import CodedAttribute
from shortlist.data.dataset import Dataset
from shortlist.data.serialize import load_dataset, save_dataset
from shortlist.errors import BundleError


def test_a_data_set_comes_back_and_leaves_its_log_unread(dataset: Dataset, tmp_path: Path) -> None:
    save_dataset(dataset, tmp_path / "d")
    again = load_dataset(tmp_path / "d")
    assert list(again.items.titles) == list(dataset.items.titles)
    np.testing.assert_array_equal(again.first, dataset.first)
    np.testing.assert_array_equal(again.log.item, dataset.log.item)
    for name, attribute in dataset.items.attributes.items():
        other = again.items.attributes[name]
        assert type(other) is type(attribute)
        assert other.to_arrow() == attribute.to_arrow()
        if isinstance(attribute, CodedAttribute):
            assert isinstance(other, CodedAttribute)
            np.testing.assert_array_equal(other.codes, attribute.codes)
            assert other.vocabulary == attribute.vocabulary
    earliest: dict[int, int] = {}
    for item, time in zip(dataset.log.item.tolist(), dataset.log.time.tolist(), strict=True):
        earliest[item] = min(time, earliest.get(item, time))
    assert {i: int(dataset.first[i]) for i in earliest} == earliest
    assert (np.delete(dataset.first, list(earliest)) == np.iinfo(np.int64).min).all()
    np.save(tmp_path / "d" / "first.npy", dataset.first[:-1])
    with pytest.raises(BundleError, match="first event"):
        load_dataset(tmp_path / "d")
