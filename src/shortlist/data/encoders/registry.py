"""Every encoder by the name that a project file calls it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from shortlist.config.plugins import PluginRegistry
from shortlist.data.encoders.base import Encoder, FunctionEncoder

E = TypeVar("E")

ENCODERS: PluginRegistry[Encoder] = PluginRegistry(
    "encoder",
    Encoder,
    "shortlist.encoders",
    {
        "model2vec": "shortlist.data.encoders.static:Model2VecEncoder",
        "onnx": "shortlist.data.encoders.transformer:OnnxEncoder",
    },
)
"""Encoder name → class: ours, those registered by `register_encoder`, and those of installed packages."""


def register_encoder(name: str, version: str = "") -> Callable[[E], E]:
    """Make an encoder usable by name: `encoder = "…"` in `[items.encode.…]` of `shortlist.toml`.

    A decorator of a function from a list of n texts to an array (n, d), or of a class that extends `Encoder`. A package that is
    installed beside Shortlist can announce its encoder classes in the entry-point group `shortlist.encoders` instead.

    Parameters
    ----------
    name
        The name.
    version
        For a function: any text that changes where its vectors change. A bundle refuses an encoder of another version.

    Raises
    ------
    ProjectError
        Where the name is taken, or a class does not extend `Encoder`.

    Examples
    --------
    >>> @register_encoder("lengths")
    ... def lengths(texts):
    ...     return [[len(text), text.count(" ")] for text in texts]
    """

    def decorate(made: E) -> E:
        function: Any = made
        if isinstance(function, type):
            ENCODERS.register(name)(function)
            return made
        facts = {
            "function": staticmethod(function),
            "version": version,
            "__module__": function.__module__,
            "__qualname__": f"{function.__qualname__}.encoder",
            "__doc__": function.__doc__,
        }
        ENCODERS.register(name)(type(f"{name}_encoder", (FunctionEncoder,), facts))
        return made

    return decorate
