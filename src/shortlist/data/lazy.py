"""A lazily computed attribute that takes no lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

T = TypeVar("T")


class lazy_property(Generic[T]):  # noqa: N801 - a decorator, written like `property`
    """Attribute of an immutable object that is computed when it is first read.

    `functools.cached_property` of Python 3.11 holds one lock per attribute of the class while it computes: objects that
    have nothing to do with each other wait for one another, and two threads that read nested properties in opposite
    orders block for ever. This attribute takes no lock. Two threads that read it first at the same time may both compute
    it; the value that is stored first is returned to both, so every reader gets the same object. The computation must
    therefore be a pure function of the object: computing it twice gives equal values, and has no side effects.

    The value is stored in the object's `__dict__`, and later reads cost as much as those of a plain attribute. Classes
    with `__slots__` are not supported.

    Parameters
    ----------
    compute
        The method that computes the value.

    Examples
    --------
    >>> class Circle:
    ...     def __init__(self, radius):
    ...         self.radius = radius
    ...
    ...     @lazy_property
    ...     def area(self):
    ...         return 3 * self.radius**2
    >>> Circle(2).area
    12
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self.compute = compute
        self.name = compute.__name__
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object | None, owner: type) -> Self | T:
        if instance is None:
            return self
        value: T = vars(instance).setdefault(self.name, self.compute(instance))  # setdefault is atomic
        return value

    def __repr__(self) -> str:
        return f"lazy_property({self.name})"
