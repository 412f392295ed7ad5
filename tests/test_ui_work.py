"""Work of the page's server: bounded, and dropped when nobody waits for it."""

import asyncio
import threading

import pytest

from pondera import PonderaError
from pondera.ui.refused import Refused
from pondera.ui.work import THREADS, Gone, Work


async def stays():
    """Somebody who waits."""
    await asyncio.sleep(60)


def left(after=0.0):
    """Somebody who goes away after so many seconds."""

    async def receive():
        await asyncio.sleep(after)
        return {"type": "http.disconnect"}

    return receive


def test_answers_and_sentences_come_back():
    async def run():
        work = Work()
        assert await work.do(lambda: 7, stays) == 7

        def cannot():
            raise PonderaError("it cannot be")

        with pytest.raises(Refused, match="it cannot be") as refused:
            await work.do(cannot, stays)
        assert refused.value.status == 422
        work.close()

    asyncio.run(run())


def test_a_fault_is_told_at_the_terminal_and_not_to_the_asker(capsys):
    async def run():
        def fails():
            raise ZeroDivisionError("a secret")

        with pytest.raises(Refused) as refused:
            await Work().do(fails, stays)
        assert refused.value.status == 500
        assert "secret" not in refused.value.sentence

    asyncio.run(run())
    assert "ZeroDivisionError: a secret" in capsys.readouterr().err


def test_what_has_not_begun_is_dropped_with_its_asker():
    async def run():
        work, open_, begun = Work(), threading.Event(), []
        held = [asyncio.ensure_future(work.do(open_.wait, stays)) for _ in range(THREADS)]
        await asyncio.sleep(0)
        with pytest.raises(Gone):
            await work.do(lambda: begun.append(1), left())
        open_.set()
        assert await asyncio.gather(*held) == [True] * THREADS
        assert await work.do(lambda: 1, stays) == 1
        assert not begun
        work.close()

    asyncio.run(run())


def test_more_than_so_many_are_refused_and_places_come_free():
    async def run():
        work, open_ = Work(waiting=THREADS + 2), threading.Event()
        held = [asyncio.ensure_future(work.do(open_.wait, stays)) for _ in range(THREADS + 2)]
        await asyncio.sleep(0)
        with pytest.raises(Refused, match="in work already") as refused:
            await work.do(lambda: 1, stays)
        assert refused.value.status == 503
        open_.set()
        await asyncio.gather(*held)
        assert await work.do(lambda: 1, stays) == 1
        work.close()

    asyncio.run(run())


def test_what_takes_too_long_is_told_and_keeps_its_place():
    async def run():
        work, open_ = Work(seconds=0.05, waiting=THREADS), threading.Event()
        for _ in range(THREADS):
            with pytest.raises(Refused, match="takes more than") as refused:
                await work.do(open_.wait, stays)
            assert refused.value.status == 503
        # All threads are busy with what nobody waits for any more: there are never more of them.
        with pytest.raises(Refused, match="in work already"):
            await work.do(lambda: 1, stays)
        assert threading.active_count() < 2 * THREADS + 4
        open_.set()
        for _ in range(200):
            await asyncio.sleep(0.01)
            try:
                assert await work.do(lambda: 1, stays) == 1
                break
            except Refused:
                continue
        else:
            pytest.fail("no place came free")
        work.close()

    asyncio.run(run())
