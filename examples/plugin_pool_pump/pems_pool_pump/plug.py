"""The conversation with the plug: RPC out, status in, over the site's broker."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from pems_core.domain import Alert, Command, FlexibleLoadSpec, NotDelivered, Reading, Receipt, Severity, Stage
from pems_core.transport.lines import Lines, MqttLine, MqttMessage

ANSWERS_WITHIN_S = 5.0
LOOK_EVERY_S = 0.1


class ShellyPlug:
    """Sends the pump's commands, and reads what the plug says of itself after each change and once a minute."""

    def __init__(self, device: str, spec: FlexibleLoadSpec) -> None:
        self.name = f"{device}_plug"
        self.devices: Sequence[str] = (device,)
        self._device = device
        self._spec = spec
        self._lines: Lines | None = None
        self._readings: dict[str, Reading] = {}
        self._refused = ""
        self._refused_since: datetime | None = None
        self._run_today = (date.min, 0.0)
        """Local day, and the energy counter when it began [kWh]."""

    async def run(self, lines: Lines) -> None:
        self._lines = lines
        async with lines.mqtt.messages(f"{self._device}/status/switch:0") as messages:
            async for message in messages:
                self._hear(message)

    def _hear(self, message: MqttMessage) -> None:
        # What the broker kept may be from last summer: the plug says it anew within a minute.
        if message.retained:
            return
        try:
            status = json.loads(message.payload)
            on, energy_wh = status["output"], float(status["aenergy"]["total"])
            if not isinstance(on, bool) or not energy_wh >= 0:
                raise ValueError("output is true or false, and aenergy.total a number of Wh")  # noqa: TRY301
        except (ValueError, KeyError, TypeError) as fault:
            self._refused, self._refused_since = f"{message.topic}: {fault}", message.received_at
            return
        self._refused = ""
        at = message.received_at
        needed_kwh = max(0.0, self._spec.energy_kwh - self._run_kwh(energy_wh / 1000, at))
        self._readings = {
            f"{self._device}/energy_needed_kwh": Reading(needed_kwh, "kWh", at, at),
            f"{self._device}/relay": Reading(on, "", at, at),
        }

    def _run_kwh(self, counter_kwh: float, at: datetime) -> float:
        """What the pump has drawn since the local day began, as far as it was watched."""
        day, began_kwh = self._run_today
        today = at.astimezone(ZoneInfo(self._spec.timezone)).date()
        if today != day or counter_kwh < began_kwh:
            self._run_today = today, counter_kwh
            return 0.0
        return counter_kwh - began_kwh

    async def send(self, command: Command) -> Receipt:
        """Say it, and wait until the plug's own status shows it."""
        lines, line = self._up()
        said_at = lines.clock.now()
        await line.publish(command.address, command.payload)
        began_s = lines.clock.elapsed_s()
        while lines.clock.elapsed_s() - began_s < ANSWERS_WITHIN_S:
            relay = self._readings.get(f"{self._device}/relay")
            if relay is not None and relay.measured_at >= said_at and self._as_said(command):
                return Receipt(command, Stage.READBACK_OK, lines.clock.now())
            await lines.clock.sleep(LOOK_EVERY_S)
        return Receipt(command, Stage.NO_EFFECT, lines.clock.now(), "the plug's status does not show it")

    async def check(self, command: Command) -> Receipt:
        lines, _ = self._up()
        if f"{self._device}/relay" not in self._readings:
            return Receipt(command, Stage.SENT, lines.clock.now(), "the plug has not said how it is")
        stage = Stage.READBACK_OK if self._as_said(command) else Stage.REVERTED
        return Receipt(command, stage, lines.clock.now())

    def _as_said(self, command: Command) -> bool:
        wanted: bool = json.loads(command.payload)["params"]["on"]
        return self._readings[f"{self._device}/relay"].value is wanted

    async def beat(self, count: int) -> None:
        """The plug does not watch: an "off" ends by itself."""

    def readings(self) -> Mapping[str, Reading]:
        return self._readings

    @property
    def alerts(self) -> Sequence[Alert]:
        if not self._refused or self._refused_since is None:
            return ()
        return [Alert(Severity.WARNING, self._device, self._refused, self._refused_since)]

    def _up(self) -> tuple[Lines, MqttLine]:
        if self._lines is None:
            raise NotDelivered(f"{self.name} is not running")
        return self._lines, self._lines.mqtt
