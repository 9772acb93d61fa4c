"""A plant that is told by the dispatcher, with its guard and its store, while the test moves the clock."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Self

from pems_core.commanding import Dispatcher, EmergencyStop, Guard, RelayBook, Stages, Store, Wish
from pems_core.config import StagesSection
from pems_core.domain import BatteryState, InverterState, Readings, Receipt, SiteState, Value

from .plant import Plant

WORD_S = 0.03
"""In which a word is told, over a socket of this machine."""


class Told:
    """What is wished of a plant, and what becomes of it."""

    def __init__(self, folder: Path, plant: Plant) -> None:
        self.plant, self.clock = plant, plant.clock
        self.store = Store(folder, plant.clock)
        self.receipts: list[Receipt] = []
        trust = Stages(StagesSection(default="control"), self.store, plant.clock)
        guard = Guard(
            [plant.device],
            trust,
            EmergencyStop(self.store, plant.clock),
            RelayBook(self.store, plant.clock),
            self.store,
            plant.clock,
        )
        self.dispatcher = Dispatcher(
            [plant.device], [plant.transport], guard, self.store, plant.clock, self.receipts.append
        )

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self.dispatcher.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        self.store.close()

    @property
    def state(self) -> SiteState:
        return SiteState(self.clock.now(), {"inverter": InverterState(BatteryState(0.5))})

    def want(self, settings: Mapping[str, Value], minutes: float = 240.0, by_hand: Sequence[str] = ()) -> None:
        now = self.clock.now()
        wish = Wish(settings, now, now + timedelta(minutes=minutes), by_hand=frozenset(by_hand))
        self.dispatcher.want("inverter", wish, self.state)

    def saw(self) -> None:
        self.dispatcher.saw(self.state, Readings(self.clock.now(), {}))

    async def pass_minutes(self, minutes: float) -> None:
        """Let time pass by hand, a minute at a time; polls and what is due go on."""
        for _ in range(round(minutes)):
            await self.plant.polls(every_s=60.0)
            self.saw()
            await asyncio.sleep(WORD_S)

    @property
    def alerts(self) -> str:
        return "\n".join(alert.text for alert in self.dispatcher.alerts)
