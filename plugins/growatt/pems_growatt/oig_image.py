"""What was last heard from the gateway, and whether it is new.

Its telemetry is retained and carries no time, so presence says nothing (protocols B.1): what the broker kept from
earlier is stale, what repeats the last `Cnt` and `Uptime` is the same once more, and the last will ends them all.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from pems_core.alerts import AlertBook
from pems_core.domain import Quality, Reading, Severity
from pems_core.transport.lines import MqttMessage

from .fault_texts import fault_text
from .oig_payload import BadPayload, json_object
from .oig_telemetry import Telemetry, decode


class OigImage:
    """The readings of one inverter behind a gateway."""

    def __init__(self, device: str, alerts: AlertBook, most_kw: Mapping[str, float] | None = None) -> None:
        """
        :param most_kw: by point, beyond which a power cannot be true.
        """
        self._device = device
        self._most_kw = most_kw or {}
        self._alerts = alerts
        self._readings: dict[str, Reading] = {}
        self._last: tuple[float | None, float | None] = (None, None)
        self.gone = False
        """The gateway is away: its last will was the last that was heard."""
        self.heard_at: datetime | None = None
        """When new telemetry came last."""
        self.tells_mode = False
        """Its telemetry says which mode is in force."""
        self.build = ""
        """The build that the fields tell of, as long as the gateway did not say."""

    @property
    def readings(self) -> Mapping[str, Reading]:
        return dict(self._readings)

    @property
    def mode(self) -> str:
        """The mode that was last seen in force; empty if none was."""
        reading = self._readings.get(f"{self._device}/mode")
        return str(reading.value) if reading and reading.quality is Quality.GOOD else ""

    def put(self, point: str, value: float | str | bool, unit: str, now: datetime) -> None:
        """Take what was asked for rather than heard."""
        self._readings[f"{self._device}/{point}"] = Reading(value, unit, now, now)

    def drop(self, point: str) -> None:
        """What was known of a point is known no more."""
        name = f"{self._device}/{point}"
        if name in self._readings:
            self._readings[name] = replace(self._readings[name], quality=Quality.MISSING)

    def hear(self, message: MqttMessage) -> bool:
        """Take telemetry; true if it tells that the gateway was started anew."""
        try:
            told = decode(json_object(message.payload))
        except BadPayload as fault:
            self._alerts.put("telemetry", f"{message.topic}: {fault}", message.received_at)
            return False
        self._alerts.clear("telemetry")
        if told.gone:
            self._leave(message.received_at)
            return False
        before, self._last = self._last, (told.count, told.uptime_s)
        if before == self._last and before != (None, None):
            return False
        self.gone = False
        self._alerts.clear("gone")
        self.build = told.build
        self.tells_mode = "mode" in told.values
        self._take(told, message)
        if not message.retained:
            self.heard_at = message.received_at
        return None not in (before[1], told.uptime_s) and (told.uptime_s or 0.0) < (before[1] or 0.0)

    def _leave(self, now: datetime) -> None:
        self.gone = True
        for name, reading in self._readings.items():
            self._readings[name] = replace(reading, quality=Quality.MISSING)
        text = "the gateway has lost its connection to the broker, as its last will says"
        self._alerts.put("gone", text, now, Severity.CRITICAL)

    def _take(self, told: Telemetry, message: MqttMessage) -> None:
        now = message.received_at
        suspect = {**self._too_high(told), **told.suspect}
        for point, (value, unit) in told.values.items():
            quality = Quality.STALE if message.retained else Quality.GOOD
            if point in suspect:
                quality = Quality.SUSPECT
            self._readings[f"{self._device}/{point}"] = Reading(value, unit, now, now, quality)
        for point in told.missing:
            self.drop(point)
        faults = {**told.missing, **suspect}
        for point in {*told.values, *told.missing}:
            self._alerts.tell("value", faults.get(point, ""), now, place=f"{self._device}/{point}")
        self._alerts.tell("fault", _fault(told), now)

    def _too_high(self, told: Telemetry) -> Mapping[str, str]:
        return {
            point: f"found {value:.2f} kW; at most {self._most_kw[point]:.2f} kW can be true"
            for point, (value, _) in told.values.items()
            if isinstance(value, float) and value > self._most_kw.get(point, value)
        }


def _fault(told: Telemetry) -> str:
    """What the inverter itself reports as wrong; empty if nothing."""
    code, _ = told.values.get("fault", (0.0, ""))
    if isinstance(code, float) and code:
        return fault_text(int(code))
    return "the inverter reports a fault" if told.values.get("status", ("", ""))[0] == "fault" else ""
