"""Statements: what is a constant with parameters, and what was put together."""

from __future__ import annotations

import pytest

from cascade.providers.statements import check_names, check_parameters, check_statement


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM t WHERE a = :a AND b = :b",
        "SELECT a % 2 FROM t WHERE b LIKE '50%' OR b LIKE '%some%' OR c = 'so?'",
        "SELECT 'it''s 5 %s' -- for {whom}?\n",
        'SELECT /* {all} of ? */ a, b::int FROM "odd ? name"',
        """INSERT INTO t (a) VALUES ('{}'), ('{"a": 1}'), ('{1,2}')""",
    ],
)
def test_a_constant_is_handed_back(statement: str) -> None:
    assert check_statement(statement) == statement


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("SELECT * FROM t WHERE a = %s", "%s"),
        ("SELECT * FROM t WHERE a = %(a)s", r"%\(a\)s"),
        ("SELECT * FROM t WHERE a = '%s'", "'%s'"),
        ("SELECT * FROM t WHERE a = ?", r"\?"),
        ("SELECT * FROM t WHERE a = $1", r"\$1"),
        ("SELECT * FROM {table}", "{"),
        ("SELECT * FROM t WHERE a = '{name}'", "{name}"),
        ("SELECT * FROM t WHERE a LIKE '%{user.name!r}%'", "{user.name!r}"),
        ('SELECT * FROM "{table}"', "{table}"),
    ],
)
def test_what_is_to_be_formatted_is_refused(statement: str, found: str) -> None:
    with pytest.raises(ValueError, match=rf"written :name, but has ['\"]{found}.* in it: .SELECT"):
        check_statement(statement)


def test_a_statement_is_a_string_with_something_in_it() -> None:
    with pytest.raises(TypeError, match="statement must be a string of SQL, got 5"):
        check_statement(5)
    with pytest.raises(ValueError, match="statement must not be empty, got ' '"):
        check_statement(" ")


def test_parameters_have_names() -> None:
    assert check_parameters(None) == {}
    assert check_parameters({"a": 1}) == {"a": 1}
    with pytest.raises(TypeError, match=r"parameters must be a dict of names .*, got \(1, 2\)"):
        check_parameters((1, 2))
    with pytest.raises(TypeError, match="the names in parameters must be strings, got 1"):
        check_parameters({1: 2})


def test_the_names_are_those_of_the_statement() -> None:
    check_names({"a"}, {"a": 1})
    with pytest.raises(ValueError, match="parameters must have a value for :a, :b"):
        check_names({"a", "b"}, {"c": 1})
    with pytest.raises(ValueError, match=r"of the statement \(:a\), got c as well"):
        check_names({"a"}, {"a": 1, "c": 1})
    with pytest.raises(ValueError, match=r"of the statement \(none\), got c as well"):
        check_names(set(), {"c": 1})
