"""Records of a grott proxy between datalogger and cloud (protocols B.2): heard only, nothing is ever told.

Grott publishes registers as they are: powers in 0.1 W, where an OpenInverterGateway publishes W. After an outage the
datalogger sends old records among new ones; they say nothing about now.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pems_core.alerts import AlertBook
from pems_core.domain import Alert, Command, NotDelivered, Quality, Reading, Receipt
from pems_core.transport.lines import Lines, MqttMessage

from .config import GrowattSection
from .oig_payload import BadPayload, json_object, number, shown, within
from .oig_telemetry import MOST_W

OLDEST = timedelta(minutes=15)
"""Of a record when it arrives: the datalogger sends one each 5 min at most."""

# Raw name, point, unit, value of one raw step, least and greatest value in that unit.
Entry = tuple[str, str, str, float, float, float]
RECORD: Sequence[Entry] = (
    ("SOC", "soc", "share", 0.01, 0.0, 1.0),
    ("pvpowerin", "pv_kw", "kW", 0.0001, 0.0, MOST_W / 1000),
    ("p1charge1", "charge_kw", "kW", 0.0001, 0.0, MOST_W / 1000),
    ("pdischarge1", "discharge_kw", "kW", 0.0001, 0.0, MOST_W / 1000),
    ("pactousertot", "import_kw", "kW", 0.0001, 0.0, MOST_W / 1000),
    ("pactogridtot", "export_kw", "kW", 0.0001, 0.0, MOST_W / 1000),
    ("plocaloadtot", "load_kw", "kW", 0.0001, 0.0, MOST_W / 1000),
)


def record_time(text: object, zone: ZoneInfo, now: datetime) -> datetime:
    """When a record was made, in UTC; in an hour that comes twice the time nearer to now (protocols E.4, 56).

    :param text: local time without a zone.
    :raises BadPayload: if it is none.
    """
    try:
        wall = datetime.fromisoformat(text if isinstance(text, str) else "")
    except ValueError:
        raise BadPayload(f"time: found {shown(text)}; local time such as 2025-01-31T12:00:00 is needed") from None
    if wall.tzinfo is not None:
        return wall.astimezone(now.tzinfo)
    times = (wall.replace(tzinfo=zone, fold=fold).astimezone(now.tzinfo) for fold in (0, 1))
    return min(times, key=lambda at: abs(at - now))


def comes_twice(text: str, zone: ZoneInfo) -> bool:
    """Whether a local time without a zone is in the hour that comes twice."""
    wall = datetime.fromisoformat(text).replace(tzinfo=zone)
    return wall.utcoffset() != wall.replace(fold=1).utcoffset()


class GrottListener:
    """Takes live records in their order; a transport that carries no commands."""

    def __init__(self, name: str, section: GrowattSection, timezone: str = "UTC") -> None:
        """
        :param name: of the device whose points these are.
        :param timezone: the zone of the records' times.
        """
        self._device = name
        self._topic = section.grott_topic
        self._zone = ZoneInfo(timezone)
        self._alerts = AlertBook(name)
        self._readings: dict[str, Reading] = {}
        self._last: datetime | None = None

    @property
    def name(self) -> str:
        return f"{self._device}_grott"

    @property
    def devices(self) -> Sequence[str]:
        return ()

    async def run(self, lines: Lines) -> None:
        """See `Transport.run`."""
        async with lines.mqtt.messages(f"{self._topic}/#") as heard:
            async for message in heard:
                self.hear(message)

    async def send(self, command: Command) -> Receipt:
        """
        :raises NotDelivered: always: this only listens.
        """
        raise NotDelivered(f"{self.name} only listens; {command.address} goes another way")

    async def check(self, command: Command) -> Receipt:
        """
        :raises NotDelivered: always: this only listens.
        """
        raise NotDelivered(f"{self.name} only listens; {command.address} goes another way")

    async def beat(self, count: int) -> None:
        """See `Transport.beat`: nobody watches."""

    def readings(self) -> Mapping[str, Reading]:
        """See `Transport.readings`."""
        return dict(self._readings)

    @property
    def alerts(self) -> Sequence[Alert]:
        """What is wrong now."""
        return self._alerts.all

    def hear(self, message: MqttMessage) -> None:
        """Take one record, if it is of now."""
        try:
            fields = json_object(message.payload)
            self._take(fields, message)
        except BadPayload as fault:
            self._alerts.put("record", f"{message.topic}: {fault}", message.received_at)
        else:
            self._alerts.clear("record")

    def _take(self, fields: Mapping[str, object], message: MqttMessage) -> None:
        """
        :raises BadPayload: if the record cannot be used at all.
        """
        values = fields.get("values")
        if not isinstance(values, dict):
            raise BadPayload(f"values: found {shown(values)}; an object is needed")
        if message.retained or fields.get("buffered") == "yes":
            return
        at = record_time(fields.get("time"), self._zone, message.received_at)
        if fields.get("buffered") != "no" and comes_twice(str(fields.get("time")), self._zone):
            raise BadPayload(f"time: {fields.get('time')} comes twice, and grott does not say whether it is of now")
        if abs(message.received_at - at) > OLDEST:
            raise BadPayload(f"time: found {at.isoformat()}; at most {OLDEST} before or after now is allowed")
        if self._last is not None and at <= self._last:
            return
        self._last = at
        for entry in RECORD:
            self._read(entry, values.get(entry[0]), at, message.received_at)

    def _read(self, entry: Entry, raw: object, at: datetime, now: datetime) -> None:
        name, point, unit, step, lowest, highest = entry
        place = f"{self._device}/{point}"
        try:
            value = within(number(raw) * step, lowest, highest)
        except BadPayload as fault:
            self._alerts.put("value", f"{name}: {fault}", now, place=place)
            if place in self._readings:
                self._readings[place] = replace(self._readings[place], quality=Quality.MISSING)
        else:
            self._alerts.clear("value", place=place)
            self._readings[place] = Reading(value, unit, min(at, now), now)
