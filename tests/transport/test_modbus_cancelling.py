"""Whoever waits for a Modbus answer can always be ended."""

import asyncio

from pems_core.transport.modbus_wire import _cancellable


async def test_a_cancellation_that_comes_together_with_the_answer_ends_who_waits() -> None:
    """As pymodbus waits: its `wait_for` returns the answer and forgets that it was cancelled."""
    answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def polls_for_ever() -> None:
        while True:
            await _cancellable(asyncio.wait_for(answer, 5.0))
            await asyncio.sleep(10.0)

    poll = asyncio.create_task(polls_for_ever())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    answer.set_result(1)
    poll.cancel()
    await asyncio.wait([poll], timeout=1.0)
    ended = poll.cancelled()
    poll.cancel()
    assert ended
