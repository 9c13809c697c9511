"""The record of a fireflies experiment: opened before it starts, and told what is seen of it."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from observatory.experiments.config import FirefliesConfig
from observatory.experiments.moment import Moment

if TYPE_CHECKING:
    from observatory.records.writer import RecordWriter

# The records are imported only where one is wanted: that takes a while, and not everybody has
# what they need.


def opened(
    filename: str | os.PathLike[str] | None,
) -> AbstractContextManager[RecordWriter | None]:
    """Open a record for the length of a block; None without a file.

    Raises:
        OSError: the file can't be written.
        MissingExtraError: pyarrow isn't installed.
    """
    if filename is None:
        return nullcontext()
    from observatory.records.writer import RecordWriter

    return RecordWriter(filename)


def begin(record: RecordWriter, config: FirefliesConfig, start: float, clock: str) -> None:
    """Write what is about to be run.

    Args:
        record: where.
        config: the settings.
        start: when it starts, in seconds on the loop's clock.
        clock: "real" or "virtual".

    Raises:
        OSError: it can't be written.
    """
    from observatory.records.format import Header

    width, height = config.shape
    real = clock == "real"
    record.begin(
        Header(
            agents=config.num_agents,
            width=width,
            height=height,
            period=config.period,
            duration=config.duration,
            seed=config.seed,
            clock=clock,
            start=start,
            started=datetime.now(UTC).isoformat(timespec="seconds") if real else None,
            settings=asdict(config),
        )
    )


def keep(record: RecordWriter, moment: Moment, local_order: float) -> None:
    """Add what was seen at a moment.

    Args:
        record: where.
        moment: what was seen.
        local_order: the mean over all agents of the order parameter of each and those around it
            in the picture; see `observatory.order.local_order`.

    Raises:
        OSError: something couldn't be written since the last call.
    """
    record.sample(
        moment.time,
        order_parameter=moment.order_parameter,
        local_order=local_order,
        flashes=moment.flashes,
        active=moment.active,
        waiting=moment.waiting,
        lateness_p99=moment.lateness_p99,
    )
