"""The directory of a sweep: what it is, and one file for each run that is finished."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from observatory.experiments.sweep.plan import Run, Sweep
from observatory.writing import naming

DESCRIPTION = "sweep.json"
"""Says what the sweep in a directory is."""
RUNS = "runs"
"""The directory in it with the files of the runs."""
TABLE = "table.csv"
"""A line for each run."""
SUMMARY = "summary.csv"
"""A line for each point and metric."""
FIGURE = "heatmap.svg"
"""The picture."""
OUTCOMES = (TABLE, SUMMARY, FIGURE)
"""What is made of all runs together, and anew each time."""
UNFINISHED = ".part"
"""How the name of a file ends that is being written."""


class StoreError(Exception):
    """A directory can't be used for a sweep; the text says why."""


@contextmanager
def opened(directory: Path, sweep: Sweep, *, extend: bool = False) -> Iterator[None]:
    """Make a directory ready for a sweep, and keep others away from it in the block.

    A directory that holds the same sweep is gone on with. The lock goes with the process, in
    whatever way that ends.

    Args:
        directory: made if it isn't there.
        sweep: what will be run.
        extend: also take a directory that holds another sweep, or a table or a picture of no
            sweep; runs that both sweeps have in common stay as they are.

    Raises:
        StoreError: it holds one of these, or a sweep that is under way.
        OSError: it can't be made or written to.
    """
    import fcntl  # where there is none, there are no process tasks either

    directory.mkdir(parents=True, exist_ok=True)
    lock = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError("a sweep is under way there") from None
        described = _difference(directory / DESCRIPTION, sweep)
        if described and not extend:
            raise StoreError(f"it holds {described}; --extend goes on with the new one")
        if described is None and not extend:
            _check_free(directory)
        if described != "":
            # They are of what was there: nobody may take them for those of the new one.
            for name in OUTCOMES:
                (directory / name).unlink(missing_ok=True)
            write_json(directory / DESCRIPTION, sweep.as_dict())
        (directory / RUNS).mkdir(exist_ok=True)
        _remove_unfinished(directory)
        yield
    finally:
        os.close(lock)


def _check_free(directory: Path) -> None:
    """Raise if a directory without a sweep holds a file that one would take the place of."""
    for name in OUTCOMES:
        if (directory / name).exists():
            raise StoreError(f"it holds a {name} of no sweep; --extend overwrites it")


def _remove_unfinished(directory: Path) -> None:
    """Remove what a killed sweep was writing, and nothing that somebody else may have there."""
    for name in (DESCRIPTION, *OUTCOMES, f"{RUNS}/*.json"):
        for left in directory.glob(f"{name}.*{UNFINISHED}"):
            if left.suffixes[-2][1:].isdecimal():
                left.unlink()


def _difference(file: Path, sweep: Sweep) -> str | None:
    """Say in what another sweep differs; "" if it is the same one, None if there is none."""
    try:
        there = json.loads(file.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        there = None
    # As plain data on both sides: what was written as a tuple is read as a list.
    new = json.loads(json.dumps(sweep.as_dict()))
    if not isinstance(there, dict):
        return f"a {file.name} that describes no sweep"
    # The order of names counts too: it is that of the columns.
    if json.dumps(there) == json.dumps(new):
        return ""
    names = [name for name in {**there, **new} if there.get(name) != new.get(name)]
    if not names:
        return "a sweep with its settings in another order"
    said = [
        f"{name} {json.dumps(there.get(name))}, not {json.dumps(new.get(name))}" for name in names
    ]
    return f"another sweep ({'; '.join(said)})"


def write_json(file: Path, value: Mapping[str, Any]) -> None:
    """Write a file of JSON so that it is there as a whole or not at all."""
    write_text(file, json.dumps(value, indent=1, allow_nan=False) + "\n")


def write_text(file: Path, text: str) -> None:
    """Write a file so that it is there as a whole or not at all.

    Raises:
        OSError: it can't be written; what was there before is still there.
    """
    part = file.with_name(f"{file.name}.{os.getpid()}{UNFINISHED}")
    try:
        with naming(file), part.open("w", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def run_file(directory: Path, run: Run) -> Path:
    """Return where the results of a run are, or will be."""
    return directory / RUNS / f"{run.digest}.json"


def write_run(directory: Path, run: Run, results: Mapping[str, Any]) -> None:
    """Write what came out of a run.

    Raises:
        OSError: it can't be written.
    """
    write_json(run_file(directory, run), {**run.identity, "results": dict(results)})


def read_run(
    directory: Path, run: Run, is_complete: Callable[[object], bool]
) -> dict[str, Any] | None:
    """Return what came out of a run; None if it isn't there, or not as a whole.

    Args:
        directory: that of the sweep.
        run: which run; a file that says it is of another one doesn't count.
        is_complete: whether results have all that they should have.

    Raises:
        OSError: the file is there and can't be read.
    """
    try:
        there = json.loads(run_file(directory, run).read_bytes())
    except (FileNotFoundError, IsADirectoryError, ValueError, RecursionError):
        return None  # nothing that this program has written
    if not isinstance(there, dict):
        return None
    results = there.pop("results", None)
    if there != run.identity or not is_complete(results):
        return None
    found: dict[str, Any] = results
    return found
