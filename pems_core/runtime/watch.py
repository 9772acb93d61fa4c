"""Looks at the house between cycles: what is read, what deviates, what has ended."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pems_core.cycle import measure
from pems_core.domain import QUARTER, Reading, Severity, SiteState, floor_time

from .follow import Follower
from .live import Live
from .triggers import deviations

EVERY_S = 10.0
"""[s of the clock]"""
READINGS_WITHIN_S = 90.0
LEAST_WAIT_S = 0.05
"""However fast the clock is [s of the wall]."""
PART = "readings"
WEATHER = {"outdoor_temperature_c": "°C", "ghi_w_m2": "W/m2"}
"""What is asked of weather services for devices that have no instrument for it."""


@dataclass
class Watch:
    """Makes the process image and the state, and wakes whoever has to act on them."""

    live: Live
    follower: Follower
    _lost: Mapping[str, str] = field(default_factory=dict)
    _weather: tuple[datetime, Mapping[str, float]] | None = None

    async def run(self) -> None:
        """Look every few seconds until cancelled."""
        live = self.live
        live.health.expect(PART, READINGS_WITHIN_S)
        while True:
            self.look()
            await live.clock.sleep(max(EVERY_S, LEAST_WAIT_S * live.clock.speed))

    def look(self) -> None:
        """Take what was heard into the image and the state, and act on what follows from it."""
        live = self.live
        overrides = live.commanding.overrides
        ended = overrides.expire()
        readings = live.image.take(live.now, list(self._heard()))
        before = live.report.state if live.report else None
        live.readings = readings
        live.state = measure(live.devices, readings, before, overrides.in_force())
        live.recorder.see(readings)
        live.commanding.dispatcher.saw(live.state, readings)
        live.commanding.store.flush()
        for override in ended:
            live.triggers.pull(f"{override.device}: the override of {override.control} has ended", urgent=True)
        self._lost_or_back(live.state)
        self._deviating()
        self.follower.follow()
        if any(name in live.state.devices for name in live.commanded) or not live.commanded:
            live.health.beat(PART)

    def _heard(self) -> Iterator[Mapping[str, Reading]]:
        for transport in self.live.transports:
            try:
                heard = transport.readings()
            except Exception as error:  # noqa: BLE001
                # A plugin's own error takes its readings, which become stale, and not those of the others.
                fault = f"{type(error).__name__}: {error}"
                self.live.alerts.begin(f"{transport.name} readings", fault, Severity.CRITICAL)
                continue
            self.live.alerts.end(f"{transport.name} readings")
            yield heard
        yield self._said_of_the_weather()

    def _said_of_the_weather(self) -> Mapping[str, Reading]:
        """The weather of this quarter hour as services tell it; it is no measurement, and has names of its own."""
        live = self.live
        if live.feeds is None:
            return {}
        quarter = floor_time(live.now, QUARTER)
        if self._weather is None or self._weather[0] != quarter or not self._weather[1]:
            self._weather = quarter, live.feeds.weather_now(live.now)
        said = self._weather[1]
        return {
            f"weather/{name}": Reading(said[name], unit, live.now, live.now)
            for name, unit in WEATHER.items()
            if name in said
        }

    def _lost_or_back(self, state: SiteState) -> None:
        live = self.live
        for name in live.commanded:
            fault = state.faults.get(name, "")
            live.alerts.set(name, fault, Severity.CRITICAL, "device_lost")
            if live.followed is not None and bool(fault) != (name in self._lost):
                live.triggers.pull(f"{name} is {'lost' if fault else 'back'}")
        self._lost = dict(state.faults)

    def _deviating(self) -> None:
        live = self.live
        if live.followed is None:
            return
        for reason in deviations(live.followed, live.state, live.cycles):
            # The numbers change from look to look, the reason does not.
            live.triggers.pull(reason.partition(" is ")[0].partition(" has ")[0] + " deviates from the plan")
