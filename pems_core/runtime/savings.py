"""Has what was saved worked out beside the engine, and tells it: by a process of its own, which takes nobody's time."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from pems_core.recording.ledger.coding import back
from pems_core.recording.metrics.money import Money

from .beside import done_beside
from .live import Live

PLACE = "books"
FIRST_AFTER_S = 120.0
"""[s of the clock] by then there is something to look at."""
AFTER_MIDNIGHT = timedelta(minutes=10)
"""When the books of a day that is over are closed."""
LEAST_WAIT_S = 60.0
"""Between two looks, however fast the clock is [s of the wall]."""
WITHIN_S = 900.0
"""How long the process may take [s of the wall]; it is ended then, and tried again next time."""


@dataclass
class Savings:
    """Asks `pems report --savings` now and then.

    :param house: the house file.
    :param every: time between two looks at what today has saved.
    :param tell: told what was saved, for the topic `savings`.
    :param keep: given the money of this day, week and month, and of the whole days before, the last at the end.
    """

    live: Live
    house: Path
    ledger: Path
    every: timedelta
    tell: Callable[[Mapping[str, Any]], object] | None = None
    keep: Callable[[Sequence[Money], Sequence[Money]], object] | None = None

    async def run(self) -> None:
        """Ask until cancelled."""
        clock = self.live.clock
        await clock.sleep(FIRST_AFTER_S)
        while True:
            await self.look()
            await clock.sleep(max(self._until_next_s(), LEAST_WAIT_S * clock.speed))

    async def look(self) -> None:
        """Ask once; what goes wrong is an alert, and the house goes on."""
        alerts = self.live.alerts
        try:
            async with asyncio.timeout(WITHIN_S):
                found = await self._asked()
        except TimeoutError:
            alerts.begin(PLACE, f"what was saved was not worked out within {WITHIN_S:g} s")
        except (OSError, ValueError, KeyError, TypeError) as fault:
            alerts.begin(PLACE, f"what was saved cannot be worked out: {fault}")
        else:
            alerts.end(PLACE)
            if self.tell is not None:
                self.tell(found["told"])
            if self.keep is not None:
                self.keep(_money(found["periods"]), _money(found["days"]))

    async def _asked(self) -> Mapping[str, Any]:
        now = self.live.now
        day = now.astimezone(self.live.house.site.zone).date()
        asking = [
            "report",
            day.isoformat(),
            "--savings",
            "--now",
            now.isoformat(),
            "--house",
            str(self.house),
            "--ledger",
            str(self.ledger),
        ]
        done = await done_beside(asking)
        if done.code:
            raise ValueError(done.last_words)
        found: Mapping[str, Any] = json.loads(done.said)
        return found

    def _until_next_s(self) -> float:
        """Until the next look, or until the day that ends before it can be closed [s of the clock]."""
        local = self.live.now.astimezone(self.live.house.site.zone)
        midnight = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0) + AFTER_MIDNIGHT
        return min(self.every, midnight - local).total_seconds()


def _money(data: Sequence[Mapping[str, Any]]) -> list[Money]:
    return [back(Money, one) for one in data]
