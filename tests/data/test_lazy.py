from __future__ import annotations

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import pytest

from shortlist.data.lazy import lazy_property


@dataclass(frozen=True)
class Square:
    side: int

    @lazy_property
    def area(self) -> list[int]:
        """The area."""
        return [self.side * self.side]


class Pair:
    """Two lazy properties; each reads that of a partner, and both threads are in the middle when they do."""

    def __init__(self, barrier: threading.Barrier) -> None:
        self.barrier = barrier
        self.partner = self

    @lazy_property
    def outer(self) -> int:
        self.barrier.wait(10)
        return self.partner.inner + 1

    @lazy_property
    def inner(self) -> int:
        return 1


class Crossed:
    """`left` of one object reads `right` of another, and the reverse."""

    def __init__(self, barrier: threading.Barrier) -> None:
        self.barrier = barrier
        self.left_of: Crossed | None = None
        self.right_of: Crossed | None = None

    @lazy_property
    def left(self) -> int:
        if self.right_of is None:
            return 1
        self.barrier.wait(10)
        return self.right_of.right + 1

    @lazy_property
    def right(self) -> int:
        if self.left_of is None:
            return 1
        self.barrier.wait(10)
        return self.left_of.left + 1


def test_the_value_is_computed_once_and_stored() -> None:
    square = Square(3)
    assert "area" not in vars(square)
    assert square.area == [9]
    assert square.area is square.area is vars(square)["area"]
    assert replace(square, side=4).area == [16]
    assert pickle.loads(pickle.dumps(square)).area == [9]


def test_the_class_shows_the_property_and_its_text() -> None:
    assert repr(Square.area) == "lazy_property(area)"
    assert Square.area.__doc__ == "The area."


def test_an_error_is_raised_again_and_nothing_is_stored() -> None:
    class Broken:
        @lazy_property
        def value(self) -> int:
            raise ValueError("no value")

    broken = Broken()
    for _ in range(2):
        with pytest.raises(ValueError, match="no value"):
            broken.value  # noqa: B018 - reading computes
    assert vars(broken) == {}


def test_threads_get_the_same_object() -> None:
    for _ in range(50):
        square, start = Square(5), threading.Barrier(8)

        def read(square: Square = square, start: threading.Barrier = start) -> list[int]:
            start.wait(10)
            return square.area

        with ThreadPoolExecutor(8) as pool:
            found = [task.result() for task in [pool.submit(read) for _ in range(8)]]
        assert all(value is square.area for value in found)


def test_objects_of_one_class_are_computed_at_the_same_time() -> None:
    """Both threads reach the barrier inside the property, which a lock per class would prevent."""
    barrier = threading.Barrier(2)
    pairs = [Pair(barrier), Pair(barrier)]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda pair: pair.outer, pairs)) == [2, 2]


def test_nested_properties_in_opposite_orders_do_not_block() -> None:
    barrier = threading.Barrier(2)
    first, second = Crossed(barrier), Crossed(barrier)
    first.right_of = Crossed(barrier)
    second.left_of = Crossed(barrier)
    with ThreadPoolExecutor(2) as pool:
        left, right = pool.submit(lambda: first.left), pool.submit(lambda: second.right)
        assert (left.result(timeout=20), right.result(timeout=20)) == (2, 2)
