"""Sends letters about alerts, and tries again what was not taken; nobody waits for it."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pems_core.alerting.judge import News
from pems_core.alerting.letters import Habits, Letter, Letters
from pems_core.alerting.post import NotSent, Post

from .live import Live

LOOK_EVERY_S = 1.0
"""[s of the wall]"""
SEND_WITHIN_S = 60.0
"""How long all addresses together are waited for [s of the wall]."""
TRY_AGAIN = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1))
"""After so long a letter is sent again to those who did not take it; the last for as long as it is tried."""
TOO_OLD = timedelta(hours=24)
MOST_WAITING = 100
PLACE = "notifications"


@dataclass(eq=False)
class _Waiting:
    """A letter that somebody has not taken yet."""

    letter: Letter
    to: Sequence[int]
    written: datetime
    due: datetime
    tries: int = 0


@dataclass
class Notifier:
    """Hears which alerts began and ended, and sends letters."""

    live: Live
    habits: Habits
    post: Post
    _waiting: deque[_Waiting] = field(default_factory=lambda: deque(maxlen=MOST_WAITING))

    def __post_init__(self) -> None:
        self._letters = Letters(self.habits)

    def told(self, news: News) -> None:
        """Take news in. That letters do not go out cannot go out as a letter."""
        begun = [alert for alert in news.begun if alert.place != PLACE]
        self._letters.take(begun, news.over, self.live.now)

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            now = self.live.now
            letter = self._letters.due(now, self.live.alerts.judge.acknowledged)
            if letter is not None:
                self._waiting.append(_Waiting(letter, range(len(self.post)), now, now))
            for waiting in [one for one in self._waiting if one.due <= now]:
                await self._send(waiting)

    async def _send(self, waiting: _Waiting) -> None:
        try:
            async with asyncio.timeout(SEND_WITHIN_S):
                await asyncio.to_thread(self.post.send, waiting.letter, waiting.to)
        except NotSent as fault:
            waiting.to = fault.left
            self._later(waiting, str(fault))
        except TimeoutError:
            self._later(waiting, f"no address said anything within {SEND_WITHIN_S:g} s")
        else:
            self._waiting.remove(waiting)
            self.live.alerts.end(PLACE)

    def _later(self, waiting: _Waiting, why: str) -> None:
        now = self.live.now
        self.live.alerts.begin(PLACE, why)
        waiting.due = now + TRY_AGAIN[min(waiting.tries, len(TRY_AGAIN) - 1)]
        waiting.tries += 1
        if now - waiting.written > TOO_OLD:
            self._waiting.remove(waiting)
