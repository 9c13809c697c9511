"""SQL: rows, changes, transactions, and one SQLite database for many threads."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy.exc import IntegrityError, OperationalError

import cascade as cs
from cascade.errors import MissingExtraError
from cascade.providers import sql

DB = cs.inject("db")
TABLE = "CREATE TABLE person (name TEXT PRIMARY KEY, age INTEGER)"
INSERT = "INSERT INTO person VALUES (:name, :age)"
PEOPLE = [{"name": "Ada", "age": 36}, {"name": "Bob", "age": 7}, {"name": "Eve", "age": 70}]
NAMES = "SELECT name FROM person ORDER BY name"


class Base:
    """A database with people in it; each `run` is a run of an engine."""

    def __init__(self, path: Path) -> None:
        self.engine = cs.Engine()
        self.engine.register(sql.engine(f"sqlite:///{path}"))
        self.run(sql.script([TABLE], connection=DB))
        assert self.run(sql.execute(INSERT, PEOPLE, connection=DB)) == 3

    def run(self, target: Any) -> Any:
        return asyncio.run(self.engine.run(target))

    def names(self) -> list[str]:
        return [row["name"] for row in self.run(sql.query(NAMES, connection=DB))]


@pytest.fixture
def base(tmp_path: Path) -> Base:
    return Base(tmp_path / "people.db")


def test_rows_are_dicts(base: Base) -> None:
    grown_up = "SELECT name, age FROM person WHERE age > :age ORDER BY age"
    rows = base.run(sql.query(grown_up, {"age": 18}, connection=DB))
    assert rows == [PEOPLE[0], PEOPLE[2]]
    assert base.run(sql.query(grown_up, {"age": 99}, connection=DB)) == []


def test_a_value_is_never_taken_for_sql(base: Base) -> None:
    evil = "x'; DROP TABLE person; --"
    base.run(sql.execute(INSERT, {"name": evil, "age": 1}, connection=DB))
    assert base.names() == ["Ada", "Bob", "Eve", evil]


def test_a_list_of_values(base: Base) -> None:
    some = "SELECT name FROM person WHERE name IN :names AND age > :age"
    lazy = sql.query(some, {"names": ["Bob", "Eve"], "age": 9}, connection=DB)
    assert base.run(lazy) == [{"name": "Eve"}]


def test_changes_are_counted(base: Base) -> None:
    older = "UPDATE person SET age = age + 1 WHERE age > :age"
    assert base.run(sql.execute(older, {"age": 18}, connection=DB)) == 2
    assert base.run(sql.execute("DELETE FROM person", connection=DB)) == 3
    assert base.run(sql.execute(INSERT, [], connection=DB)) == 0
    assert base.run(sql.execute("CREATE TABLE other (x)", connection=DB)) == 0


def test_arguments_may_be_lazy(base: Base) -> None:
    @cs.task(mode="inline")
    def twins(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**row, "name": f"{row['name']} II"} for row in rows]

    rows = sql.query("SELECT * FROM person", connection=DB)
    assert base.run(sql.execute(INSERT, twins(rows), connection=DB)) == 3
    assert base.names()[:2] == ["Ada", "Ada II"]


def test_all_of_a_call_or_nothing(base: Base) -> None:
    more = [{"name": "Dan", "age": 1}, {"name": "Ada", "age": 1}]
    with pytest.raises(IntegrityError):
        base.run(sql.execute(INSERT, more, connection=DB))
    with pytest.raises(OperationalError, match="nowhere"):
        base.run(
            sql.script(
                ["CREATE TABLE other (x)", "DELETE FROM person", "DELETE FROM nowhere"],
                connection=DB,
            )
        )
    assert base.names() == ["Ada", "Bob", "Eve"]
    tables = sql.query("SELECT name FROM sqlite_master WHERE type = 'table'", connection=DB)
    assert base.run(tables) == [{"name": "person"}]


def test_rows_of_a_statement_that_changes_something_are_committed(base: Base) -> None:
    returning = "DELETE FROM person WHERE name = :name RETURNING age"
    assert base.run(sql.query(returning, {"name": "Bob"}, connection=DB)) == [{"age": 7}]
    assert base.names() == ["Ada", "Eve"]


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_one_for_all_threads_of_a_run(url: str) -> None:
    engine = cs.Engine()
    engine.register(sql.engine(url))
    made = sql.script([TABLE], connection=DB)
    inserts = [
        sql.execute(INSERT, {"name": str(n), "age": n}, connection=DB).after(made)
        for n in range(20)
    ]
    count = sql.query("SELECT count(*) AS n FROM person", connection=DB).after(*inserts)
    assert asyncio.run(engine.run([count, *inserts]))[0] == [{"n": 20}]


def test_many_threads_write_into_one_file(base: Base) -> None:
    people = [{"name": f"n{n}", "age": n} for n in range(20)]
    assert (
        base.run(
            sql.execute.map(
                statement=cs.constant(INSERT), parameters=people, connection=cs.constant(DB)
            )
        )
        == [1] * 20
    )
    assert len(base.names()) == 23


def test_an_engine_or_a_connection_can_be_an_argument(tmp_path: Path) -> None:
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with engine.connect() as connection:
        cs.run(sql.script([TABLE], connection=engine))
        inserts = [sql.execute(INSERT, person, connection=connection) for person in PEOPLE]
        assert cs.run(inserts) == [1, 1, 1]
        with pytest.raises(IntegrityError):
            cs.run(sql.execute(INSERT, PEOPLE[0], connection=connection))
        assert len(cs.run(sql.query(NAMES, connection=connection))) == 3
        assert not connection.in_transaction()
    engine.dispose()


def test_the_engine_is_disposed_of_after_the_run(tmp_path: Path) -> None:
    kept: list[tuple[Any, int]] = []

    @cs.task(mode="inline")
    def keep(db: Any, rows: object) -> None:
        kept.append((db.pool, db.pool.checkedin()))

    engine = cs.Engine()
    engine.register(sql.engine(f"sqlite:///{tmp_path / 'a.db'}", name="mine", echo=False))
    rows = sql.query("SELECT 1 AS one", connection=cs.inject("mine"))
    asyncio.run(engine.run(keep(cs.inject("mine"), rows)))
    ((pool, idle),) = kept
    assert (idle, pool.checkedin()) == (1, 0)


def test_what_is_said_about_an_engine_counts_more_than_what_is_usual(tmp_path: Path) -> None:
    kept = []

    @cs.task(mode="inline")
    def keep(db: sqlalchemy.Engine) -> None:
        kept.append(db)

    engine = cs.Engine()
    options: dict[str, Any] = {"poolclass": sqlalchemy.NullPool, "connect_args": {"timeout": 1.0}}
    engine.register(sql.engine("sqlite://", **options))
    asyncio.run(engine.run(keep(DB)))
    assert isinstance(kept[0].pool, sqlalchemy.NullPool)


def test_an_engine_whose_threads_share_nothing_is_refused() -> None:
    engine = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.SingletonThreadPool)
    with pytest.raises(ValueError, match=r"gives each thread a database of its own: use sql\."):
        cs.run(sql.query("SELECT 1", connection=engine))


@pytest.mark.parametrize(
    ("lazy", "message"),
    [
        (sql.query("SELECT ?", [1], connection=DB), r"parameters must be a dict .*, got \[1\]"),
        (sql.query("SELECT ?", connection=DB), r"written :name, but has '\?'"),
        (sql.query(5, connection=DB), "statement must be a string"),
        (sql.query("SELECT :a", connection=DB), "parameters must have a value for :a"),
        (sql.query("SELECT :a", {"a": 1, "b": 2}, connection=DB), "got b as well"),
        (sql.query("DELETE FROM person", connection=DB), "has no rows, use sql.execute"),
        (sql.query("SELECT 1 AS a, 2 AS a", connection=DB), "two columns are called 'a'"),
        (sql.query("SELECT 1", connection="db"), "must be an Engine or a Connection .* got 'db'"),
        (sql.execute(INSERT, [PEOPLE[0], {}], connection=DB), r"parameters\[1\] must have"),
        (sql.execute(INSERT, [("Ada", 1)], connection=DB), r"parameters\[0\] must be a dict"),
        (sql.execute(INSERT, "Ada", connection=DB), "parameters must be a dict"),
        (sql.script(TABLE, connection=DB), "statements must be a list of strings"),
        (sql.script(["SELECT :a"], connection=DB), "parameters must have a value for :a"),
    ],
)
def test_wrong_arguments_are_named_and_change_nothing(base: Base, lazy: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        base.run(lazy)
    assert base.names() == ["Ada", "Bob", "Eve"]


def test_wrong_options_of_an_engine_are_refused_by_the_call() -> None:
    with pytest.raises(TypeError, match="url must be a string, got 5"):
        sql.engine(5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="name must not be empty"):
        sql.engine("sqlite://", name="")


def test_without_sqlalchemy_the_call_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(MissingExtraError, match=r"needs 'sqlalchemy', .*cascade-py\[sql\]"):
        cs.run(sql.query("SELECT 1", connection=None))
