"""What has arrived for one consumer and waits for it, in bounded memory."""

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Iterates for ever over what is put in. When it is full the oldest goes: what is newer is worth more here."""

    def __init__(self, capacity: int = 1000) -> None:
        self._items: deque[T] = deque(maxlen=capacity)
        self._arrived = asyncio.Event()

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> bool:
        """Add one.

        :return: False if the oldest was dropped for it.
        """
        kept = len(self._items) != self._items.maxlen
        self._items.append(item)
        self._arrived.set()
        return kept

    def __aiter__(self) -> "Mailbox[T]":
        return self

    async def __anext__(self) -> T:
        while not self._items:
            self._arrived.clear()
            await self._arrived.wait()
        return self._items.popleft()
