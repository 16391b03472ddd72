"""Registries of models that a project file can name: ours, and those of other packages."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar, cast

from shortlist.config.validate import Place
from shortlist.errors import ProjectError, suggestion

T = TypeVar("T")
C = TypeVar("C")


class PluginRegistry(Mapping[str, type[T]], Generic[T]):
    """Classes by the name that `shortlist.toml` calls them.

    A class comes from one of three places, looked up in this order: built in, registered by the decorator `register`, or
    announced by an installed package as an entry point. Built-in classes and entry points are imported when they are
    first used.

    Parameters
    ----------
    kind
        What the classes are, for messages: `retriever`.
    base
        The class that every registered class must extend.
    group
        The entry-point group in which packages announce their classes: `shortlist.retrievers`.
    built_in
        Name → `module:Class`.

    Examples
    --------
    In the `pyproject.toml` of a package that provides a retriever::

        [project.entry-points."shortlist.retrievers"]
        mine = "my_package.retriever:Mine"
    """

    def __init__(self, kind: str, base: type[T], group: str, built_in: Mapping[str, str]) -> None:
        self.kind, self.base, self.group = kind, base, group
        self._built_in = dict(built_in)
        self._classes: dict[str, type[T]] = {}
        self._announced: dict[str, EntryPoint] | None = None

    def register(self, name: str) -> Callable[[type[C]], type[C]]:
        """Return a class decorator that registers the class under a name, and sets its attribute `name`.

        Raises
        ------
        ProjectError
            Where the name is taken by another class, or the class does not extend the base class.
        """

        def decorate(cls: type[C]) -> type[C]:
            if not issubclass(cast("type", cls), self.base):
                raise ProjectError(
                    f"{cls.__qualname__} cannot be registered as a {self.kind}: it does not extend "
                    f"{self.base.__module__}.{self.base.__qualname__}"
                )
            known = self._classes.get(name)
            same = known is not None and _path(known) == _path(cls)  # the module was reloaded
            if name in self._built_in or (known is not None and not same):
                owner = self._built_in.get(name) or _path(cast("type", known))
                raise ProjectError(
                    f"the {self.kind} name {name!r} is taken by {owner}; choose another name", field="model"
                )
            cls.name = name  # type: ignore[attr-defined]
            self._classes[name] = cast("type[T]", cls)
            return cls

        return decorate

    def find(self, name: object, where: Place = lambda _: "", field: str = "model") -> type[T]:
        """Return the class of a name.

        `where(field)` is the beginning of an error message; it is computed only where there is an error.

        Raises
        ------
        ProjectError
            Where no class has this name; the message lists the names and suggests the nearest.
        """
        if isinstance(name, str) and name in self:
            return self[name]
        raise ProjectError(
            f"{where(field)}there is no {self.kind} {name!r}{suggestion(str(name), self)}; there are: {', '.join(self)}. "
            f"{'An' if self.kind[0] in 'aeiou' else 'A'} {self.kind} of another package must be installed (entry point group {self.group!r}) or its module imported",
            field=field,
        )

    def __getitem__(self, name: str) -> type[T]:
        if name in self._classes:
            return self._classes[name]
        if name in self._built_in:
            module, _, attribute = self._built_in[name].partition(":")
            found = cast("type[T]", getattr(importlib.import_module(module), attribute))
        else:
            found = self._load(self._entry_points()[name])
        self._classes[name] = found
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._built_in, *self._classes, *self._entry_points()]))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        return name in self._built_in or name in self._classes or name in self._entry_points()

    def __repr__(self) -> str:
        return f"PluginRegistry({self.kind}: {', '.join(self)})"

    def _entry_points(self) -> dict[str, EntryPoint]:
        if self._announced is None:
            self._announced = {point.name: point for point in entry_points(group=self.group)}
        return self._announced

    def _load(self, point: EntryPoint) -> type[T]:
        package = point.dist.name if point.dist is not None else point.module
        try:
            cls = point.load()
        except Exception as error:
            raise ProjectError(
                f"the {self.kind} {point.name!r} of the package {package} cannot be imported ({point.value}): "
                f"{type(error).__name__}: {error}"
            ) from error
        if not (isinstance(cls, type) and issubclass(cls, self.base)):
            raise ProjectError(
                f"the {self.kind} {point.name!r} of the package {package} is {point.value}, which does not extend "
                f"{self.base.__module__}.{self.base.__qualname__}"
            )
        cls.name = point.name  # type: ignore[attr-defined]
        return cls


def _path(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"
