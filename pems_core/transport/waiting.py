"""Waiting for something with a limit, without losing a cancellation."""

import asyncio
import sys
from collections.abc import Awaitable, Generator
from typing import Any, TypeVar, cast

T = TypeVar("T")


async def wait_for(
    fut: "asyncio.Future[T] | Generator[Any, None, T] | Awaitable[T]",
    timeout: float | None,  # noqa: ASYNC109 - asyncio names it so
) -> T:
    """What `asyncio.wait_for` is from Python 3.12 on."""
    async with asyncio.timeout(timeout):
        return await cast("Awaitable[T]", fut)


def keep_cancellations() -> None:
    """Have libraries that call `asyncio.wait_for` be stopped whenever they are told to.

    Before Python 3.12 it loses a cancellation that comes just when what it waits for is done
    (https://github.com/python/cpython/issues/86296). A group of tasks cancels its members once; one that never heard
    of it keeps a whole engine from ending. aiomqtt and pymodbus wait that way for every message.
    """
    if sys.version_info < (3, 12):
        asyncio.wait_for = wait_for
