"""Map and reduce: the words of a seeded library are counted, four books at a time."""

import random
from collections import Counter

import cascade as cs
from cascade.runtime import events

SEED, BOOKS, READERS = 7, 24, 4
WORDS = ["rain", "falls", "on", "the", "hill", "and", "the", "river", "runs", "to", "the", "sea"]


@cs.task(mode="inline")
def library(seed: int, books: int) -> list[str]:
    """Write some books; the same seed writes the same ones."""
    generator = random.Random(seed)
    return [" ".join(generator.choices(WORDS, k=500)) for _ in range(books)]


@cs.task
def count(text: str, shortest: int) -> Counter[str]:
    """Map: count the words of one book, without the short ones."""
    return Counter(word for word in text.split() if len(word) >= shortest)


@cs.task
def add_up(counts: list[Counter[str]]) -> Counter[str]:
    """Reduce: put the counts together."""
    return sum(counts, Counter())


def main() -> None:
    # How many books there are is known only when the library is there.
    counts = count.map(text=library(SEED, BOOKS), shortest=cs.constant(4))
    total = add_up(counts.with_constraints(reader=1))

    bus = cs.MessageBus()
    finished: list[str] = []
    bus.subscribe(events.TaskFinished, lambda event: finished.append(event.task_name))

    limits = cs.ResourceManager({"reader": READERS})
    words = cs.run(total, resource_manager=limits, bus=bus)

    books = sum(name.startswith("count[") for name in finished)
    print(f"{books} books, {words.total()} words of four letters and more")
    for word, times in words.most_common():
        print(f"{word:>6} {times:4}")
    reader = limits.statistics().resources["reader"]
    print("never more readers than allowed:", reader.peak <= READERS)
    print("readers still at it:", f"{reader.used:g}")


if __name__ == "__main__":
    main()
