"""What has been added to running totals lately."""

from __future__ import annotations

import pytest

from observatory.experiments.recent import Recent


def test_rates_are_those_of_the_last_seconds() -> None:
    recent = Recent(2.0, 2)
    for quarter in range(1, 41):
        time = quarter / 4
        recent.note(time, 40 * quarter, quarter**2)
        began = max(0, quarter - 8)
        assert recent.before == (40 * began, began**2)
        squares = (quarter**2 - began**2) / (time - began / 4)
        assert recent.per_second() == [160.0, pytest.approx(squares)]


def test_of_rare_notes_the_one_before_the_last_seconds_counts() -> None:
    recent = Recent(2.0, 1)
    recent.note(10.0, 50)
    assert recent.per_second() == [5.0]
    recent.note(13.0, 50)
    assert recent.before == (50,)
    assert recent.per_second() == [0.0]


def test_before_any_time_has_passed_nothing_was_added() -> None:
    recent = Recent(2.0, 2)
    assert recent.per_second() == [0.0, 0.0]
    recent.note(0.0, 3, 4)
    recent.note(0.0, 5, 5)
    assert recent.per_second() == [0.0, 0.0]
    recent.note(0.5, 5, 6)
    assert recent.per_second() == [0.0, 2.0]
