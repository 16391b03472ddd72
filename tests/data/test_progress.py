"""Progress as lines, with the remaining time, written at once."""

from __future__ import annotations

import io
import re
import subprocess
import sys

import pytest
from rich.console import Console

from shortlist.data.progress import StepLines, format_seconds, part_of, progress_bars


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def lines(*reports: tuple[float, str, float]) -> list[str]:
    """Return the lines of reports (seconds since the one before, step, fraction)."""
    clock, written = Clock(), list[str]()
    report = StepLines(written.append, clock)
    for seconds, step, fraction in reports:
        clock.now += seconds
        report(step, fraction)
    return written


def test_a_step_has_a_line_when_it_begins_one_when_it_ends_and_one_every_ten_seconds() -> None:
    assert lines(
        (0, "boil", 0.0), (4, "boil", 0.1), (8, "boil", 0.25), (6, "boil", 0.5), (12, "boil", 0.75), (1, "boil", 1.0)
    ) == [
        "boil …",
        "boil … 25% after 12 s, about 36 s left",
        "boil … 75% after 30 s, about 10 s left",
        "boil: 31 s",
    ]  # fmt: skip


def test_a_step_that_is_only_reported_at_its_end_began_with_the_end_of_the_one_before() -> None:
    assert lines((0, "a", 0.0), (2, "a", 1.0), (3, "b", 1.0), (0, "b", 1.0), (1, "a", 1.0)) == [
        "a …",
        "a: 2.0 s",
        "b: 3.0 s",
        "a: 1.0 s",
    ]


def test_a_statement_has_no_time_and_no_bar() -> None:
    clock, written = Clock(), list[str]()
    report = StepLines(written.append, clock)
    report("epoch 1", 0.0)
    clock.now += 3
    report("epoch 1", 1.0)
    report("loss 2.5", 1.0)
    assert written == ["epoch 1 …", "epoch 1: 3.0 s", "loss 2.5"]
    out = io.StringIO()
    with progress_bars(Console(file=out, force_terminal=True, width=100, markup=False)) as bars:
        bars("epoch 1", 0.0)
        bars("loss [2.5]", 1.0)
        bars("loss [2.5]", 1.0)
    (line,) = (line for line in out.getvalue().splitlines() if "loss [2.5]" in line)
    assert "%" not in line
    assert "epoch 1" in out.getvalue()


def test_parts_of_a_step_are_part_of_its_time() -> None:
    assert lines(
        (0, "fit", 0.0), (1, "fit: a", 0.0), (5, "fit: a", 1.0), (0, "fit: told", 1.0), (2, "fit", 1.0)
    ) == [
        "fit …",
        "fit: a …",
        "fit: a: 5.0 s",
        "fit: told",
        "fit: 8.0 s",
    ]


def test_a_step_of_several_folds_begins_again() -> None:
    assert lines((0, "fit", 0.0), (5, "fit", 1.0), (0, "fit", 0.0), (7, "fit", 1.0)) == [
        "fit …",
        "fit: 5.0 s",
        "fit …",
        "fit: 7.0 s",
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (99.4, "99 s"), (99.6, "2 min"), (5910, "98 min"), (5999, "1 h 40 min"), (7800, "2 h 10 min")],
)  # fmt: skip
def test_durations_in_words(seconds: float, words: str) -> None:
    assert format_seconds(seconds) == words


def test_parts_of_a_step() -> None:
    seen: list[float] = []
    part_of(seen.append, 1, 4)(0.5)
    assert seen == [0.375]


def test_bars_show_the_remaining_time() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, markup=False)
    with progress_bars(console) as report:
        report("[fit]", 0.0)
        report("[fit]", 0.5)
        report("[fit]", 0.0)  # the next fold
        report("[fit]", 1.0)
    assert "[fit]" in out.getvalue()
    assert "100%" in out.getvalue()


def test_times_stay_whole_in_a_narrow_terminal() -> None:
    """A long name continues on a second line."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, markup=False)
    name = "tuning spectral, 4 of 4; best of 35 trials: neighbours 0.2444"
    with progress_bars(console) as report:
        report(name, 0.0)
        report(name, 1.0)
    lines = [line for line in out.getvalue().splitlines() if line.startswith("neighbours 0.2444")]
    assert lines, "the end of the name begins a line"
    done = [line for line in out.getvalue().splitlines() if "100%" in line][-1]
    assert "tuning spectral" in done
    assert re.search(r"\d\.\d s", done)


def test_a_plan_says_which_step_it_is_and_which_are_left() -> None:
    clock, written = Clock(), list[str]()
    report = StepLines(written.append, clock, plan=["fit", "rank"])
    for step, fraction in (("fit", 0.0), ("fit", 1.0), ("more", 0.0), ("rank", 0.5)):
        report(step, fraction)
    assert written == ["1/2 fit …", "1/2 fit: 0.0 s", "more …", "2/2 rank …"]
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, markup=False)
    with progress_bars(console, ["fit", "rank"]) as bars:
        bars("fit", 0.0)
        bars("fit", 1.0)
    last = [line for line in out.getvalue().splitlines() if "fit" in line or "rank" in line][-2:]
    assert "100%" in last[0]
    assert "waiting" in last[1]
    assert "100%" not in last[1]


CHILD = """
from shortlist.cli.terminal import print_text, progress_bars
with progress_bars() as report:
    report("fit", 0.0)
    input()
    report("fit", 1.0)
print_text("done")
"""


def test_a_pipe_gets_each_line_at_once() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "fit …\n"  # while the child waits for a line of ours
        child.stdin.write("\n")
        child.stdin.close()
        assert child.stdout.readline().startswith("fit: ")
        assert child.stdout.readline() == "done\n"
