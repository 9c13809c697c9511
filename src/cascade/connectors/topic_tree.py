"""Topics and filters by the rules of MQTT, and a tree that finds which of them match.

A ``/`` parts the levels. In a filter ``+`` stands for one level, a ``#`` at the end for any number
of levels, none included, and neither stands for a first level that begins with ``$``.
"""

from __future__ import annotations

from typing import Generic, TypeVar

V = TypeVar("V")


def topic_levels(topic: str) -> list[str]:
    """Part a topic to publish to into its levels.

    Raises:
        TypeError: `topic` isn't a string.
        ValueError: `topic` is empty or contains a wildcard or NUL.
    """
    levels = _levels(topic)
    if "+" in topic or "#" in topic:
        raise ValueError(f"topic must not contain the wildcards + and #, got {topic!r}")
    return levels


def filter_levels(topic: str) -> list[str]:
    """Part a filter, which may contain wildcards, into its levels.

    Raises:
        TypeError: `topic` isn't a string.
        ValueError: `topic` isn't a filter: empty, NUL, ``#`` before the end, or a wildcard that
            shares its level with something else.
    """
    levels = _levels(topic)
    for depth, level in enumerate(levels, start=1):
        if len(level) > 1 and ("+" in level or "#" in level):
            raise ValueError(f"a wildcard in topic must be a level of its own, got {topic!r}")
        if level == "#" and depth < len(levels):
            raise ValueError(f"# in topic must be the last level, got {topic!r}")
    return levels


def _levels(topic: str) -> list[str]:
    if not isinstance(topic, str):
        raise TypeError(f"topic must be a string, got {topic!r}")
    if not topic or "\0" in topic:
        raise ValueError(f"topic must not be empty or contain NUL, got {topic!r}")
    return topic.split("/")


class TopicTree(Generic[V]):
    """Values filed under topics or filters, one level of the tree per level of the topic.

    A tree holds either topics or filters; it is true while it holds a value.
    """

    __slots__ = ("children", "values")

    def __init__(self) -> None:
        self.children: dict[str, TopicTree[V]] = {}
        """The branches, by the next level."""
        self.values: dict[int, V] = {}
        """What is filed exactly here, by key."""

    def __bool__(self) -> bool:
        return bool(self.children)

    def add(self, levels: list[str], key: int, value: V) -> None:
        """File a value; `key` tells it from others there, and one of the same key is replaced."""
        node = self
        for level in levels:
            child = node.children.get(level)
            if child is None:
                child = node.children[level] = TopicTree()
            node = child
        node.values[key] = value

    def remove(self, levels: list[str], key: int) -> None:
        """Take a value out, if it is there, and the branch that led only to it."""
        node, path = self, []
        for level in levels:
            child = node.children.get(level)
            if child is None:
                return
            path.append((node, level))
            node = child
        node.values.pop(key, None)
        while path and not node.values and not node.children:
            node, level = path.pop()
            del node.children[level]

    def matched_by(self, topic: list[str]) -> list[V]:
        """The values, filed under filters, that a topic matches."""
        found: list[V] = []
        nodes, wildcards = [self], not topic[0].startswith("$")
        for level in topic:
            below = []
            for node in nodes:
                children = node.children
                if (child := children.get(level)) is not None:
                    below.append(child)
                if wildcards:
                    if (child := children.get("+")) is not None:
                        below.append(child)
                    if (child := children.get("#")) is not None:
                        found += child.values.values()
            nodes, wildcards = below, True
        for node in nodes:
            found += node.values.values()
            if (child := node.children.get("#")) is not None:
                found += child.values.values()
        return found

    def matching(self, levels: list[str]) -> list[V]:
        """The values, filed under topics, that a filter matches."""
        nodes = [self]
        for depth, level in enumerate(levels):
            if level not in ("+", "#"):
                nodes = [node.children[level] for node in nodes if level in node.children]
                continue
            below = [
                child
                for node in nodes
                for name, child in node.children.items()
                if depth or not name.startswith("$")
            ]
            nodes = below if level == "+" else nodes + _with_all_below(below)
        return [value for node in nodes for value in node.values.values()]

    def everything(self) -> list[V]:
        """All values."""
        return [value for node in _with_all_below([self]) for value in node.values.values()]


def _with_all_below(nodes: list[TopicTree[V]]) -> list[TopicTree[V]]:
    found = list(nodes)
    for node in found:  # grows while it is walked
        found.extend(node.children.values())
    return found
