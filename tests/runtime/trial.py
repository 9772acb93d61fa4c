"""A made-up inverter behind a real broker: the smallest brand there can be, for tests of the engine."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import aiomqtt
import pems_strategies
import pluggy

from pems_core import hookspecs
from pems_core.clock import Clock
from pems_core.config import Config
from pems_core.devices import HybridInverterDevice
from pems_core.devices.commands import Validity, mqtt_command, require_allowed
from pems_core.domain import (
    Alert,
    Command,
    Forecast,
    History,
    Horizon,
    NotDelivered,
    Reading,
    Receipt,
    SiteState,
    Stage,
    Value,
)
from pems_core.hookspecs import hookimpl
from pems_core.protocols import Device, Forecaster, Transport
from pems_core.simulation.devices.live_house import LiveHouse
from pems_core.simulation.devices.small_live_house import INVERTER
from pems_core.transport.lines import Lines

SET, STATE = "trial/set", "trial/state"
READ_BACK_WITHIN_S = 5.0
UNITS = {"soc": "share", "battery_temperature_c": "°C"}


class TrialInverter(HybridInverterDevice):
    """Takes all its settings in one message."""

    def __init__(self, name: str = "inverter", topic: str = SET) -> None:
        super().__init__(name, INVERTER)
        self.topic = topic

    def encode(
        self, settings: Mapping[str, Value], valid_from: datetime, valid_until: datetime, state: SiteState
    ) -> Sequence[Command]:
        require_allowed(self.name, self.controls(), settings)
        return [self._command(settings, Validity(valid_from, valid_until))]

    def release(self) -> Sequence[Command]:
        return [self._command({}, Validity.release())]

    def _command(self, settings: Mapping[str, Value], validity: Validity) -> Command:
        return mqtt_command(self.name, "mode", self.topic, json.dumps(settings, sort_keys=True), validity)


class TrialTransport:
    """Hears the inverter's state, and reads back from it what was commanded."""

    def __init__(self, device: str = "inverter", state: str = STATE) -> None:
        self.name = f"trial {device}"
        self.devices: Sequence[str] = (device,)
        self.state = state
        self.alerts: Sequence[Alert] = ()
        self.beats: list[int] = []
        self.crash: Exception | None = None
        self._heard: dict[str, Reading] = {}
        self._told: Mapping[str, Value] | None = None
        self._lines: Lines | None = None

    async def run(self, lines: Lines) -> None:
        self._lines = lines
        async with lines.mqtt.messages(self.state) as messages:
            async for message in messages:
                if self.crash is not None:
                    raise self.crash
                said = json.loads(message.payload)
                self._told = said.pop("told")
                for point, value in said.items():
                    unit = UNITS.get(point, "kW" if point.endswith("_kw") else "")
                    now = message.received_at
                    self._heard[f"{self.devices[0]}/{point}"] = Reading(value, unit, now, now)

    async def send(self, command: Command) -> Receipt:
        if self._lines is None:
            raise NotDelivered("nobody listens yet")
        if self._told != json.loads(command.payload):
            await self._lines.mqtt.publish(command.address, command.payload)
        for _ in range(int(READ_BACK_WITHIN_S / 0.02)):
            if self._told == json.loads(command.payload):
                break
            await asyncio.sleep(0.02)
        return await self.check(command)

    async def check(self, command: Command) -> Receipt:
        assert self._lines is not None
        same = self._told == json.loads(command.payload)
        stage = Stage.READBACK_OK if same else Stage.REVERTED
        return Receipt(command, stage, self._lines.clock.now())

    async def beat(self, count: int) -> None:
        self.beats.append(count)

    def readings(self) -> Mapping[str, Reading]:
        return dict(self._heard)


class TrialServer:
    """The inverter itself: an MQTT client that moves the simulated house."""

    def __init__(self, house: LiveHouse, port: int, clock: Clock, topic: str = SET, state: str = STATE) -> None:
        self.house = house
        self.told: dict[str, Value] = {}
        self.heard: list[tuple[float, dict[str, Value]]] = []
        """What came, with the time of the event loop [s]."""
        self.silent = False
        self._port, self._clock, self._topic, self._state = port, clock, topic, state

    async def run(self) -> None:
        while True:
            try:
                await self._serve()
            except* aiomqtt.MqttError:
                pass
            await asyncio.sleep(0.1)

    async def _serve(self) -> None:
        async with aiomqtt.Client("127.0.0.1", self._port) as client, asyncio.TaskGroup() as tasks:
            await client.subscribe(self._topic, qos=1)
            tasks.create_task(self._speak(client))
            async for message in client.messages:
                self._take(json.loads(bytes(message.payload)))
                await self._say(client)

    def _take(self, settings: dict[str, Value]) -> None:
        self.heard.append((asyncio.get_running_loop().time(), settings))
        self.told = settings
        self.house.command("inverter", settings)

    async def _speak(self, client: aiomqtt.Client) -> None:
        while True:
            await self._say(client)
            await asyncio.sleep(0.1)

    async def _say(self, client: aiomqtt.Client) -> None:
        if self.silent:
            return
        powers = self.house.powers_kw
        said = {
            "told": self.told,
            "soc": self.house.truth()["inverter/soc"],
            "mode": self.told.get("mode", "load_first"),
            "grid_export": self.told.get("grid_export", True),
            "battery_charge_grid": self.told.get("battery_charge_grid", False),
            "pv_kw": powers["pv_kw"],
            "load_kw": powers["base_load_kw"],
            "import_kw": powers["grid_import_kw"],
            "export_kw": powers["grid_export_kw"],
            "charge_kw": powers["battery_terminal_charge_kw"],
            "discharge_kw": powers["battery_terminal_discharge_kw"],
        }
        await client.publish(self._state, json.dumps(said))


class Expected:
    """Constant series, so that plans need no history."""

    name = "expected"

    def __init__(self, **series: float | Callable[[datetime], float]) -> None:
        usual: dict[str, float | Callable[[datetime], float]] = {
            "import_price_per_kwh": 0.3,
            "feed_in_price_per_kwh": 0.1,
            "pv_kw": 0.0,
            "base_load_kw": 0.5,
            "outdoor_temperature_c": 0.0,
            "ghi_w_m2": 0.0,
        }
        self._series = usual | series

    @property
    def series(self) -> Sequence[str]:
        return tuple(self._series)

    async def forecast(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        def values(given: float | Callable[[datetime], float]) -> tuple[float, ...]:
            return tuple(given(start) if callable(given) else given for start in horizon.starts)

        return {name: Forecast(values(given), "expected", state.now) for name, given in self._series.items()}


class TrialPlugin:
    """Gives the inverter to the house."""

    def __init__(self, devices: Sequence[Device], transports: Sequence[Transport]) -> None:
        self._devices, self._transports = devices, transports

    @hookimpl
    def create_devices(self, config: Config) -> list[Device]:
        return list(self._devices)

    @hookimpl
    def create_transports(self, config: Config) -> list[Transport]:
        return list(self._transports)

    @hookimpl
    def create_forecasters(self, config: Config) -> list[Forecaster]:
        return []


def plugins(devices: Sequence[Device], transports: Sequence[Transport]) -> pluggy.PluginManager:
    """The shipped strategies, and this inverter only."""
    manager = pluggy.PluginManager("pems")
    manager.add_hookspecs(hookspecs)
    manager.register(pems_strategies, "strategies")
    manager.register(TrialPlugin(devices, transports), "trial")
    return manager
