"""What was heard of the rooms, whatever the way: the part of the process image that comes from the Miniserver."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pems_core.alerts import AlertBook
from pems_core.domain import Alert, Quality, Reading, Severity, Value

from .sensor import Judged, TemperatureSensor
from .values import Unreadable, number, switch

MAX_AGE = timedelta(minutes=15)
"""Of what is heard of a room (protocols D.4)."""
OK_MAX_AGE = timedelta(minutes=2)
USER_HOLDS = timedelta(hours=4)
"""How long a user's own setting keeps PEMS out, however long it lasts (protocols C.6)."""
NO_LOAD_AFTER = timedelta(minutes=2)
"""A relay that is on and moves no power for so long has a satisfied thermostat behind it (protocols D.5)."""
NO_LOAD_KW = 0.02
ASK_AGAIN_AFTER = timedelta(hours=1)
"""How long a load that took nothing counts as not available after its relay went off."""
BEATS_SETTLE = timedelta(minutes=2)
"""How long the watchdog may take to see that the heartbeat is back."""

POINTS: Mapping[str, tuple[str, str | None]] = {
    "temperature": ("temperature_c", "°C"),
    "target": ("target_c", "°C"),
    "relay": ("relay", None),
    "power_kw": ("power_kw", "kW"),
    "heat_kwh": ("heat_kwh", "kWh"),
    "window": ("window_open", None),
    "user": ("", None),
    "lock": ("", None),
    "ignored": ("", None),
}
"""By what is said of a room: its point, if it has one of its own, and its unit; a switch has none."""
HOLDS = ("ignored", "lock", "window", "user")
"""What keeps PEMS out of a room, the strongest first."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One value of one room."""

    value: float | bool
    reading: Reading
    session: int
    """Of the conversation in which it was heard."""
    since: datetime
    """When it took this value."""


class RoomImage:
    """One room."""

    def __init__(self, device: str, name: str, stuck_after: timedelta) -> None:
        self.name = name
        self._device = device
        self._stuck_after = stuck_after
        self._sensor = TemperatureSensor(stuck_after)
        self._heard: dict[str, Heard] = {}
        self._unloaded_since: datetime | None = None
        self._unloaded_at: datetime | None = None
        self._believed_at: datetime | None = None
        self._judged_as = Judged()

    def hear(self, what: str, value: float | bool, reading: Reading, session: int) -> None:
        """Take a value; one that was measured before the value known is out of order and dropped."""
        before = self._heard.get(what)
        if before is not None and reading.measured_at < before.reading.measured_at:
            return
        if what == "temperature" and reading.quality is Quality.GOOD:
            reading = self._judged(float(value), reading)
        since = before.since if before is not None and before.value == value else reading.measured_at
        self._heard[what] = Heard(value, reading, session, since)
        if what in ("relay", "power_kw"):
            self._follow_load(reading.measured_at)

    def _judged(self, celsius: float, reading: Reading) -> Reading:
        self._judged_as = self._sensor.judge(celsius, reading.measured_at)
        if self.doubt:
            return replace(reading, quality=Quality.SUSPECT)
        self._believed_at = reading.measured_at
        return reading

    def _follow_load(self, at: datetime) -> None:
        relay, power = self._heard.get("relay"), self._heard.get("power_kw")
        if relay is None or power is None:
            return
        if self._unloaded_at is not None and at - self._unloaded_at >= ASK_AGAIN_AFTER:
            self._unloaded_since = self._unloaded_at = None
        if relay.value and power.value < NO_LOAD_KW:
            self._unloaded_since = self._unloaded_since or max(relay.since, power.since)
            self._unloaded_at = at
        elif relay.value or (self._unloaded_since and at - self._unloaded_since < NO_LOAD_AFTER):
            self._unloaded_since = self._unloaded_at = None

    def available(self, now: datetime) -> bool | None:
        """Whether the heater takes power when its relay is on; None if nobody can tell."""
        if self._unloaded_since is None or self._unloaded_at is None:
            relay, power = self._heard.get("relay"), self._heard.get("power_kw")
            return True if relay and power and relay.value and power.value >= NO_LOAD_KW else None
        relay = self._heard["relay"]
        if relay.value:
            return None if now - self._unloaded_since < NO_LOAD_AFTER else False
        return False if now - self._unloaded_at < ASK_AGAIN_AFTER else None

    def told(self, what: str, session: int, alive_at: datetime | None) -> Reading | None:
        """The newest reading; what is only told when it changes is as young as the last sign of life."""
        heard = self._heard.get(what)
        if heard is None:
            return None
        reading = heard.reading
        lives_on = heard.session == session and alive_at is not None and reading.quality is not Quality.STALE
        if what == "temperature" and alive_at is not None and alive_at - reading.measured_at > self._stuck_after:
            # No room keeps its temperature to a tenth for so long: its sensor has fallen silent.
            return reading
        if lives_on and alive_at is not None and alive_at > reading.measured_at:
            return replace(reading, measured_at=alive_at, received_at=alive_at)
        return reading

    def since(self, what: str) -> datetime | None:
        heard = self._heard.get(what)
        return heard.since if heard else None

    def unreliable(self, now: datetime) -> str:
        """Why PEMS must leave the room to its own thermostat; empty if it need not."""
        heard = self._heard.get("temperature")
        if heard is not None and now - heard.reading.received_at > self._stuck_after:
            return f"its temperature was last heard at {heard.reading.received_at:%Y-%m-%d %H:%M} UTC"
        lost = self._believed_at is None or now - self._believed_at > MAX_AGE
        if not self.doubt or not (self._judged_as.stuck or lost):
            return ""
        return f"its temperature is not believed: {self.doubt}"

    @property
    def doubt(self) -> str:
        """Why its temperature is not believed; empty if it is."""
        return self._judged_as.doubt

    @property
    def place(self) -> str:
        return f"{self._device}/{self.name}"


class Image:
    """All rooms, the watchdog's mirror, and what is wrong with them."""

    def __init__(self, device: str, rooms: Iterable[str], stuck_after: timedelta) -> None:
        self.device = device
        self.rooms = {name: RoomImage(device, name, stuck_after) for name in rooms}
        self.alarms = AlertBook()
        self._session = 0
        self._alive_at: datetime | None = None
        self._ok: Reading | None = None
        self._beats_since: datetime | None = None

    def hear(
        self, room: str, what: str, said: object, at: datetime, *, place: str, received_at: datetime, old: bool = False
    ) -> None:
        """Take what was said of a room.

        :param old: its age is unknown; it is kept as stale.
        :raises Unreadable: if it means nothing.
        """
        _, unit = POINTS[what]
        value = switch(place, said) if unit is None else number(place, said, unit)
        quality = Quality.STALE if old else Quality.GOOD
        self.rooms[room].hear(what, value, Reading(value, unit or "", at, received_at, quality), self._session)
        self.alarms.clear("unreadable", place=place)

    def refuse(self, unreadable: Unreadable, place: str, at: datetime) -> None:
        """Keep what was refused for the operator."""
        self.alarms.put("unreadable", str(unreadable), at, place=place)

    def hear_ok(self, ok: bool, at: datetime) -> bool:
        """Take the watchdog's mirror, which is a sign of life too; true if it has just come up."""
        rose = ok and self._ok is not None and self._ok.value is False
        self._ok = Reading(ok, "", at, at)
        self.alive(at)
        return rose

    def alive(self, at: datetime) -> None:
        """The Miniserver was heard: what it only tells when it changes still holds."""
        self._alive_at = at

    def new_session(self) -> None:
        """The Miniserver or the line was away: nothing told before holds by silence."""
        self._session += 1
        self._alive_at = None

    def beaten(self, at: datetime) -> None:
        """A heartbeat was sent."""
        self._beats_since = self._beats_since or at

    @property
    def ok(self) -> bool | None:
        return None if self._ok is None else bool(self._ok.value)

    def held_by(self, room: str, now: datetime) -> str:
        """What keeps PEMS out of a room: ignored, lock, window or user; empty if nothing does."""
        return next((hold for hold in HOLDS if self._holds(self.rooms[room], hold, now)), "")

    def _holds(self, room: RoomImage, hold: str, now: datetime) -> bool:
        told = room.told(hold, self._session, self._alive_at)
        if told is None or not told.value or now - told.measured_at > MAX_AGE or told.quality is not Quality.GOOD:
            return False
        since = room.since(hold)
        return hold != "user" or since is None or now - since <= USER_HOLDS

    def told(self, room: str, what: str) -> Reading | None:
        return self.rooms[room].told(what, self._session, self._alive_at)

    def readings(self, now: datetime) -> Mapping[str, Reading]:
        """See `Transport.readings`."""
        points = {} if self._ok is None else {f"{self.device}/pems_ok": self._ok}
        for room in self.rooms.values():
            points.update(self._readings_of(room, now))
        return points

    def _readings_of(self, room: RoomImage, now: datetime) -> Iterable[tuple[str, Reading]]:
        for what, (point, _) in POINTS.items():
            reading = room.told(what, self._session, self._alive_at)
            if reading is not None and point:
                yield f"{room.place}_{point}", reading
        flags = [flag for hold in HOLDS if (flag := room.told(hold, self._session, self._alive_at)) is not None]
        if flags:
            yield f"{room.place}_held_by", _derived(self.held_by(room.name, now), flags)
        available, relay = room.available(now), room.told("relay", self._session, self._alive_at)
        if available is not None and relay is not None:
            yield f"{room.place}_available", _derived(available, [relay])

    def alerts(self, now: datetime) -> Sequence[Alert]:
        """See `Transport.alerts`."""
        for room in self.rooms.values():
            place = f"{room.place}_temperature_c"
            self.alarms.tell("doubt", f"not believed: {room.doubt}" if room.doubt else "", now, place=place)
            unloaded = room.available(now) is False
            text = "relay is on and moves no power: its thermostat is satisfied, or its load is off"
            self.alarms.tell("load", text if unloaded else "", now, place=f"{room.place}_relay")
        self._watch_the_watchdog(now)
        return self.alarms.all

    def _watch_the_watchdog(self, now: datetime) -> None:
        place = f"{self.device}/pems_ok"
        settled = self._beats_since is not None and now - self._beats_since > BEATS_SETTLE
        if self.ok is False and settled:
            text = "PEMS_OK is 0 though the heartbeat is sent: every room is under its own thermostat"
            self.alarms.put("down", text, now, Severity.CRITICAL, place=place)
        else:
            self.alarms.clear("down", place=place)
        silent = self._ok is not None and now - self._ok.measured_at > OK_MAX_AGE
        self.alarms.tell("silent", "the mirror of PEMS_OK has fallen silent" if silent else "", now, place=place)


def _derived(value: Value, sources: Sequence[Reading]) -> Reading:
    newest = max(sources, key=lambda reading: reading.measured_at)
    return Reading(value, "", newest.measured_at, newest.received_at, newest.quality)
