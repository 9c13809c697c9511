"""What stands on which page. A new name of `cascade.__all__` finds its page by its group there."""

from __future__ import annotations

import re
from dataclasses import dataclass

from docs.make_reference.sources import Definition, PageError, find, is_module, module

ROOT = "cascade"


@dataclass(frozen=True)
class Page:
    """A page of the reference."""

    slug: str
    """The name of its file, without the suffix."""
    title: str
    """Its heading."""
    intro: str
    """What stands below the heading."""
    groups: tuple[str, ...] = ()
    """The groups of `cascade.__all__` that it shows, by their comments."""
    more: tuple[str, ...] = ()
    """What else it shows: whole modules, or names in them, as in ``package.module:Name``."""


PAGES = (
    Page(
        "declaring",
        "Declaring",
        "Tasks, their calls, and what is said about them. See [Workflows](../workflows.md) and, "
        "for `TailCall`, [Agents](../agents.md).",
        groups=("Declaring", "Flow", "Policies"),
        more=("cascade.spec.lazy:LazyMap", "cascade.spec.resource:ResourceDefinition"),
    ),
    Page(
        "running",
        "Running",
        "What computes a workflow. See [Workflows](../workflows.md#running).",
        groups=("Running",),
    ),
    Page(
        "limits",
        "Limits",
        "What has to be waited for, and rules for what runs. See [Limits](../limits.md).",
        groups=("Limits",),
        more=(
            "cascade.runtime.ticket:Ticket",
            "cascade.runtime.constraints:ConstraintManager",
            "cascade.runtime.explanations:Statistics",
            "cascade.runtime.explanations:ResourceStatistics",
            "cascade.runtime.explanations:Waiting",
        ),
    ),
    Page("events", "Events", "", more=("cascade.runtime.events", "cascade:MessageBus")),
    Page("errors", "Errors", "See [When a task fails](../failures.md).", groups=("Errors",)),
    Page(
        "testing",
        "Testing",
        "See [Testing](../testing.md).",
        more=("cascade.testing",),
    ),
    Page(
        "telemetry",
        "Telemetry",
        "Traces, metrics and logs. See [Traces, metrics and logs](../telemetry.md).",
        more=("cascade.telemetry", "cascade.telemetry.export:CountingSpanProcessor"),
    ),
    Page(
        "parts",
        "Parts",
        "What an engine is put together from. [Ports](ports.md) says what a part of your own "
        "must offer.",
        groups=("Parts of an engine",),
        more=(
            "cascade.adapters.state.memory:InMemoryStateBackend",
            "cascade.connectors.local:LocalBusConnector",
            "cascade.connectors.local:LocalBroker",
            "cascade.connectors.local:LocalSubscription",
            "cascade.connectors.mqtt:MqttConnector",
            "cascade.connectors.mqtt_session:MqttSubscription",
        ),
    ),
    Page(
        "ports",
        "Ports",
        "",
        more=("cascade.ports", "cascade.graph.model:Graph", "cascade.graph.model:Plan"),
    ),
)
"""The pages in their order. A group of `cascade.__all__` that none of them names gets one more."""

HANDED_OUT = {
    *("Task", "LazyResult", "LazyMap", "ResourceDefinition"),
    *("Ticket", "ConstraintManager", "Statistics", "ResourceStatistics", "Waiting"),
    *("LocalSubscription", "MqttSubscription", "Graph", "Plan", "Instrumentation"),
}
"""Classes of which users receive objects, and make none themselves."""

INTERNAL = {
    "Task": "binder memory flights",
    "LazyResult": "bound dependencies injections policies serial call is_call",
    "Cache": "key_for",
    "Engine": "bus_in_use manager_in_use definitions cache_for has_rules "
    "random_for enter leave clean_up_and_finish must_close_executor",
    "ResourceManager": "rules runs attached prepare take wait lacking settle give_back "
    "give_back_later suspend resume break_deadlocks make_rules now running tickets add_resource "
    "remove_resource check_steering",
    "ConstraintManager": "attach detach abandon reject",
    "GlobalConstraint": "matches",
    "Ticket": "asker",
}
"""Members that are for other parts of the library only, by class: they are on no page."""


@dataclass(frozen=True)
class Entry:
    """What a page says about one name."""

    title: str
    """How users write it: with ``cs.`` in front if it is a name of the root."""
    definition: Definition
    """What it is."""

    @property
    def name(self) -> str:
        """The name without what is in front of it."""
        return self.title.removeprefix("cs.")


@dataclass(frozen=True)
class Chapter:
    """Entries that stand together."""

    module: str
    """Where they are imported from; "" for the root, and what only comes from elsewhere."""
    doc: str
    """What the module says about itself; "" unless all of it is shown."""
    entries: tuple[Entry, ...]
    """The entries, in their order."""


def contents() -> dict[Page, list[Chapter]]:
    """Return what stands on each page.

    Raises:
        PageError: a name of `cascade.__all__` has no page, or one that is to be shown is gone.
    """
    exported = module(ROOT).exported() or {}
    if exported.get(""):
        raise PageError(
            f"{', '.join(exported[''])} of cascade.__all__ has no page: put a comment above it "
            "that names its group, such as `# Running`"
        )
    pages: dict[Page, list[Chapter]] = {page: [] for page in (*PAGES, *_further_pages(exported))}
    placed = {entry for page in pages for entry in page.more}
    for page, chapters in pages.items():
        for group in page.groups:
            names = [name for name in exported.get(group, ()) if f"{ROOT}:{name}" not in placed]
            chapters += _chapters_of_root(names)
        for place in page.more:
            chapters.append(_chapter(place, set().union(*exported.values())))
    return pages


def _further_pages(exported: dict[str, list[str]]) -> list[Page]:
    known = {group for page in PAGES for group in page.groups}
    return [
        Page(re.sub(r"\W+", "-", group.lower()).strip("-"), group, "", groups=(group,))
        for group in exported
        if group not in known
    ]


def _chapters_of_root(names: list[str]) -> list[Chapter]:
    chapters: list[Chapter] = []
    entries: list[Entry] = []
    for name in names:
        if is_module(f"{ROOT}.{name}") and name not in module(ROOT).definitions:
            chapters.append(_chapter(f"{ROOT}.{name}", set()))
        else:
            entries.append(Entry(f"cs.{name}", find(name, module(ROOT))))
    return [Chapter("", "", tuple(entries)), *chapters] if entries else chapters


def _chapter(place: str, exported: set[str]) -> Chapter:
    name, _, only = place.partition(":")
    source = module(name)
    if only:
        title = f"cs.{only}" if name == ROOT and only in exported else only
        return Chapter("", "", (Entry(title, find(only, source)),))
    entries = tuple(Entry(name, find(name, source)) for name in source.public())
    return Chapter(source.name, source.doc, entries)
