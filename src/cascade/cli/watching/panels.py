"""Panels: what a picture says of tasks, slots, runs, waiters, rules and errors, in rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len

from cascade.cli.watching.figures import bar, clean, duration, fit, number, sparkline
from cascade.cli.watching.picture import Picture, Slots
from cascade.control.words import rate_in_words

HISTORY = 120
"""How many rates are remembered for the lines that show their course."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a panel."""

    key: str
    """What it is about: the same in the next picture."""
    text: str
    """What is to be seen, as wide as the panel."""
    loud: bool = False
    """Whether it is something that one should see at once."""


@dataclass(slots=True)
class Course:
    """How the rates went, as long as somebody has watched."""

    tasks: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))
    steps: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))

    def add(self, picture: Picture) -> None:
        """Add what a picture says."""
        self.tasks.append(picture.tasks_per_second or 0.0)
        self.steps.append(picture.steps_per_second or 0.0)


Rows = Callable[[Picture, int], list[Row]]
"""Makes the rows of a panel, for a width in cells."""


def counts(picture: Picture, width: int) -> str:
    """Return how many tasks are in each state."""
    tasks = picture.tasks
    parts = [
        f"{_runs(picture.run_count)}, tasks:",
        f"{number(tasks.running)} running",
        f"{number(tasks.waiting)} waiting",
        f"{number(tasks.pending)} pending",
        f"{number(tasks.ended)} ended",
        f"{number(tasks.skipped)} skipped",
    ]
    return fit("  ".join(parts), width)


def throughput(picture: Picture, course: Course, width: int) -> str:
    """Return how much gets done in a second, and how that went."""
    half = max(0, width // 2)
    parts = []
    for name, now, before in (
        ("tasks/s", picture.tasks_per_second, course.tasks),
        ("steps/s", picture.steps_per_second, course.steps),
    ):
        text = f"{name} {'–' if now is None else number(now)} "
        parts.append(fit(fit(text, 16) + sparkline(before, max(0, half - 18)), half))
    return fit("".join(parts), width)


def task_rows(picture: Picture, width: int) -> list[Row]:
    """Return how many tasks of each name run and wait."""
    rows = []
    for each in picture.by_name:
        figures = f"{number(each.running):>7} {number(each.waiting):>7}"
        rows.append(Row(each.name, _beside(each.name, figures, width)))
    return _numbered(rows)


def run_rows(picture: Picture, width: int) -> list[Row]:
    """Return the runs, the oldest first."""
    rows = []
    for each in picture.runs:
        name = f"{each.id} {each.engine}".strip()
        tasks = each.tasks
        figures = (
            f"{duration(each.seconds):>7} {number(tasks.running):>7} {number(tasks.waiting):>7}"
        )
        rows.append(Row(each.id, _beside(name, figures, width)))
    return _numbered(rows)


def slot_rows(picture: Picture, width: int) -> list[Row]:
    """Return the resources as bars, each with who holds it below."""
    rows = []
    for each in picture.slots:
        rows.append(Row(each.name, _of_slots(each, width)))
        if each.holders and each.kind not in ("rate", "budget"):  # what is spent isn't held
            held = ", ".join(
                owner if amount == 1 else f"{owner} {number(amount)}"
                for owner, amount in each.holders
            )
            if each.more_holders:
                held += f" and {number(each.more_holders)} more"
            rows.append(Row(each.name, fit(f"  held by {held}", width)))
    return _numbered(rows)


def _of_slots(each: Slots, width: int) -> str:
    wait = f" {number(each.waiting):>5} wait" if each.waiting else " " * 11
    if each.kind == "gate":
        amount = "closed" if each.capacity == 0 else "open"
        drawn = ""
    elif each.kind == "rate":
        size = "" if each.capacity is None else f" of {number(each.capacity)}"
        rate = each.per_second or 0.0
        amount = rate_in_words(rate) if rate > 0 else "no limit"
        drawn = f"{number(each.available or 0)}{size} at once"
    elif each.kind == "budget":
        amount = f"{number(each.used)} used"
        drawn = "" if each.capacity is None else f"{number(each.capacity)} left"
    elif each.capacity is None:
        amount, drawn = f"{number(each.used)} used", "no limit"
    else:
        amount = f"{number(each.used)}/{number(each.capacity)}"
        room = width - cell_len(each.name) - 23
        drawn = bar(each.used, each.capacity, max(4, min(20, room)))
    right = f"{drawn} {amount:>9}{wait}"
    return _beside(each.name, right, width)


def waiting_rows(picture: Picture, width: int) -> list[Row]:
    """Return who waits and for what; what else it wants is told by an explanation."""
    rows = []
    for each in picture.waiting:
        _, waits, what = each.sentence.partition(" and waits for ")
        sentence = f"{each.owner} waits for {what}" if waits else each.sentence
        rows.append(Row(each.owner, fit(f"{duration(each.waited):>6} {sentence}", width)))
    return _numbered(rows)


def rule_rows(picture: Picture, width: int) -> list[Row]:
    """Return the rules that hold, with the time that they have left."""
    rows = []
    for each in picture.rules:
        left = "" if each.left is None else f"{duration(each.left)} left"
        rows.append(Row(each.id, _beside(f"{each.id} {each.params}".strip(), left, width)))
    return _numbered(rows)


def error_rows(picture: Picture, width: int) -> list[Row]:
    """Return the latest errors of runs, the last one first."""
    return _numbered(
        Row(f"{each.run} {each.when}", fit(f"{each.run} {each.text}", width), loud=True)
        for each in picture.errors
    )


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of the screen: a heading, and rows below it."""

    id: str
    title: str
    columns: str
    """The headings of the figures on the right."""
    rows: Rows
    count: Callable[[Picture], tuple[float, float]]
    """Returns how many a picture tells of, and how many there are."""
    nothing: str
    """What stands there when there are none."""


_RUNNING = f"{'running':>7} {'waiting':>7} "
PANELS = (
    Panel(
        "runs",
        "RUNS",
        f"{'for':>7} {_RUNNING}",
        run_rows,
        lambda picture: (len(picture.runs), picture.run_count),
        "no runs",
    ),
    Panel("slots", "SLOTS", "", slot_rows, lambda picture: (len(picture.slots), 0), "no limits"),
    Panel(
        "tasks",
        "TASKS",
        _RUNNING,
        task_rows,
        lambda picture: (len(picture.by_name), 0),
        "no tasks run or wait",
    ),
    Panel("rules", "RULES", "", rule_rows, lambda picture: (len(picture.rules), 0), "none hold"),
    Panel(
        "waiting",
        "WAITING",
        "",
        waiting_rows,
        lambda picture: (len(picture.waiting), picture.tasks.waiting),
        "nothing waits",
    ),
    Panel("errors", "ERRORS", "", error_rows, lambda picture: (len(picture.errors), 0), "none"),
)
"""All of them, in the order in which they stand."""


def heading(panel: Panel, picture: Picture | None, width: int) -> str:
    """Return the heading of a panel, with how many rows there are."""
    if picture is None:
        return fit(panel.title, width)
    shown, total = panel.count(picture)
    count = f"{number(shown)} of {number(total)}" if total > shown else number(shown)
    title = f"{panel.title} {count}" if shown or total else panel.title
    return _beside(title, panel.columns if shown else "", width)


def status(picture: Picture | None, name: str, said: str, width: int) -> str:
    """Return the first line: which program, for how long, and what there is to be said of it."""
    parts = [f"cascade watch  {clean(name)}"]
    if picture is not None:
        parts.append(f"process {picture.pid}")
        parts.append(f"steerable for {duration(picture.seconds)}")
        if picture.dropped:
            parts.append(f"{number(picture.dropped)} snapshots dropped")
    text = "  ".join(parts)
    if said:
        return _beside(text, said, width)
    return fit(text, width)


def programs(names: Sequence[str], shown: str, width: int) -> str:
    """Return the names of all programs, that of the one that is shown in brackets."""
    parts = [f"[{name}]" if name == shown else f" {name} " for name in names]
    place = (
        sum(cell_len(part) for part in parts[: list(names).index(shown)]) if shown in names else 0
    )
    if place > width // 2:  # begin with the one before it, so that it can be seen
        parts = ["…", *parts[max(0, list(names).index(shown) - 1) :]]
    return fit("".join(parts), width)


def _beside(left: str, right: str, width: int) -> str:
    """Return a name on the left and figures on the right, which come first where both don't fit."""
    size = min(width, cell_len(right))
    return fit(left, width - size - 1) + " " * (width > size) + fit(right, size)


def _numbered(rows: Iterable[Row]) -> list[Row]:
    """Return rows whose keys are all different."""
    found: list[Row] = []
    seen: dict[str, int] = {}
    for row in rows:
        times = seen[row.key] = seen.get(row.key, -1) + 1
        key = row.key if not times else f"{row.key}\0{times}"
        found.append(Row(key, row.text, row.loud))
    return found


def name_of(key: str) -> str:
    """Return what a row is about, without the number that makes its key different."""
    return key.partition("\0")[0]


def _runs(count: float) -> str:
    return f"{number(count)} run{'s' * (count != 1)}"
