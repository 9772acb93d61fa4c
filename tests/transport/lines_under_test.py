"""What tests of lines share."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import TypeVar

from pems_core.clock import SystemClock
from pems_core.config.live import MqttSection
from pems_core.transport.mqtt import LastWords, MqttConnection

T = TypeVar("T")

PATIENCE_S = 20.0
"""For what happens soon, on a busy machine."""


async def until(condition: Callable[[], bool], what: str) -> None:
    deadline = monotonic() + PATIENCE_S
    while not condition():
        assert monotonic() < deadline, f"not within {PATIENCE_S:g} s: {what}"
        await asyncio.sleep(0.01)


async def soon(arriving: AsyncIterator[T]) -> T:
    """The next that arrives."""
    async with asyncio.timeout(PATIENCE_S):
        return await anext(arriving)


@asynccontextmanager
async def kept_up(connection: MqttConnection) -> AsyncIterator[MqttConnection]:
    """The line while somebody runs it, and in good order ended."""
    running = asyncio.create_task(connection.run())
    try:
        yield connection
    finally:
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled(), running.exception()


@asynccontextmanager
async def up(connection: MqttConnection) -> AsyncIterator[MqttConnection]:
    async with kept_up(connection):
        await until(lambda: connection.connected, "the line is up")
        yield connection


def line_to(
    url: str,
    section: MqttSection | None = None,
    *,
    will: LastWords | None = None,
    farewell: LastWords | None = None,
    timeout_s: float = 5.0,
    backoff_s: tuple[float, float] = (0.05, 0.2),
) -> MqttConnection:
    return MqttConnection(
        section or MqttSection(url=url),
        SystemClock(),
        "pems-test",
        will=will,
        farewell=farewell,
        timeout_s=timeout_s,
        backoff_s=backoff_s,
    )
