"""Who is told to stop stops, whatever happens in the same moment."""

import asyncio

import pems_core.transport  # noqa: F401 - mends asyncio.wait_for


async def test_a_cancellation_in_the_moment_of_the_answer_counts() -> None:
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(asyncio.wait_for(answer, 10.0))
    await asyncio.sleep(0)
    answer.set_result("here")
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
