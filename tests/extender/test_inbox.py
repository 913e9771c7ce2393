"""The inbox: in order, from any thread, nothing lost, requests in between."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from threading import Thread

from extender.inbox import SLICE_SECONDS, Inbox

PIECES = 2000
SLOW = 50


async def emptied(inbox: Inbox) -> None:
    """Wait until all is done."""
    async with asyncio.timeout(30):
        while len(inbox):  # noqa: ASYNC110 - the inbox tells nobody that it is empty
            await asyncio.sleep(0)


def test_work_of_many_threads_is_done_each_in_its_order() -> None:
    """Four threads that put as fast as they can while the loop turns."""
    done: list[tuple[int, int]] = []

    async def run() -> None:
        inbox = Inbox(asyncio.get_running_loop())

        def put(thread: int) -> None:
            for number in range(PIECES):
                inbox.put(partial(done.append, (thread, number)))

        threads = [Thread(target=put, args=(thread,)) for thread in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
        await emptied(inbox)

    asyncio.run(run())
    assert len(done) == 4 * PIECES
    for thread in range(4):
        assert [number for who, number in done if who == thread] == list(range(PIECES))


def test_a_request_waits_for_a_slice_and_one_piece() -> None:
    """However much lies there: two pieces that take 0.6 ms are enough, and one of an hour is."""
    now, seen = [0.0], list[int]()

    async def run() -> None:
        inbox = Inbox(asyncio.get_running_loop(), lambda: now[0])
        done: list[float] = []

        def work(seconds: float) -> None:
            now[0] += seconds
            done.append(seconds)

        for seconds in [0.6 * SLICE_SECONDS] * SLOW + [3600.0] * SLOW:
            inbox.put(partial(work, seconds))
        while len(inbox):
            await asyncio.sleep(0)
            seen.append(len(done))

    asyncio.run(run())
    steps = [after - before for before, after in zip([0, *seen], seen, strict=False)]
    assert max(steps) == 2
    assert max(steps[SLOW // 2 + 1 :]) == 1
    assert seen[-1] == 2 * SLOW


def test_what_fails_is_counted_and_the_rest_goes_on(caplog) -> None:
    """One bad change must not stop the others."""
    done: list[str] = []

    async def run() -> int:
        inbox = Inbox(asyncio.get_running_loop())
        inbox.put(lambda: done.append("first"))
        inbox.put(lambda: 1 / 0)
        inbox.put(lambda: done.append("last"))
        await emptied(inbox)
        return inbox.failures

    with caplog.at_level(logging.ERROR):
        assert asyncio.run(run()) == 1
    assert done == ["first", "last"]
    assert "ZeroDivisionError" in caplog.text


def test_work_that_leaves_work_is_followed() -> None:
    """From the loop's own thread too."""
    done: list[int] = []

    async def run() -> None:
        inbox = Inbox(asyncio.get_running_loop())

        def again(left: int) -> None:
            done.append(left)
            if left:
                inbox.put(partial(again, left - 1))

        inbox.put(partial(again, SLOW))
        await emptied(inbox)

    asyncio.run(run())
    assert done == list(range(SLOW, -1, -1))


def test_whoever_is_late_is_not_hurt() -> None:
    """A thread may still put when the loop is closed."""
    loop = asyncio.new_event_loop()
    inbox = Inbox(loop)
    loop.close()
    inbox.put(lambda: None)
    assert len(inbox) == 0
