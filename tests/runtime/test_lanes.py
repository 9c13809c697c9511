"""The places of the queue: a line sums its claims by key, a lane forgets who has left."""

from __future__ import annotations

import random

import pytest

from cascade.runtime.lanes import Lane, Resource
from cascade.runtime.resource_manager import ResourceManager
from cascade.runtime.ticket import WITHDRAWN, Request, Ticket


def ticket(key: int) -> Ticket:
    made = Ticket(ResourceManager(), Request(()), f"owner {key}")
    made.key = key
    return made


def lane_of(keys: list[int]) -> tuple[Lane, dict[int, Ticket]]:
    lane = Lane(frozenset({"a"}), (Resource("a"),))
    tickets = {key: ticket(key) for key in keys}
    for key in keys:
        lane.push(tickets[key])
    return lane, tickets


class TestLine:
    def test_stands_in_the_order_of_keys_whoever_comes_first(self) -> None:
        resource = Resource("a")
        for key in (5, 9, 1, 7):
            resource.join(ticket(key), units=key)
        assert [key for key, _, _ in resource.line] == [1, 5, 7, 9]
        assert resource.claimed == 22

    @pytest.mark.parametrize(
        ("key", "ahead"), [(0, 0), (1, 0), (2, 1), (5, 1), (6, 6), (8, 13), (9, 13), (10, 22)]
    )
    def test_claims_ahead_are_those_of_strictly_smaller_keys(self, key: int, ahead: int) -> None:
        resource = Resource("a")
        for standing in (9, 1, 7, 5):
            resource.join(ticket(standing), units=standing)
        assert resource.claimed_ahead(key) == ahead

    def test_nobody_is_ahead_in_an_empty_line(self) -> None:
        assert Resource("a").claimed_ahead(3) == 0

    def test_leaving_takes_exactly_its_own_claim_along(self) -> None:
        draw = random.Random(4)
        resource = Resource("a")
        standing = {key: ticket(key) for key in range(50)}
        for key in draw.sample(range(50), 50):
            resource.join(standing[key], units=10 + key)
        for key in draw.sample(range(50), 50):
            resource.leave(standing.pop(key))
            assert [entry[1] for entry in resource.line] == list(standing.values())
            assert resource.claimed == sum(10 + key for key in standing)


class TestLane:
    def test_its_head_is_the_smallest_key(self) -> None:
        lane, tickets = lane_of([8, 3, 5])
        assert lane.head() is tickets[3]
        lane.pop()
        assert lane.head() is tickets[5]

    def test_one_who_comes_back_gets_the_place_of_its_key(self) -> None:
        lane, _ = lane_of([8, 5])
        returned = ticket(2)
        lane.push(returned)
        assert lane.head() is returned

    def test_skips_who_was_withdrawn(self) -> None:
        lane, tickets = lane_of([1, 2, 3])
        for key in (1, 2):
            tickets[key].state = WITHDRAWN
            lane.forget()
        assert lane.head() is tickets[3]
        assert len(lane) == 1

    def test_is_empty_when_all_were_withdrawn(self) -> None:
        lane, tickets = lane_of([1, 2])
        for gone in tickets.values():
            gone.state = WITHDRAWN
            lane.forget()
        assert lane.head() is None
        assert len(lane) == 0

    def test_keeps_no_more_of_the_withdrawn_than_of_the_waiting(self) -> None:
        draw = random.Random(1)
        lane, tickets = lane_of(draw.sample(range(10_000), 10_000))
        for key in draw.sample(range(10_000), 9_900):
            tickets.pop(key).state = WITHDRAWN
            lane.forget()
        assert len(lane) == 100
        assert len(lane._line) + len(lane._early) <= 2 * 100 + 32
        served = []
        while (head := lane.head()) is not None:
            served.append(head.key)
            lane.pop()
        assert served == sorted(tickets)
