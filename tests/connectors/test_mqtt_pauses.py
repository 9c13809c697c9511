"""Pauses between attempts to reach a broker grow, and differ from client to client."""

from __future__ import annotations

import random

from cascade.connectors.mqtt_pauses import Pauses


def test_pauses_double_up_to_a_limit_and_are_shortened_at_random() -> None:
    pauses, again = (Pauses(1.0, 60.0, random.Random(7)) for _ in range(2))
    got = [pauses.next() for _ in range(10)]
    assert got == [again.next() for _ in range(10)]
    for pause, most in zip(got, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60], strict=True):
        assert most / 2 <= pause <= most
    assert len(set(got)) == 10


def test_pauses_begin_anew_after_a_connection_that_lasted() -> None:
    pauses = Pauses(1.0, 60.0, random.Random(7))
    for _ in range(5):
        pauses.next()
    assert pauses.next(connected=10) > 10  # one of 32 seconds was due
    assert pauses.next(connected=100) <= 1
    assert 1 <= pauses.next() <= 2
