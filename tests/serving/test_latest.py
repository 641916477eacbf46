"""Work that may hang is done by one thread, and nobody waits for it for long."""

import asyncio
import threading

import pytest

from serving.latest import Latest


class Work:
    """Counts how often it is done, and does not end before it is released."""

    def __init__(self) -> None:
        self.done = 0
        self.released = threading.Event()
        self.released.set()

    def __call__(self) -> int:
        assert self.released.wait(60)
        self.done += 1
        if self.done == 3:
            raise OSError("the third fails")
        return self.done


def test_work_that_hangs_takes_one_thread_and_its_result_is_given_when_it_has_ended() -> None:
    work = Work()
    latest = Latest(work, patience=0.05)
    work.released.clear()
    before = threading.active_count()

    async def ask() -> int:
        return await latest.result()

    for _ in range(5):
        with pytest.raises(TimeoutError):
            asyncio.run(ask())
    assert threading.active_count() == before + 1
    [thread] = [thread for thread in threading.enumerate() if thread.name == "latest"]
    work.released.set()
    thread.join(60)
    assert work.done == 1


def test_all_who_ask_at_once_get_one_result() -> None:
    work = Work()
    latest = Latest(work, patience=60.0)

    async def ask() -> list[int]:
        work.released.clear()
        asked = [asyncio.create_task(latest.result()) for _ in range(9)]
        await asyncio.sleep(0)
        work.released.set()
        return list(await asyncio.gather(*asked))

    assert asyncio.run(ask()) == [1] * 9


def test_a_result_is_given_again_while_it_is_fresh_and_an_error_too() -> None:
    now = [100.0]
    latest = Latest(Work(), patience=60.0, fresh=3.0, clock=lambda: now[0])

    def ask() -> int:
        return asyncio.run(latest.result())

    assert [ask(), ask()] == [1, 1]
    now[0] += 2.9
    assert ask() == 1
    now[0] += 0.2
    assert ask() == 2
    latest.forget()
    for _ in range(2):
        with pytest.raises(OSError, match="the third fails"):
            ask()
    now[0] += 3.1
    assert ask() == 4
