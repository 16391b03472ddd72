"""The recommender's clock: a machine's clock that jumps, logs that ended long ago, and times that clients give."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from shortlist.cascade import clock as module
from shortlist.cascade.clock import BELIEVED, DAY, Clock
from shortlist.errors import RequestError
from shortlist.store.records import AHEAD, LAST_MOMENT


class Machine:
    """A machine's two clocks: the one that is set, and the one that counts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall, self.steady = 1_700_000_000_000, 5_000_000
        monkeypatch.setattr(module, "_wall", lambda: self.wall)
        monkeypatch.setattr(module, "_steady", lambda: self.steady)

    def wait(self, milliseconds: int) -> None:
        self.wall += milliseconds
        self.steady += milliseconds


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_time_goes_on(machine: Machine) -> None:
    clock = Clock(machine.wall - 1000)
    assert clock.now() == machine.wall
    machine.wait(60_000)
    assert clock.now() == machine.wall
    machine.wall -= 2_000  # a small correction
    before = clock.now()
    machine.wait(1_000)
    assert clock.now() == before, "it stands still rather than going back"
    machine.wait(5_000)
    assert clock.now() == machine.wall


def test_a_clock_that_jumps_and_comes_back(machine: Machine) -> None:
    clock = Clock(machine.wall)
    true = machine.wall
    machine.wall += 3 * DAY
    assert clock.now() == true
    machine.wait(10_000)
    assert clock.now() == true + 10_000
    machine.wall -= 3 * DAY
    machine.wait(10_000)
    assert clock.now() == machine.wall == true + 20_000


def test_a_clock_that_stays_where_it_jumped_is_believed(machine: Machine) -> None:
    clock = Clock(machine.wall)
    machine.wall += 3 * DAY
    clock.now()
    machine.wait(BELIEVED + 1)
    assert clock.now() == machine.wall


def test_times_of_clients(machine: Machine) -> None:
    clock = Clock(machine.wall - 1000)
    now = machine.wall
    assert clock.reading(now - 5 * DAY) == now - 5 * DAY
    assert clock.reading(now + AHEAD) == now, "a clock that is a little ahead: the event happened now"
    assert clock.reading(now + AHEAD + 1) is None


@pytest.mark.parametrize("moment", [-1, 1.5, "now", True, None, LAST_MOMENT, 2**70])
def test_times_of_callers_are_checked(machine: Machine, moment: object) -> None:
    with pytest.raises(RequestError, match="timestamp must be a whole number"):
        Clock(machine.wall).checked(moment)


def test_times_of_callers(machine: Machine) -> None:
    """In Python a time is kept as it is, unless it lies in the future or is one of another clock."""
    present, past = Clock(machine.wall - 1000), Clock(machine.wall - 90 * DAY)
    assert present.checked(np.int64(machine.wall + 10)) == machine.wall + 10
    with pytest.raises(RequestError, match="five minutes ahead"):
        present.checked(machine.wall + AHEAD + 1)
    assert past.checked(machine.wall) == past.now(), "a time of the machine's clock empties no window"
    assert past.checked(machine.wall - 90 * DAY + 5) == machine.wall - 90 * DAY + 5


def test_a_log_that_ended_long_ago(machine: Machine) -> None:
    end = machine.wall - 90 * DAY
    clock = Clock(end)
    assert clock.now() == end
    machine.wait(60_000)
    assert clock.now() == end + 60_000
    assert clock.reading(machine.wall) == end + 60_000, "a time of the machine's clock"
    assert clock.reading(machine.wall - 30_000) == end + 30_000
    assert clock.reading(end + 10) == end + 10, "a time of the log's clock"
    assert clock.reading(machine.wall + DAY) is None


def test_stored_times(machine: Machine) -> None:
    present, past = Clock(machine.wall - 1000), Clock(machine.wall - 90 * DAY)
    assert present.accepts(machine.wall + AHEAD)
    assert not present.accepts(machine.wall + DAY)
    # a log's own clock catches up with what was stored before a restart
    stored = machine.wall - 88 * DAY
    assert past.accepts(stored)
    assert past.now() == stored
    assert not past.accepts(machine.wall + DAY)
    assert past.now() == stored
    copy = pickle.loads(pickle.dumps(past))
    assert copy.now() == stored
