"""Questions and answers over a line that only carries messages."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Generic, TypeVar

from .lines import NoAnswer

Answer = TypeVar("Answer")


class Dialogue(Generic[Answer]):
    """One question in flight at a time; an answer belongs to the question whose key it carries."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._asked: dict[str, asyncio.Future[Answer]] = {}

    async def ask(self, key: str, say: Callable[[], Awaitable[None]], timeout_s: float) -> Answer:
        """Wait for one's turn, say the question, and wait for its answer.

        :param say: puts the question on the line; what it raises ends the question.
        :param timeout_s: from when it was said [s of the wall].
        :raises NoAnswer: if none came in time.
        """
        async with self._turn:
            answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            self._asked[key] = answer
            try:
                await say()
                async with asyncio.timeout(timeout_s):
                    return await answer
            except TimeoutError:
                raise NoAnswer(f"no answer within {timeout_s:g} s") from None
            finally:
                del self._asked[key]

    def hear(self, key: str, answer: Answer) -> bool:
        """Hand an answer to its question; false if nobody asked, or an answer was there before."""
        question = self._asked.get(key)
        if question is None or question.done():
            return False
        question.set_result(answer)
        return True

    def waits(self, key: str) -> bool:
        """Whether a question is in flight."""
        return key in self._asked


async def together(*parts: Coroutine[object, object, None]) -> None:
    """Let several things go on at once, until cancelled or one of them fails, which ends the others.

    Not a TaskGroup: that of Python 3.11 leaves its task marked as cancelled when a part fails, and
    forgets a real cancellation that comes together with a failure.

    :raises ExceptionGroup: of what failed.
    """
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    if errors := [end for end in ends if isinstance(end, Exception)]:
        raise ExceptionGroup("parts of one conversation failed", errors)
