"""What was run together can be undone, with all that was built on it."""

from __future__ import annotations

import numpy as np

from observatory.reference.record import Generation, Record
from observatory.reference.state import State, Whole
from observatory.reference.world import PulseResponse


def record_of_three(state: State, owner: Whole) -> Record:
    """Agent 0 is woken at 1 s and, on top of that, at 2 s; agent 1 at 3 s, alone."""
    record = Record(state, owner, base=10)
    record.begin(np.array([1.0, 2.0, 3.0]))
    for instant, agent in enumerate((0, 0, 1)):
        queue = np.array([agent])
        record.add(
            Generation(
                queue, np.array([instant]), np.array([True]), state.copy(queue), owner[queue]
            )
        )
        state.due[queue] = 11.0 + instant
        state.rank[queue] = 7
        owner[queue] = record.base + instant
    record.build(np.array([0]), np.array([1]))
    return record


def test_what_was_built_on_an_instant_is_undone_with_it() -> None:
    state = State(np.array([1.0, 3.0]), PulseResponse(10.0, 2.0, 0.0, 0.1))
    owner = np.full(2, -1)
    record = record_of_three(state, owner)
    touched = record.undo(np.array([True, False, False]))
    assert touched.tolist() == [0, 0]
    assert record.stands.tolist() == [False, False, True]
    assert state.due.tolist() == [1.0, 13.0]
    assert state.rank.tolist() == [0, 7]
    assert owner.tolist() == [-1, 12]
    assert [part.tolist() for part in record.flashes()] == [[1], [3.0]]


def test_what_it_was_built_on_stays() -> None:
    state = State(np.array([1.0, 3.0]), PulseResponse(10.0, 2.0, 0.0, 0.1))
    owner = np.full(2, -1)
    record = record_of_three(state, owner)
    assert record.undo(np.array([False, True, False])).tolist() == [0]
    assert state.due.tolist() == [11.0, 13.0]
    assert owner.tolist() == [10, 12]
    assert record.undo(np.array([False, True, False])).size == 0
