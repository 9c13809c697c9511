"""The topic tree: MQTT topic rules, both ways round, and branches that go when they are empty."""

from __future__ import annotations

import random
from typing import Any

import pytest

from cascade.connectors.topic_tree import TopicTree, filter_levels, topic_levels


def matches_by_the_book(topic_filter: str, topic: str) -> bool:
    """The plain version of the matching rule, level by level."""
    wanted, given = topic_filter.split("/"), topic.split("/")
    if given[0].startswith("$") and wanted[0] in ("+", "#"):
        return False
    for depth, level in enumerate(wanted):
        if level == "#":
            return True
        if depth >= len(given) or level not in ("+", given[depth]):
            return False
    return len(wanted) == len(given)


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", False),
        ("a/+", "a/b", True),
        ("a/+", "a", False),
        ("a/+", "a/", True),
        ("a/+/c", "a/b/c", True),
        ("+/+", "/finance", True),
        ("/+", "/finance", True),
        ("+", "/finance", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/#", "ab", False),
        ("#", "a/b/c", True),
        ("#", "$SYS/load", False),
        ("+/load", "$SYS/load", False),
        ("$SYS/#", "$SYS/load", True),
        ("a/+", "a/$b", True),
    ],
)
def test_topic_rules(topic_filter: str, topic: str, expected: bool) -> None:
    filters: TopicTree[str] = TopicTree()
    filters.add(filter_levels(topic_filter), 0, topic_filter)
    topics: TopicTree[str] = TopicTree()
    topics.add(topic_levels(topic), 0, topic)
    assert filters.matched_by(topic_levels(topic)) == ([topic_filter] if expected else [])
    assert topics.matching(filter_levels(topic_filter)) == ([topic] if expected else [])
    assert matches_by_the_book(topic_filter, topic) is expected


def test_the_tree_agrees_with_the_plain_rule_on_random_topics() -> None:
    draw = random.Random(7)
    names = ["a", "b", "$c", ""]

    def random_topic() -> str:
        return "/".join(draw.choice(names) for _ in range(draw.randint(1, 4))) or "a"

    def random_filter() -> str:
        levels = [draw.choice([*names, "+", "+"]) for _ in range(draw.randint(1, 4))]
        return "/".join([*levels, "#"] if draw.random() < 0.3 else levels) or "#"

    for _ in range(100):
        filters = {key: random_filter() for key in range(20)}
        topics = {key: random_topic() for key in range(20)}
        filed_filters: TopicTree[int] = TopicTree()
        filed_topics: TopicTree[int] = TopicTree()
        for key in range(20):
            filed_filters.add(filter_levels(filters[key]), key, key)
            filed_topics.add(topic_levels(topics[key]), key, key)
        for key in draw.sample(range(20), 5):
            filed_filters.remove(filter_levels(filters.pop(key)), key)
            filed_topics.remove(topic_levels(topics.pop(key)), key)
        assert sorted(filed_filters.everything()) == sorted(filters)
        assert sorted(filed_topics.everything()) == sorted(topics)
        for topic in topics.values():
            expected = [key for key in sorted(filters) if matches_by_the_book(filters[key], topic)]
            assert sorted(filed_filters.matched_by(topic_levels(topic))) == expected
        for wanted in filters.values():
            expected = [key for key in sorted(topics) if matches_by_the_book(wanted, topics[key])]
            assert sorted(filed_topics.matching(filter_levels(wanted))) == expected


def test_a_value_is_replaced_under_its_key_and_kept_beside_others() -> None:
    tree: TopicTree[str] = TopicTree()
    for key, value in [(0, "old"), (1, "other"), (0, "new")]:
        tree.add(["a", "b"], key, value)
    assert sorted(tree.matched_by(["a", "b"])) == ["new", "other"]


def test_removing_takes_the_branch_that_led_only_there() -> None:
    tree: TopicTree[str] = TopicTree()
    assert not tree
    for key, topic in enumerate(["a/b/c/d", "a/b", "x"]):
        tree.add(topic_levels(topic), key, topic)
    tree.remove(["a", "b", "c", "d"], 0)
    assert not tree.children["a"].children["b"].children
    tree.remove(["a", "b"], 1)
    assert list(tree.children) == ["x"]
    tree.remove(["x"], 2)
    assert not tree


@pytest.mark.parametrize(("topic", "key"), [("a", 0), ("a/b/c", 0), ("a/b", 1), ("z", 0)])
def test_removing_what_is_not_there_changes_nothing(topic: str, key: int) -> None:
    tree: TopicTree[str] = TopicTree()
    tree.add(["a", "b"], 0, "kept")
    tree.remove(topic_levels(topic), key)
    assert tree.everything() == ["kept"]


@pytest.mark.parametrize("topic", ["", "a\0b", "a/+", "#", "a#"])
def test_what_is_no_topic_is_refused(topic: str) -> None:
    with pytest.raises(ValueError, match="topic must not"):
        topic_levels(topic)


@pytest.mark.parametrize(
    ("topic", "message"),
    [
        ("", "must not be empty"),
        ("a\0b", "NUL"),
        ("#/a", "# in topic must be the last level"),
        ("a/#/b", "# in topic must be the last level"),
        ("a#", "a level of its own"),
        ("a+/b", "a level of its own"),
    ],
)
def test_what_is_no_filter_is_refused(topic: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        filter_levels(topic)


def test_what_is_no_string_is_refused() -> None:
    wrong: Any = None
    for levels in (topic_levels, filter_levels):
        with pytest.raises(TypeError, match="topic must be a string, got None"):
            levels(wrong)
