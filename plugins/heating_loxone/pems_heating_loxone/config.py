"""The [heating_loxone] section and its rooms."""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from itertools import pairwise
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field

from pems_core.config import MOST_RELAY_KW, Fault, Number, Secret, Section, Table, WallClock, did_you_mean
from pems_core.domain import ComfortBand, ComfortSchedule, HeatingSpec, RoomSpec

from .encoding import InputWords, MqttWords, OverrideWords, UdpWords


class ComfortPeriod(Table):
    """What is comfortable from some local time of day until the next period begins."""

    begin: WallClock = Field(alias="from", examples=["00:00"], description='local time "HH:MM"')
    setpoint_c: Number = Field(examples=[20.0], ge=5, le=35, description="wanted temperature [°C]")
    occupied: bool = Field(True, strict=True, description="false: nobody is there; reports do not count discomfort")


class RoomTable(Table):
    """[[heating_loxone.room]]: one room with one heating relay."""

    name: str = Field(
        examples=["room"], pattern=r"^[a-z][a-z0-9_]*$", description="small letters, digits and _, such as living_room"
    )
    relay_kw: Number = Field(
        examples=[1.0], gt=0, le=MOST_RELAY_KW, description="power drawn while the relay is on [kW]"
    )
    comfort: tuple[ComfortPeriod, ...] = Field(
        examples=[[]], description="periods in order of time; the last holds over midnight"
    )
    band_below_k: Number = Field(1.0, ge=0, description="how far below the setpoint is still comfortable [K]")
    band_above_k: Number = Field(1.0, ge=0, description="how far above the setpoint is still comfortable [K]")
    air_kwh_per_k: Number = Field(examples=[1.0], gt=0, description="heat held by air and furniture [kWh/K]")
    slab_kwh_per_k: Number = Field(examples=[0.4], gt=0, description="heat held by the heated floor [kWh/K]")
    slab_to_air_kw_per_k: Number = Field(examples=[0.1], gt=0, description="conductance floor to air [kW/K]")
    outside_kw_per_k: Number = Field(examples=[0.02], gt=0, description="conductance air to outside [kW/K]")
    neighbours: dict[str, Number] = Field(
        {}, description="conductance to other rooms by name [kW/K]; one side is enough"
    )
    solar_m2: Number = Field(0.0, ge=0, description="heat of the sun [kW] per kW/m2 of global irradiance [m2]")
    internal_gain_kw: Number = Field(0.0, ge=0, description="mean heat of people and appliances [kW]")
    min_on_minutes: Number = Field(0.0, ge=0, description="shortest time the relay stays on [min]")
    min_off_minutes: Number = Field(0.0, ge=0, description="shortest time the relay stays off [min]")
    uuid: str = Field(
        "", description='uuidAction of its room controller, for "http"; default: found by the room\'s name'
    )
    relay_uuid: str = Field("", description='control that shows its relay, for "http"; none: not read')
    power_uuid: str = Field("", description='control that shows its heater\'s power [kW], for "http"; none: not read')
    relay_input: str = Field("", description='virtual input for its relay, for "http"; default pems_<name>_relay')
    setpoint_input: str = Field("", description="virtual input for its setpoint; default pems_<name>_setpoint_c")

    @property
    def inputs(self) -> tuple[str, str]:
        """The virtual inputs for relay and setpoint."""
        return self.relay_input or f"pems_{self.name}_relay", self.setpoint_input or f"pems_{self.name}_setpoint_c"

    def faults(self) -> Iterable[Fault]:
        if not self.comfort:
            yield Fault(("comfort",), "found no period; at least one is needed")
        for index, (before, period) in enumerate(pairwise(self.comfort), start=1):
            if period.begin <= before.begin:
                text = f"found {period.begin:%H:%M} after {before.begin:%H:%M}; allowed: later than the period before"
                yield Fault(("comfort", index, "from"), text)
        for other, conductance in self.neighbours.items():
            if conductance <= 0:
                yield Fault(("neighbours", other), f"found {conductance:g}; allowed: greater than 0 [kW/K]")

    def spec(self, timezone: str) -> RoomSpec:
        """The room in physical terms."""
        bands = tuple((period.begin, self._band(period)) for period in self.comfort)
        return RoomSpec(
            name=self.name,
            relay_kw=self.relay_kw,
            comfort=ComfortSchedule(bands, timezone),
            air_kwh_per_k=self.air_kwh_per_k,
            slab_kwh_per_k=self.slab_kwh_per_k,
            slab_to_air_kw_per_k=self.slab_to_air_kw_per_k,
            outside_kw_per_k=self.outside_kw_per_k,
            neighbours=dict(self.neighbours),
            solar_m2=self.solar_m2,
            internal_gain_kw=self.internal_gain_kw,
            min_on=timedelta(minutes=self.min_on_minutes),
            min_off=timedelta(minutes=self.min_off_minutes),
        )

    def _band(self, period: ComfortPeriod) -> ComfortBand:
        setpoint_c = period.setpoint_c
        return ComfortBand(setpoint_c, setpoint_c - self.band_below_k, setpoint_c + self.band_above_k, period.occupied)


class HeatingSection(Section):
    """Rooms heated through Loxone relays."""

    room: tuple[RoomTable, ...] = Field((), description="one [[heating_loxone.room]] for each heated room")
    discomfort_price_per_kh: Number = Field(
        1.0, ge=0, description="outside the comfort band, up to shallow_k [currency/(K·h)]"
    )
    steep_discomfort_price_per_kh: Number = Field(
        10.0, ge=0, description="farther than shallow_k outside the comfort band [currency/(K·h)]"
    )
    shallow_k: Number = Field(0.2, ge=0, description="where discomfort becomes steep [K]")
    setpoint_step_c: Number = Field(0.5, gt=0, description="resolution of the setpoints sent [°C]")
    setpoint_min_c: Number = Field(16.0, ge=5, le=30, description="lowest setpoint sent [°C]")
    setpoint_max_c: Number = Field(24.0, ge=5, le=30, description="highest setpoint sent [°C]")
    transport: Literal["mqtt", "udp", "http"] = Field("mqtt", description="how the Miniserver is spoken to")
    mqtt_prefix: str = Field("loxone", description="first part of the Miniserver's topics")
    udp_target: str = Field("", description='where the Miniserver listens, "host:port", for "udp"')
    udp_listen_port: int = Field(2000, strict=True, ge=1, le=65535, description="where PEMS listens to it")
    udp_repeat_s: Number = Field(30.0, ge=10, le=60, description="how often all that is wanted is said again [s]")
    url: str = Field("", description='the Miniserver, "http://host" or "https://host", for "http"')
    user: str = Field("", description="PEMS's own user there, with no more rights than it needs")
    password: Secret | None = Field(None, description="password of that user")
    http_writes: Literal["inputs", "overrides"] = Field(
        "inputs", description="virtual inputs, or overrides of the room controllers if the program stays as it is"
    )
    poll_s: Number = Field(30.0, ge=10, description="how often the Miniserver's states are read [s]")
    heartbeat_input: str = Field("pems_heartbeat", min_length=1, description="virtual input that counts heartbeats")
    ok_output: str = Field("pems_ok", min_length=1, description="control that shows its watchdog's PEMS_OK")
    override_epoch: Literal["utc", "local"] = Field(
        "utc", description="whether ends of overrides count from 2009-01-01 of UTC or of local time"
    )
    sensor_stuck_hours: Number = Field(
        6.0, gt=0, description="a temperature that stays the same for longer is not believed [h]"
    )

    def faults(self) -> Iterable[Fault]:
        if self.steep_discomfort_price_per_kh < self.discomfort_price_per_kh:
            allowed = f"at least discomfort_price_per_kh = {self.discomfort_price_per_kh:g}"
            found = f"found {self.steep_discomfort_price_per_kh:g}"
            yield Fault(("steep_discomfort_price_per_kh",), f"{found}; allowed: {allowed}")
        if self.setpoint_min_c >= self.setpoint_max_c:
            allowed = f"less than setpoint_max_c = {self.setpoint_max_c:g}"
            yield Fault(("setpoint_min_c",), f"found {self.setpoint_min_c:g}; allowed: {allowed}")
        yield from self._name_faults()
        yield from self._setpoint_faults()
        yield from self._way_faults()

    def _way_faults(self) -> Iterable[Fault]:
        if any(not part or set(part) & set("#+ ") for part in self.mqtt_prefix.split("/")):
            yield Fault(
                ("mqtt_prefix",), f"found {self.mqtt_prefix!r}; allowed: words joined by /, without #, + or blanks"
            )
        if self.room and self.transport == "udp" and not _is_target(self.udp_target):
            yield Fault(("udp_target",), f'found {self.udp_target!r}; allowed: "host:port", port 1 to 65535')
        if self.room and self.transport == "http":
            yield from self._http_faults()

    def _http_faults(self) -> Iterable[Fault]:
        if not _is_server(self.url):
            yield Fault(
                ("url",), f'found {self.url!r}; allowed: "http://host" or "https://host", port if not 80 or 443'
            )
        if bool(self.user) != (self.password is not None):
            yield Fault(("password",), "found one of user and password; allowed: both or none")
        if self.http_writes == "overrides":
            for index, room in enumerate(self.room):
                if not room.uuid:
                    yield Fault(("room", index, "uuid"), "missing; needed: what overrides of this room go to")

    def _name_faults(self) -> Iterable[Fault]:
        counts = Counter(room.name for room in self.room)
        for name, count in counts.items():
            if count > 1:
                yield Fault(("room",), f"found {count} rooms with the name {name!r}; allowed: one room for each name")
        for index, room in enumerate(self.room):
            others = [name for name in counts if name != room.name]
            for name in room.neighbours:
                if name == room.name:
                    yield Fault(("room", index, "neighbours", name), "found the room itself; allowed: another room")
                elif name not in counts:
                    known = f"no room has this name; rooms: {', '.join(others) or 'none'}"
                    yield Fault(("room", index, "neighbours", name), known + did_you_mean(name, others))

    def _setpoint_faults(self) -> Iterable[Fault]:
        for index, room in enumerate(self.room):
            for place, period in enumerate(room.comfort):
                if not self.setpoint_min_c <= period.setpoint_c <= self.setpoint_max_c:
                    allowed = f"{self.setpoint_min_c:g} to {self.setpoint_max_c:g} (setpoint_min_c, setpoint_max_c)"
                    text = f"found {period.setpoint_c:g}; allowed: {allowed}"
                    yield Fault(("room", index, "comfort", place, "setpoint_c"), text)

    def words(self, timezone: str) -> MqttWords | UdpWords | InputWords | OverrideWords:
        """How the Miniserver is told.

        :param timezone: in which it counts ends of overrides, if in local time.
        """
        if self.transport == "udp":
            return UdpWords(self.udp_target)
        if self.transport == "http" and self.http_writes == "overrides":
            zone = ZoneInfo(timezone) if self.override_epoch == "local" else None
            return OverrideWords(self.url, {room.name: room.uuid for room in self.room}, zone)
        if self.transport == "http":
            return InputWords(self.url, {room.name: room.inputs for room in self.room})
        return MqttWords(self.mqtt_prefix)

    def spec(self, timezone: str) -> HeatingSpec:
        """The heated rooms in physical terms.

        :param timezone: the zone of the comfort periods' local times.
        """
        return HeatingSpec(
            rooms=tuple(room.spec(timezone) for room in self.room),
            discomfort_price_per_kh=self.discomfort_price_per_kh,
            steep_discomfort_price_per_kh=self.steep_discomfort_price_per_kh,
            shallow_k=self.shallow_k,
            setpoint_step_c=self.setpoint_step_c,
            setpoint_range_c=(self.setpoint_min_c, self.setpoint_max_c),
        )


def _is_target(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and port.isascii() and port.isdigit() and 0 < int(port) < 65536


def _is_server(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.path and parts.port != 0
    except ValueError:
        return False
