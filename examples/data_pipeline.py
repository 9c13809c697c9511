"""From a command to a table to a file: readings are made, loaded, summed up and written down."""

import asyncio
import csv
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cascade as cs
from cascade.providers import files, shell, sql

# A hundred readings of four stations, by a small generator of numbers that has a seed.
READINGS = """
function next_number() { seed = (seed * 16807) % 2147483647; return seed }
BEGIN {
    print "station,celsius"
    for (i = 0; i < 100; i++) {
        station = substr("NESW", next_number() % 4 + 1, 1)
        printf "%s,%.1f\\n", station, next_number() % 400 / 10 - 10
    }
}
"""

DB = cs.inject("db")


@cs.task
def rows_of(table: str) -> list[Mapping[str, Any]]:
    return list(csv.DictReader(table.splitlines()))


async def measured(directory: Path) -> dict[str, Any]:
    made = shell.run(["awk", "-v", "seed=7", READINGS]).with_timeout(30)
    table = files.write_text(directory / "readings.csv", text_of(made))

    tables = sql.script(["CREATE TABLE reading (station TEXT, celsius REAL)"], connection=DB)
    loaded = sql.execute(
        "INSERT INTO reading VALUES (:station, :celsius)",
        rows_of(files.read_text(table)),
        connection=DB,
    ).after(tables)
    stations = sql.query(
        """
        SELECT station, count(*) AS readings, round(avg(celsius), 2) AS mean
        FROM reading WHERE celsius >= :least GROUP BY station ORDER BY station
        """,
        {"least": 0},
        connection=DB,
    ).after(loaded)
    summary = files.write_json(directory / "out" / "summary.json", stations, parents=True)

    engine = cs.Engine()
    engine.register(sql.engine(f"sqlite:///{directory / 'readings.db'}"))
    result: dict[str, Any] = await engine.run({"loaded": loaded, "summary": summary})
    return result


@cs.task(mode="inline")
def text_of(result: shell.CommandResult) -> str:
    return str(result.stdout)


async def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        result = await measured(Path(directory))
        print("rows loaded:", result["loaded"])
        for row in await cs.arun(files.read_json(result["summary"])):
            print(f"station {row['station']}: {row['readings']} from 0 °C, mean {row['mean']} °C")


if __name__ == "__main__":
    asyncio.run(main())
