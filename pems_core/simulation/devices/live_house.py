"""The simulated house on a running clock, as the simulated devices see and move it."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from pems_core.clock import Clock
from pems_core.domain import NEVER, Decision, Value, floor_time
from pems_core.simulation.house import SimulatedHouse
from pems_core.simulation.twins.conditions import Conditions

MINUTE = timedelta(minutes=1)


class LiveHouse:
    """Lets the house's time pass with a clock, in whole minutes, whenever somebody looks or `run` is awaited."""

    def __init__(self, house: SimulatedHouse, clock: Clock) -> None:
        """
        :param house: starts at a time that is not after the clock's.
        """
        self.house = house
        self.clock = clock
        self._told: dict[str, dict[str, Value]] = {}
        self._each_minute: list[Callable[[datetime], None]] = []
        self._catching_up = False

    def each_minute(self, act: Callable[[datetime], None]) -> None:
        """Have a device act at the start of each minute of the house, with that instant.

        However fast the clock passes and however rarely somebody looks, a device thus misses no minute.
        """
        self._each_minute.append(act)

    def catch_up(self) -> None:
        """Bring the house to the last whole minute.

        :raises BadSeries: if its scenario ends before.
        """
        if self._catching_up:
            return
        self._catching_up = True
        try:
            minute = floor_time(self.clock.now(), MINUTE)
            while self.house.now < minute:
                for act in self._each_minute:
                    act(self.house.now)
                self.house.advance(self.house.now + MINUTE)
        finally:
            self._catching_up = False

    async def run(self) -> None:
        """Keep up with the clock until cancelled."""
        while True:
            self.catch_up()
            await self.clock.sleep(MINUTE.total_seconds() / 4)

    @property
    def powers_kw(self) -> Mapping[str, float]:
        """The flows of the last minute; see `SimulatedHouse.powers_kw`."""
        self.catch_up()
        return self.house.powers_kw

    def truth(self) -> Mapping[str, Value]:
        """What is so now; see `SimulatedHouse.truth`."""
        self.catch_up()
        return self.house.truth()

    def command(self, device: str, settings: Mapping[str, Value]) -> None:
        """What a device's own logic has it do from now on, by control; what is left out is its local control."""
        self.catch_up()
        before, now = self._told.get(device, {}), self.house.now
        ended = [Decision(device, control, value, "", now, now) for control, value in before.items()]
        said = [Decision(device, control, value, "", now, NEVER) for control, value in settings.items()]
        kept = {(d.device, d.control) for d in said}
        self.house.apply([*(d for d in ended if (d.device, d.control) not in kept), *said])
        self._told[device] = dict(settings)

    def befall(self, conditions: Conditions) -> None:
        """What inverter, battery and grid work under from now on; see `SimulatedHouse.befall`."""
        self.catch_up()
        self.house.befall(conditions)

    def recalibrate(self, soc: float) -> None:
        """Let the battery jump to a state of charge, 0..1."""
        self.catch_up()
        self.house.recalibrate(soc)
