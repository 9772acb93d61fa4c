"""The reference house as a live one: its inverter and its Miniserver are real servers, moved by physics on a clock."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pems_core.clock import Clock
from pems_core.domain import Forecast, HeatingSpec, History, Horizon, SiteState, floor_time
from pems_core.site import HouseFile

from .devices.growatt_inverter import SimulatedGrowatt
from .devices.live_house import MINUTE, LiveHouse
from .devices.miniserver import Miniserver
from .devices.miniserver_mqtt import MiniserverMqtt
from .devices.oig_stick import OigStick
from .house import SimulatedHouse
from .outlook import ForecastQuality, Outlook
from .scenario import Scenario

HEATING = "heating"
LIVE_SECTIONS = """
[mqtt]
url = "{url}"

[state]
folder = "state"

[stages]
default = "control"

[nodered]
carries = [{carries}]
"""
_LIVE_SECTION = re.compile(r"^\[(mqtt|state|stages|nodered)\]\n(?:(?!^\[)[^\n]*\n)*", re.MULTILINE)


def live_house_file(example: Path, folder: Path, url: str, carries: Sequence[str] = ()) -> Path:
    """A copy of a house file whose devices are behind the broker at `url` and are all in stage control.

    :param folder: where the copy and the state go.
    :param carries: devices that are told through Node-RED.
    """
    text = _LIVE_SECTION.sub("", example.read_text(encoding="utf-8"))
    copy = folder / "pems.toml"
    # The sections go before the first one: what stands behind a list of tables would belong to it.
    sections = LIVE_SECTIONS.format(url=url, carries=", ".join(f'"{name}"' for name in carries))
    copy.write_text(re.sub(r"^\[", sections + "\n[", text, count=1, flags=re.MULTILINE))
    return copy


@dataclass
class ExpectedSeries:
    """A forecaster that knows the series on which the simulated house lives, with the errors that forecasts have."""

    outlook: Outlook
    name: str = "generated"

    @property
    def series(self) -> tuple[str, ...]:
        return (
            "import_price_per_kwh",
            "feed_in_price_per_kwh",
            "pv_kw",
            "base_load_kw",
            "outdoor_temperature_c",
            "ghi_w_m2",
        )

    async def forecast(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        expected = self.outlook.forecasts(state.now, horizon).series
        return {name: expected[name] for name in self.series if name in expected}


@dataclass
class TrialHouse:
    """The devices of a house as servers at a broker."""

    live: LiveHouse
    inverter: SimulatedGrowatt
    stick: OigStick
    miniserver: Miniserver
    miniserver_mqtt: MiniserverMqtt

    @classmethod
    def of(cls, built: HouseFile, scenario: Scenario, clock: Clock, port: int, soc: float = 0.5) -> "TrialHouse":
        """The house of a file on a scenario that covers the clock's time, at the broker on a port of this machine."""
        begin = floor_time(clock.now(), MINUTE)
        live = LiveHouse(SimulatedHouse(built.equipment, built.house.grid, scenario, begin, soc=soc), clock)
        inverter = SimulatedGrowatt(live, clock, "sph", timezone=built.site.timezone)
        heating = next(spec for spec in built.equipment.values() if isinstance(spec, HeatingSpec))
        miniserver = Miniserver(live, heating, device=HEATING)
        return cls(
            live,
            inverter,
            OigStick(inverter, clock, "127.0.0.1", port),
            miniserver,
            MiniserverMqtt(miniserver, f"mqtt://127.0.0.1:{port}"),
        )

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve from entering to leaving."""
        runs = (self.live.run(), self.stick.run(), self.miniserver.run(), self.miniserver_mqtt.run())
        tasks = [asyncio.ensure_future(run) for run in runs]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def generated_outlook(scenario: Scenario, seed: int = 1) -> ExpectedSeries:
    """Realistic forecasts of a scenario."""
    return ExpectedSeries(Outlook(scenario, ForecastQuality.REALISTIC, seed=seed))
