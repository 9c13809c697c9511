"""Makes `docs/pictures/record.svg`: what `observatory plot` draws of a record.

``python docs/figures/record.py``
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from cascade.testing import run_virtual
from observatory.experiments.run_fireflies import run_experiment
from observatory.records.plot import save
from observatory.records.reader import read_record

PICTURE = Path(__file__).parents[1] / "pictures" / "record.svg"

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        record = Path(directory) / "run.arrow"
        run_virtual(
            run_experiment(
                num_agents=400,
                period=2.0,
                nudge=0.1,
                duration_seconds=80.0,
                seed=1,
                concurrency_limit=100,
                visualize=False,
                record=record,
            )
        )
        save(read_record(record), PICTURE)
    print(PICTURE.name)
