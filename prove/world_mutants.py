"""The kept mutants of the observatory's calculations."""

from __future__ import annotations

from prove.mutant import Mutant

PULSES = "observatory/reference/pulses.py"
MATRIX = "observatory/reference/large.py"
FLASHING = "tests/observatory/reference/test_large.py"

WORLD_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "an oscillator that a flash has moved is forgotten",
        PULSES,
        "elif old_day != day:",
        "elif old_day != day and reached == 0:",
        FLASHING,
    ),
    Mutant(
        "who is due later on a day is forgotten when time stops within it",
        PULSES,
        "for _, number, agent in agenda:",
        "for _, number, agent in agenda[:0]:",
        FLASHING,
    ),
    Mutant(
        "an oscillator that has flashed hears what comes later in that instant",
        PULSES,
        "if flashed_at[agent] != now:",
        "if at > -1.0:",
        FLASHING,
    ),
    Mutant(
        "of those who are due at one time, the last comes first",
        PULSES,
        "serial[agent] = next_serial",
        "serial[agent] = -next_serial",
        FLASHING,
    ),
    Mutant(
        "instants for whose flashes there is no room are left for another time",
        PULSES,
        "is_done = len(agenda) == 0 or agenda[0][0] >= until",
        "is_done = True",
        FLASHING,
    ),
    Mutant(
        "the neighbours of large worlds don't go around the edge",
        MATRIX,
        "(column + across) % width",
        "np.clip(column + across, 0, width - 1)",
        FLASHING,
    ),
)
