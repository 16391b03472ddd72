"""Help texts: nothing is lost to markup, defaults are stated, and showing help imports no heavy library."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version

import pytest
import typer
from rich.text import Text
from typer.testing import CliRunner

from shortlist.cli.main import app

HEAVY = (
    "duckdb",
    "faiss",
    "fastapi",
    "numba",
    "numpy",
    "pandas",
    "polars",
    "pydantic",
    "pyarrow",
    "scipy",
    "sklearn",
    "sqlalchemy",
    "xgboost",
)
WIDE = {"COLUMNS": "400", "TERM": "dumb"}


def commands(group: object = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Yield every command and group with its name on the command line."""
    group = typer.main.get_command(app) if group is None else group
    yield path, group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))


COMMANDS = dict(commands())


def texts(command: object) -> list[str]:
    """Return the help texts of a command, its arguments and options."""
    own = [part for part in str(getattr(command, "help", "") or "").split("\n\n") if part]
    return own + [help_ for p in command.params if (help_ := getattr(p, "help", None))]  # type: ignore[attr-defined]


def flat(text: str) -> str:
    return "".join(re.sub(r"[│╭╮╰╯─]", "", text).split())


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_shows_every_text(path: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*path, "--help"], env=WIDE)
    assert shown.exit_code == 0, shown.output
    for text in texts(COMMANDS[path]):
        literal = text.replace(r"\[", "[")
        assert Text.from_markup(text).plain == literal, "a part in brackets is taken for markup; write \\["
        assert flat(literal) in flat(shown.output)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_and_option_is_described(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    assert str(command.help).strip().endswith(".")  # type: ignore[attr-defined]
    for parameter in command.params:  # type: ignore[attr-defined]
        if parameter.name != "help":
            assert getattr(parameter, "help", ""), f"{' '.join(path)}: {parameter.name}"
            assert " without" not in parameter.help, "write (default: …)"


def test_section_names_are_shown() -> None:
    assert "[rerank]" in CliRunner().invoke(app, ["preview", "--help"], env=WIDE).output
    assert "[rerank]" in CliRunner().invoke(app, ["--help"], env=WIDE).output
    assert "user_id, item_id[, timestamp]" in CliRunner().invoke(app, ["evaluate", "--help"], env=WIDE).output


def test_serve_states_its_bind_address() -> None:
    shown = " ".join(CliRunner().invoke(app, ["serve", "--help"], env=WIDE).output.split())
    assert "Bind address. [default: 127.0.0.1]" in shown


def test_help_imports_no_heavy_library() -> None:
    script = (
        "import sys\nfrom shortlist.cli.main import main\nsys.argv = ['shortlist', '--help']\n"
        f"try:\n    main()\nexcept SystemExit:\n    pass\nprint('loaded:', [m for m in {HEAVY} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert "loaded: []" in done.stdout


def test_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"shortlist {version('shortlist')}\n")
