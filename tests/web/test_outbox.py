"""What a page is still to be sent is bounded: of pictures only the latest counts."""

from __future__ import annotations

import asyncio

from cascade.testing import run_virtual
from cascade.web.outbox import MOST_ANSWERS, Outbox


class Page:
    """A page that takes a second to read anything."""

    def __init__(self) -> None:
        self.read: list[str | bytes] = []

    async def take(self, message: str | bytes) -> None:
        await asyncio.sleep(1)
        self.read.append(message)


async def read_by(page: Page, outbox: Outbox, seconds: float) -> None:
    sending = asyncio.create_task(outbox.run(page.take, page.take))
    await asyncio.sleep(seconds)
    sending.cancel()
    await asyncio.wait([sending])


def test_a_page_that_reads_gets_everything() -> None:
    async def main() -> None:
        outbox, page = Outbox(), Page()
        sending = asyncio.create_task(outbox.run(page.take, page.take))
        for number in range(5):
            outbox.show(b"%d" % number)
            await asyncio.sleep(1.5)
        sending.cancel()
        await asyncio.wait([sending])
        assert page.read == [b"0", b"1", b"2", b"3", b"4"]
        assert (outbox.sent, outbox.dropped) == (5, 0)

    run_virtual(main())


def test_one_that_does_not_gets_the_latest_picture_and_the_others_are_counted() -> None:
    async def main() -> None:
        outbox, page = Outbox(), Page()
        for number in range(100):
            outbox.show(b"%d" % number)
        await read_by(page, outbox, 10)
        assert page.read == [b"99"]
        assert (outbox.sent, outbox.dropped) == (1, 99)

    run_virtual(main())


def test_answers_come_first_then_the_status_as_it_is_by_then() -> None:
    async def main() -> None:
        outbox, page = Outbox(), Page()
        outbox.show(b"picture")
        outbox.tell(lambda: "old")
        outbox.tell(lambda: f"{outbox.dropped} dropped")
        outbox.show(b"later picture")
        await outbox.say("first")
        await outbox.say("second")
        await read_by(page, outbox, 10)
        assert page.read == ["first", "second", "1 dropped", b"later picture"]
        assert outbox.dropped_statuses == 1

    run_virtual(main())


def test_who_asks_and_does_not_read_is_not_heard() -> None:
    async def main() -> None:
        outbox, page = Outbox(), Page()

        async def ask() -> None:
            for number in range(1000):
                await outbox.say(str(number))

        asking = asyncio.create_task(ask())
        await asyncio.sleep(1)
        assert not asking.done()
        await read_by(page, outbox, 2 * MOST_ANSWERS + 0.5)
        assert page.read == [str(number) for number in range(2 * MOST_ANSWERS)]
        asking.cancel()

    run_virtual(main())
