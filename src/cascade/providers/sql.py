"""Statements of SQL as tasks, by SQLAlchemy: ``pip install cascade-py[sql]``.

A statement is a constant, and values are parameters: ``:name`` in the statement, and their values
in a dict. So no value can ever be taken for SQL. Each call is a transaction of its own: committed
when it succeeds, rolled back when it doesn't.

All run in threads. One that timed out goes on, and may still commit.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from cascade.errors import MissingExtraError
from cascade.providers.declaring import provided
from cascade.providers.statements import check_names, check_parameters, check_statement
from cascade.spec.checks import check_name, shown
from cascade.spec.resource import ResourceDefinition, resource

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, TextClause

Parameters = Mapping[str, Any]
"""Values by the names that they have in the statement."""

_turns: WeakKeyDictionary[Connection, threading.Lock] = WeakKeyDictionary()
"""Who uses a connection that was given: one thread at a time."""
_turns_lock = threading.Lock()


@provided("sql.query")
def query(
    statement: str, parameters: Parameters | None = None, *, connection: Engine | Connection
) -> list[dict[str, Any]]:
    """Return the rows of a statement, each as a dict of its columns.

    Args:
        statement: a constant, with ``:name`` for each value; ``IN :name`` takes a list of values.
        parameters: the values by name.
        connection: an engine, such as ``cs.inject("db")`` for `engine`; or a connection, which is
            used by one call at a time.

    Raises:
        ValueError: the statement has other placeholders or no rows, two of its columns have one
            name, or a parameter is missing or unknown.
        TypeError: the statement isn't a string, or the parameters aren't a dict.
        sqlalchemy.exc.SQLAlchemyError: the database doesn't do it.
        MissingExtraError: SQLAlchemy isn't installed.
    """
    values = check_parameters(parameters)
    text = _text_of(statement, values)
    check_names(_names_of(text), values)
    with _transaction(connection) as opened:
        result = opened.execute(text, values)
        if not result.returns_rows:
            raise ValueError(f"the statement has no rows, use sql.execute: {shown(statement)}")
        columns = list(result.keys())
        if len(set(columns)) < len(columns):
            twice = next(name for name in columns if columns.count(name) > 1)
            raise ValueError(f"two columns are called {twice!r}: name one with AS")
        return [dict(row) for row in result.mappings()]


@provided("sql.execute")
def execute(
    statement: str,
    parameters: Parameters | list[Parameters] | tuple[Parameters, ...] | None = None,
    *,
    connection: Engine | Connection,
) -> int:
    """Carry out a statement, and return how many rows it has changed; 0 if that isn't known.

    Args:
        statement: a constant, with ``:name`` for each value.
        parameters: the values by name; or a list of such, one for each time that it is carried out,
            all in one transaction.
        connection: as of `query`.

    Raises:
        ValueError, TypeError, sqlalchemy.exc.SQLAlchemyError, MissingExtraError: as of `query`.
    """
    if isinstance(parameters, (list, tuple)):
        many = [
            check_parameters(values, f"parameters[{place}]")
            for place, values in enumerate(parameters)
        ]
        text = _text_of(statement, {})
        for place, values in enumerate(many):
            check_names(_names_of(text), values, f"parameters[{place}]")
        if not many:
            return 0
        with _transaction(connection) as opened:
            return max(0, opened.execute(text, many).rowcount)
    values = check_parameters(parameters)
    text = _text_of(statement, values)
    check_names(_names_of(text), values)
    with _transaction(connection) as opened:
        return max(0, opened.execute(text, values).rowcount)


@provided("sql.script")
def script(statements: Sequence[str], *, connection: Engine | Connection) -> None:
    """Carry out statements without values in one transaction, such as those that make tables.

    Not every database can roll back what changes its tables; SQLite with `engine` can.

    Args:
        statements: a list of constants.
        connection: as of `query`.

    Raises:
        ValueError, TypeError, sqlalchemy.exc.SQLAlchemyError, MissingExtraError: as of `query`.
    """
    if isinstance(statements, (str, bytes)) or not isinstance(statements, Sequence):
        raise TypeError(f"statements must be a list of strings, got {shown(statements)}")
    texts = [_text_of(statement, {}) for statement in statements]
    for text in texts:
        check_names(_names_of(text), {})
    with _transaction(connection) as opened:
        for text in texts:
            opened.execute(text)


def engine(url: str, *, name: str = "db", **options: Any) -> ResourceDefinition:
    """Return a resource: an engine of SQLAlchemy, whose connections the calls of a run share.

    ``Engine().register(sql.engine("sqlite:///file.db"))``, then ``connection=cs.inject("db")``.
    With SQLite a transaction holds for all statements, also those that make tables; who finds the
    file locked waits for half a minute; and a database in memory (``"sqlite://"``) is one database,
    which lives as long as the run and serves one call at a time.

    Args:
        url: where the database is, as of `sqlalchemy.create_engine`.
        name: the name to inject it by.
        **options: what else `create_engine` takes; looked at when the engine is made.

    Raises:
        TypeError, ValueError: `url` or `name` isn't a string, or is empty.
        MissingExtraError: when it is made and SQLAlchemy isn't installed.
    """
    check_name(url, "url")
    check_name(name, "name")

    @resource(name=name)
    def opened() -> Iterator[Engine]:
        made = _make_engine(url, options)
        try:
            yield made
        finally:
            made.dispose()

    return opened


def _make_engine(url: str, options: dict[str, Any]) -> Engine:
    _sqlalchemy()
    from sqlalchemy import QueuePool, create_engine, event, make_url

    place = make_url(url)
    if place.get_backend_name() != "sqlite" or place.get_driver_name() != "pysqlite":
        return create_engine(place, **options)
    arguments = {"timeout": 30.0, "check_same_thread": False, **options.get("connect_args", {})}
    if place.database in (None, "", ":memory:") and "poolclass" not in options:
        # One connection is one database: whoever comes second waits for it.
        only_one = {"pool_size": 1, "max_overflow": 0, "pool_timeout": None}
        options = {**options, "poolclass": QueuePool, **only_one}
    made = create_engine(place, **{**options, "connect_args": arguments})
    # The driver begins transactions for some statements only; here all are in one.
    event.listen(made, "connect", _begin_nothing_by_itself)
    event.listen(made, "begin", _begin)
    return made


def _begin_nothing_by_itself(connection: Any, record: object) -> None:
    connection.isolation_level = None


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


@contextmanager
def _transaction(connection: Engine | Connection) -> Iterator[Connection]:
    """Open a transaction; commit it at the end of the block, or roll it back."""
    from sqlalchemy import Connection, Engine
    from sqlalchemy.pool import SingletonThreadPool

    if isinstance(connection, Engine):
        if isinstance(connection.pool, SingletonThreadPool):
            raise ValueError(
                f"connection must be an engine whose threads share a database, got {connection!r}, "
                "which gives each thread a database of its own: use sql.engine(...)"
            )
        with connection.begin() as opened:
            yield opened
    elif isinstance(connection, Connection):
        with _turns_lock:
            turn = _turns.setdefault(connection, threading.Lock())
        with turn, connection.begin():
            yield connection
    else:
        raise TypeError(
            "connection must be an Engine or a Connection of SQLAlchemy, such as the resource of "
            f"sql.engine(...), got {shown(connection)}"
        )


def _text_of(statement: str, values: Parameters) -> TextClause:
    _sqlalchemy()
    from sqlalchemy import bindparam, text

    made = text(check_statement(statement))
    for name, value in values.items():
        listed = re.search(rf"\bIN\s+:{re.escape(name)}\b", statement, re.IGNORECASE)
        if listed and isinstance(value, (list, tuple)):
            made = made.bindparams(bindparam(name, expanding=True))
    return made


def _names_of(text: TextClause) -> set[str]:
    return set(text.compile().params)


def _sqlalchemy() -> None:
    try:
        import sqlalchemy  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("cascade.providers.sql", "sqlalchemy", "sql") from error
