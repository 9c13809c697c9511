"""Routers as values; what they do in a run is specified in ``tests/runtime/test_routing.py``."""

from __future__ import annotations

from typing import Any

import pytest

import cascade as cs


@cs.task
async def one() -> int:
    return 1


def test_refuses_branches_that_are_no_lazy_results() -> None:
    wrong: Any = {"a": one(), "b": 3}
    with pytest.raises(TypeError, match="branch 'b' must be a lazy result, got 3"):
        cs.Router("a", wrong)
    with pytest.raises(ValueError, match="at least one branch"):
        cs.Router("a", {})
    nothing: Any = [one()]
    with pytest.raises(TypeError, match="branches must map keys"):
        cs.Router("a", nothing)


def test_refuses_selectors_that_could_be_no_key() -> None:
    with pytest.raises(TypeError, match=r"call of a task, got <Task one .*call it first"):
        cs.Router(one, {1: one()})
    with pytest.raises(TypeError, match=r"one lazy result, got \(<LazyResult one .*in a task"):
        cs.Router((one(), 2), {(1, 2): one()})


def test_what_is_said_about_it_is_when_and_not_how() -> None:
    router = cs.Router("a", {"a": one()})
    assert router.named("choice").after(one()).run_if(True).name == "choice"
    with pytest.raises(TypeError, match="say it about its branches"):
        router.with_retry()
    with pytest.raises(TypeError, match="truth value"):
        bool(router)
