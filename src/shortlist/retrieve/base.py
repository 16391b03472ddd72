"""The base class of every retriever."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from shortlist.config.base import Settings
from shortlist.config.validate import validate_settings
from shortlist.data.dataset import Dataset
from shortlist.data.entities import Entities
from shortlist.data.progress import Progress, silent
from shortlist.errors import BundleError, NotFittedError, ProjectError
from shortlist.retrieve.by_id import RecommendsById
from shortlist.retrieve.event_weighting import EventWeighting
from shortlist.retrieve.persistence import read_arrays, read_meta, write_arrays, write_meta
from shortlist.retrieve.requests import Candidates, Requests, top_k


class Retriever(RecommendsById, ABC):
    """A source of candidates: a model that maps histories to scores of items.

    A subclass sets `Config` and `arrays`, and implements `_fit` and `score`. It works in codes from 0 to n − 1;
    `recommend`, `similar_items` and `rank_items` are the same in ids. To make a subclass usable from `shortlist.toml`,
    register it: see `shortlist.register_retriever`.

    A fitted model never changes while it answers, so that many threads may use it at once: what a request needs beyond
    the learned arrays is derived once in `_prepare`, and work space is leased from a `ScratchPool`. A fitted model never
    grows either. It answers on a catalogue longer than the one it was fitted on: items from `n_items_` on have no score, are
    ignored in histories, and `Requests.allowed` may be longer. `with_items` returns a model that knows added
    items, where the kind of model can.

    Parameters
    ----------
    config
        The settings, as an instance of `Config`; default settings where it is None.
    event_weighting
        How much an event of a history counts (default: every event counts 1).
    settings
        Single settings by name; they take precedence over `config`.

    Attributes
    ----------
    config : Config
        The settings; `fit` does not change them.
    n_items_ : int
        Number of items in the catalogue that the model was fitted on.

    Raises
    ------
    ProjectError
        Where there is no such setting, or a value is out of range.
    """

    Config: ClassVar[type[Settings]] = Settings
    """The type of the settings."""
    name: ClassVar[str] = ""
    """The name of the model in `shortlist.toml`."""
    arrays: ClassVar[Mapping[str, str]] = {}
    """Learned array → the name of its file in a bundle."""
    facts: ClassVar[tuple[str, ...]] = ()
    """Learned attributes that are numbers or text; saved in `model.json`. Nothing else of a model is saved."""

    search_space: ClassVar[Sequence[tuple[tuple[str, ...], tuple[tuple[Any, ...], ...]]]] = ()
    """The axes that tuning searches, for models of other packages: names of settings that move together, and the values that
    they take in order, such as `(("half_life",), (("7d",), ("30d",)))`."""

    n_items_: int
    _progress: Progress = staticmethod(silent)
    """What `_fit` reports its progress to."""

    def __init__(
        self, config: Any = None, *, event_weighting: EventWeighting | None = None, **settings: Any
    ) -> None:
        self.config: Any = _make_config(type(self), config, settings)
        self.event_weighting = event_weighting or EventWeighting()

    # ---------------------------------------------------------------- training

    def fit(self, data: Dataset | Any, progress: Progress = silent) -> Self:
        """Learn from every event of a data set except impressions, and keep a reference to the data set for its ids.

        Parameters
        ----------
        data
            The data set; or a table of events in any form that `Dataset.from_frames` takes, whose columns are guessed.
        progress
            Called with the steps of models that train for minutes.
        """
        dataset = data if isinstance(data, Dataset) else Dataset.from_frames(data)
        self._progress = progress
        try:
            self._fit(dataset)
        finally:
            del self._progress
        self.attach(dataset)
        return self._finish(len(dataset.items))

    @abstractmethod
    def _fit(self, dataset: Dataset) -> None:
        """Learn the attributes that `arrays` names."""

    def _finish(self, n_items: int) -> Self:
        self.n_items_ = n_items
        self._prepare()
        return self

    def _prepare(self) -> None:
        """Derive from the learned attributes what requests need. Called after `fit` and after loading or copying.

        Store it in the attribute `_derived`, which copies and pickles leave out.
        """

    _derived: Any = None

    def warm_start(self, earlier: Retriever, rows: NDArray[np.integer]) -> Self:  # noqa: ARG002 - part of the interface
        """Let the next fit start from an earlier model of the same kind, where the kind of model can.

        Parameters
        ----------
        earlier
            The earlier model.
        rows
            int (items,): the place of each item in the earlier catalogue, −1 for new items.
        """
        return self

    def refreshed(self, dataset: Dataset) -> Retriever | None:  # noqa: ARG002 - part of the interface
        """Return a model with the settings that this one has found, fitted on a later log of the same catalogue.

        None where that takes more than a pass over the events: training asks for it several times.
        """
        return None

    def with_items(self, items: Entities) -> Retriever:  # noqa: ARG002 - part of the interface
        """Return a model that also knows items appended to the catalogue: this one, where the kind of model cannot."""
        return self

    # ---------------------------------------------------------------- requests

    @abstractmethod
    def score(self, requests: Requests) -> NDArray[np.float32]:
        """Return scores float32 (B, items): higher is better, −inf where the model proposes nothing.

        There is one column for each item that the model knows. Filters are not applied.
        """

    def retrieve(self, requests: Requests, k: int) -> Candidates:
        """Return the best k items of each request that its filters permit."""
        return top_k(requests.scored(self, self.score), requests, k)

    def score_items(self, requests: Requests, items: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return the scores of given items for each request. Filters are not applied.

        Parameters
        ----------
        items
            int (B, m): item codes, −1 for none.

        Returns
        -------
        NDArray
            float32 (B, m), −inf where the model has no score.
        """
        scores = requests.scored(self, self.score)
        there = (items >= 0) & (items < scores.shape[1])
        picked = np.take_along_axis(scores, np.where(there, items, 0), axis=1)
        return np.where(there, picked, -np.inf).astype(np.float32)

    def similar(self, item: int) -> NDArray[np.float32] | None:  # noqa: ARG002 - part of the interface
        """Return the similarity of each known item to one, float32 (items,).

        None where the model has no similarity, or does not know the item.
        """
        return None

    def explain(
        self,
        requests: Requests,  # noqa: ARG002 - part of the interface
        row: int,  # noqa: ARG002 - part of the interface
        items: NDArray[np.integer],  # noqa: ARG002 - part of the interface
    ) -> NDArray[np.floating] | None:
        """Return how much each event of a history contributes to the score of each item, float (items, events).

        None where the score of the model is no sum over events.
        """
        return None

    def strongest(
        self, requests: Requests, owner: NDArray[np.integer], items: NDArray[np.integer]
    ) -> NDArray[np.int64]:
        """Return the event that contributes most to the score of each item.

        Parameters
        ----------
        owner
            int (m,), rising: the request that each item is for.
        items
            int (m,): item codes.

        Returns
        -------
        NDArray
            int64 (m,): rows of the requests' histories, −1 where no event contributes.
        """
        found = np.full(len(items), -1, np.int64)
        for row in np.unique(owner).tolist():
            mine = np.flatnonzero(owner == row)
            shares = self.explain(requests, row, items[mine])
            if shares is not None and shares.shape[1]:
                largest = shares.argmax(1)
                positive = shares[np.arange(len(mine)), largest] > 0
                found[mine[positive]] = requests.histories.indptr[row] + largest[positive]
        return found

    @property
    def item_factors(self) -> NDArray[np.float32] | None:
        """The vector of each item, float32 (n_items_, d), where the model learns vectors whose products are scores."""
        return None

    # ---------------------------------------------------------------- bundles

    def save(self, folder: str | Path) -> None:
        """Write arrays, configuration and event weighting into a folder. Raises `NotFittedError` before `fit`."""
        folder = Path(folder)
        write_arrays(folder / "arrays", {file: getattr(self, name) for name, file in self.arrays.items()})
        write_meta(
            folder,
            {
                "model": self.name,
                "class": f"{type(self).__module__}:{type(self).__qualname__}",
                "config": self.config.model_dump(),
                "event_weighting": {
                    "weights": dict(self.event_weighting.weights),
                    "values": dict(self.event_weighting.values),
                },
                "items": self.n_items_,
                "learned": {name: getattr(self, name) for name in self.facts},
            },
        )

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read a model that `save` wrote.

        Raises
        ------
        BundleError
            Where the folder does not hold a model of this kind.
        """
        folder = Path(folder)
        meta = read_meta(folder)
        if meta["model"] != cls.name:
            raise BundleError(f"{folder} holds a {meta['model']} model, not {cls.name}")
        model = cls._from_meta(folder, meta)
        learned = read_arrays(folder / "arrays", list(cls.arrays.values()))
        for name, file in cls.arrays.items():
            setattr(model, name, learned[file])
        for name in cls.facts:  # an earlier version wrote them into the settings
            value = meta.get("learned", {}).get(name)
            setattr(
                model, name, getattr(model.config, name.removesuffix("_"), None) if value is None else value
            )
        return model._finish(model._saved_items(meta))  # noqa: SLF001 - its own instance

    @classmethod
    def _from_meta(cls, folder: Path, meta: Mapping[str, Any]) -> Self:
        weighting = meta.get("event_weighting", {})
        try:
            config = cls.Config.model_validate(meta["config"])
        except ValidationError as error:
            raise BundleError(f"{folder}: the settings of {cls.name} cannot be read: {error}") from None
        return cls(config, event_weighting=EventWeighting(**weighting))

    def _saved_items(self, meta: Mapping[str, Any]) -> int:
        """Return the size of the catalogue of a saved model; a model of an earlier version derives it from its arrays."""
        return int(meta["items"])

    # ---------------------------------------------------------------- parameters and copies

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 - as in scikit-learn
        """Return the settings by name, as scikit-learn's estimators do."""
        return {**self.config.model_dump(), "event_weighting": self.event_weighting}

    def set_params(self, **params: Any) -> Self:
        """Replace settings. A fitted model keeps what it has learned until the next `fit`.

        Raises
        ------
        ProjectError
            Where there is no such setting, or a value is out of range.
        """
        weighting = params.pop("event_weighting", self.event_weighting)
        self.config = _make_config(type(self), self.config, params)
        self.event_weighting = weighting or EventWeighting()
        return self

    def __sklearn_clone__(self) -> Self:
        return type(self)(self.config, event_weighting=self.event_weighting)

    def __repr__(self) -> str:
        fields = type(self.config).model_fields
        changed = [
            f"{name}={value!r}"
            for name, value in ((name, getattr(self.config, name)) for name in fields)
            if value != fields[name].get_default(call_default_factory=True)
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_derived"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "n_items_" in state:
            self._prepare()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        memo[id(self._dataset)] = self._dataset  # a data set is immutable: copies share it
        twin = object.__new__(type(self))
        memo[id(self)] = twin
        twin.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        return twin

    def _shared(self) -> Self:
        """Return a model that shares everything with this one."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            # learned attributes end with an underscore, and are missing until `fit` sets them; a property that reads
            # one arrives here as well, because its NotFittedError is an AttributeError
            if (name.endswith("_") and not name.startswith("_")) or hasattr(type(self), name):
                raise NotFittedError(f"{type(self).__name__} is not fitted yet; call fit(dataset) first")
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def _make_config(cls: type[Retriever], config: Any, settings: Mapping[str, Any]) -> Settings:
    """Return checked settings: those of `config`, replaced by single ones."""
    if config is not None and not isinstance(config, cls.Config):
        raise ProjectError(
            f"{cls.__name__}: config must be a {cls.Config.__name__} and is a {type(config).__name__}",
            field="config",
        )
    if config is not None and not settings:
        return config
    values = {} if config is None else config.model_dump()
    return validate_settings(cls.Config, {**values, **settings}, lambda _: f"{cls.__name__}: ")
