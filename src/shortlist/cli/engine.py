"""The options of commands that run on this machine or on a Spark cluster."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

import typer

from shortlist.errors import ShortlistError


class RunEngine(StrEnum):
    """The engine that does the work of a command."""

    here = "here"
    spark = "spark"


EngineOption = Annotated[
    RunEngine,
    typer.Option(help="here: this machine; spark: the executors of a Spark cluster (docs/how-to/spark.md)."),
]
MasterOption = Annotated[
    str | None,
    typer.Option(
        help="With --engine spark: local[*], spark://host:7077, yarn, k8s://… or sc://host:15002 (default: local[*])."
    ),
]


def check_engine(
    engine: RunEngine,
    master: str | None,
    here: Mapping[str, bool] | None = None,
    there: Mapping[str, bool] | None = None,
) -> None:
    """Raise `ShortlistError` for options that belong to another engine.

    Parameters
    ----------
    engine, master
        As they were given.
    here
        Name of an option that belongs to one machine → whether it was given.
    there
        The same for options that belong to a cluster, beside `--master`.
    """
    for name, given in {"master": master is not None, **(there or {})}.items():
        if engine is RunEngine.here and given:
            option = f"--{name.replace('_', '-')}"
            raise ShortlistError(
                f"{option} belongs to --engine spark; add it, or leave {option} out", field=name
            )
    for name, given in (here or {}).items():
        if engine is RunEngine.spark and given:
            option = f"--{name.replace('_', '-')}"
            raise ShortlistError(
                f"{option} works on one machine; leave out --engine spark, or {option}", field=name
            )
