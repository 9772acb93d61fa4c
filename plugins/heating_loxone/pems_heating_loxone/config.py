"""The [heating_loxone] section and its rooms."""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from itertools import pairwise

from pydantic import Field

from pems_core.config import MOST_RELAY_KW, Fault, Number, Section, Table, WallClock, did_you_mean
from pems_core.domain import ComfortBand, ComfortSchedule, HeatingSpec, RoomSpec


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
    setpoint_min_c: Number = Field(5.0, description="lowest setpoint sent [°C]")
    setpoint_max_c: Number = Field(30.0, description="highest setpoint sent [°C]")

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
