"""The [growatt] section."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field

from pems_core.config import MOST_KW, MOST_KWH, Fault, Number, Section
from pems_core.domain import BatterySpec, HybridInverterSpec

Points = tuple[tuple[Number, Number], ...]
FLAT: Points = ((0.0, 1.0),)
URL_SCHEMES = ("tcp", "rtu+tcp", "serial")
TOPIC_SIGNS = frozenset("+# ")


class GrowattSection(Section):
    """A Growatt hybrid inverter; without `battery_kwh` it has no battery."""

    ac_limit_kw: Number = Field(examples=[10.0], gt=0, le=MOST_KW, description="highest AC power of the inverter [kW]")
    inverting_efficiency: Number = Field(0.97, gt=0, le=1, description="DC bus to house [share]")
    rectifying_efficiency: Number = Field(0.97, gt=0, le=1, description="house to DC bus [share]")
    grid_charge_limit_kw: Number | None = Field(
        None, ge=0, description="highest AC power that flows into the DC bus [kW]; default: ac_limit_kw"
    )
    battery_kwh: Number = Field(
        0.0, ge=0, le=MOST_KWH, description="usable capacity between 0 and 100 % [kWh]; 0: no battery"
    )
    charge_limit_kw: Number | None = Field(
        None, gt=0, le=MOST_KW, description="highest charge power at the terminals [kW]"
    )
    discharge_limit_kw: Number | None = Field(
        None, gt=0, le=MOST_KW, description="highest discharge power at the terminals [kW]"
    )
    charge_efficiency: Number = Field(0.96, gt=0, le=1, description="terminals to cells [share]")
    discharge_efficiency: Number = Field(0.96, gt=0, le=1, description="cells to terminals [share]")
    reserve_soc: Number = Field(0.2, ge=0, lt=1, description="state of charge that plans keep in reserve [share]")
    soc_max: Number = Field(1.0, gt=0, le=1, description="state of charge that plans do not exceed [share]")
    standby_kw: Number = Field(0.0, ge=0, description="drawn from the cells above the reserve [kW]")
    wear_cost_per_kwh: Number = Field(0.0, ge=0, description="per kWh discharged at the terminals [currency/kWh]")
    mode_change_cost: Number = Field(0.0, ge=0, description="one change of mode wears the flash memory [currency]")
    charge_taper: Points = Field(FLAT, description="[state of charge, share of charge_limit_kw] points")
    discharge_taper: Points = Field(FLAT, description="[state of charge, share of discharge_limit_kw] points")
    temperature_derating: Points = Field(FLAT, description="[cell temperature in °C, share of both limits] points")
    grid_charge_below_price_per_kwh: Number | None = Field(
        None, description="optional rule: charge from the grid only below this import price [currency/kWh]"
    )
    export_above_price_per_kwh: Number | None = Field(
        None, description="optional rule: feed in only above this feed-in price [currency/kWh]"
    )

    transport: Literal["oig", "modbus"] = Field(
        "oig", description="oig: OpenInverterGateway over MQTT; modbus: RS485, itself or behind a gateway"
    )
    topic: str = Field("energy/solar", description="oig: the gateway's topic; commands are below it")
    grott_topic: str = Field("", description="topic on which grott publishes, listened to in addition; default: none")
    url: str = Field("", description="modbus: tcp://host:port, rtu+tcp://host:port or serial:/dev/ttyUSB0?baud=9600")
    unit: int = Field(1, ge=1, le=254, description="modbus: number of the unit")
    family: Literal["probe", "sph", "spa", "tl_xh", "vpp"] = Field(
        "probe", description="modbus: registers of the inverter; probe: found by what answers"
    )
    poll_s: Number = Field(30.0, ge=5, le=300, description="modbus: from poll to poll [s]")
    spacing_s: Number = Field(1.0, ge=0.85, le=10, description="modbus: least time between two requests [s]")
    clock_sync: bool = Field(True, description="modbus: set the inverter's clock, once a day at most")
    reserve_register_checked: bool = Field(
        False, description="modbus: you have seen that holding 608 is the reserve, and not another thing"
    )
    writes_per_day: int = Field(
        10, ge=1, description="writes to one place of the inverter's memory that are planned for"
    )
    writes_hard: int = Field(18, ge=1, description="writes to one place of its memory after which only release is told")

    def faults(self) -> Iterable[Fault]:
        yield from self._transport_faults()
        if self.reserve_soc >= self.soc_max:
            yield Fault(("reserve_soc",), f"found {self.reserve_soc:g}; allowed: less than soc_max = {self.soc_max:g}")
        if self.battery_kwh > 0:
            for key, limit_kw in (
                ("charge_limit_kw", self.charge_limit_kw),
                ("discharge_limit_kw", self.discharge_limit_kw),
            ):
                if limit_kw is None:
                    yield Fault((key,), f"missing; a battery of {self.battery_kwh:g} kWh needs its highest power [kW]")
        for key, points in (
            ("charge_taper", self.charge_taper),
            ("discharge_taper", self.discharge_taper),
            ("temperature_derating", self.temperature_derating),
        ):
            yield from _curve_faults(key, points)

    def _transport_faults(self) -> Iterator[Fault]:
        if self.transport == "modbus" and not self.url:
            yield Fault(("url",), 'missing; transport = "modbus" needs where the inverter is')
        if self.url and urlsplit(self.url).scheme not in URL_SCHEMES:
            allowed = "tcp://host:port, rtu+tcp://host:port or serial:/dev/ttyUSB0?baud=9600"
            yield Fault(("url",), f"found {self.url!r}; allowed: {allowed}")
        for key, topic in (("topic", self.topic), ("grott_topic", self.grott_topic)):
            if TOPIC_SIGNS & set(topic) or topic.endswith("/") or (not topic and key == "topic"):
                yield Fault((key,), f"found {topic!r}; allowed: words joined by /, without #, + or blanks")
        if self.writes_per_day > self.writes_hard:
            found = f"found {self.writes_per_day}; allowed: at most writes_hard = {self.writes_hard}"
            yield Fault(("writes_per_day",), found)

    def spec(self, pv_share: float) -> HybridInverterSpec:
        """The inverter in physical terms.

        :param pv_share: share of the site's PV that hangs on its DC bus.
        """
        return HybridInverterSpec(
            ac_limit_kw=self.ac_limit_kw,
            inverting_efficiency=self.inverting_efficiency,
            rectifying_efficiency=self.rectifying_efficiency,
            grid_charge_limit_kw=self.ac_limit_kw if self.grid_charge_limit_kw is None else self.grid_charge_limit_kw,
            battery=self._battery(),
            pv_share=pv_share,
            mode_change_cost=self.mode_change_cost,
            grid_charge_below_price_per_kwh=self.grid_charge_below_price_per_kwh,
            export_above_price_per_kwh=self.export_above_price_per_kwh,
        )

    def _battery(self) -> BatterySpec | None:
        if self.charge_limit_kw is None or self.discharge_limit_kw is None or self.battery_kwh == 0:
            return None
        return BatterySpec(
            capacity_kwh=self.battery_kwh,
            charge_limit_kw=self.charge_limit_kw,
            discharge_limit_kw=self.discharge_limit_kw,
            charge_efficiency=self.charge_efficiency,
            discharge_efficiency=self.discharge_efficiency,
            soc_min=self.reserve_soc,
            soc_max=self.soc_max,
            standby_kw=self.standby_kw,
            wear_cost_per_kwh=self.wear_cost_per_kwh,
            charge_taper=self.charge_taper,
            discharge_taper=self.discharge_taper,
            temperature_derating=self.temperature_derating,
        )


def _curve_faults(key: str, points: Points) -> Iterator[Fault]:
    if not points:
        yield Fault((key,), "found no point; at least one is needed")
    for index, ((x, _), (following, _)) in enumerate(pairwise(points), start=2):
        if following <= x:
            yield Fault(
                (key,), f"point {index} begins at {following:g} after {x:g}; allowed: rising from point to point"
            )
    for index, (_, share) in enumerate(points, start=1):
        if not 0 <= share <= 1:
            yield Fault((key,), f"point {index} has the share {share:g}; allowed: 0 to 1")
