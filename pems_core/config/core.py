"""The sections that every house has, whatever its plugins."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, time
from itertools import combinations
from typing import Annotated, ClassVar, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo

from pems_core.domain import GridSpec, PvArray
from pems_core.tariff import DAY_MIN, DatedTariff, Days, PriceWindow, Tariff, public_holidays

from .faults import did_you_mean
from .live import CyclesSection, LearningSection, MqttSection, NodeRedSection, StagesSection, StateSection
from .recording import AlertsSection, InfluxSection, NotificationsSection, RecordingSection
from .section import MOST_KW, Fault, Number, Section, Surroundings, Table, WallClock

QUARTER_MINUTES = 15


class SiteSection(Section):
    """[site]"""

    required: ClassVar[bool] = True

    name: str = Field("home", min_length=1, description="what the house is called in topics and reports")
    latitude: Number = Field(examples=[50.0], ge=-90, le=90, description="degrees, north is positive")
    longitude: Number = Field(examples=[15.0], ge=-180, le=180, description="degrees, east is positive")
    timezone: str = Field(
        examples=["UTC"], description='zone of every local time in this file, such as "Europe/Prague"'
    )
    currency: str = Field("EUR", min_length=1, description="currency of every price and cost in this file")

    def faults(self) -> Iterable[Fault]:
        # It is a level of PEMS's own MQTT topics.
        if re.search(r"[/#+\x00]", self.name):
            yield Fault(("name",), f"found {self.name!r}; allowed: a name without /, # and +")
        zones = available_timezones()
        if self.timezone not in zones:
            hint = did_you_mean(self.timezone, zones)
            yield Fault(("timezone",), f"found {self.timezone!r}; allowed: a name of the IANA time zone database{hint}")

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


class GridSection(Section):
    """[grid]"""

    required: ClassVar[bool] = True

    import_limit_kw: Number = Field(
        examples=[17.0], gt=0, le=MOST_KW, description="highest power drawn from the grid [kW]"
    )
    export_limit_kw: Number = Field(0.0, ge=0, le=MOST_KW, description="highest power fed into the grid [kW]")

    def spec(self) -> GridSpec:
        return GridSpec(self.import_limit_kw, self.export_limit_kw)


class DistributionWindow(Table):
    """[[tariff.distribution]]: what the network costs at some time of day."""

    begin: WallClock = Field(alias="from", description='local time at which the window begins, "HH:MM"')
    end: WallClock = Field(alias="to", description='local time at which the window ends, "HH:MM"')
    price_per_kwh: Number = Field(examples=[1.0], description="distribution price without tax [currency/kWh]")
    days: Days = Field(Days.EVERY, description='"every", "workdays", or "free_days": weekends and public holidays')

    def faults(self) -> Iterable[Fault]:
        for key, clock in (("from", self.begin), ("to", self.end)):
            if clock.minute % QUARTER_MINUTES:
                yield Fault((key,), f"found {clock:%H:%M}; allowed: quarter hours, minutes 00, 15, 30 and 45")

    def parts(self) -> tuple[PriceWindow, ...]:
        """The window, in two if it reaches over midnight."""
        midnight = time(0)
        if self.begin < self.end or self.end == midnight:
            return (PriceWindow(self.begin, self.end, self.price_per_kwh, self.days),)
        return (
            PriceWindow(self.begin, midnight, self.price_per_kwh, self.days),
            PriceWindow(midnight, self.end, self.price_per_kwh, self.days),
        )

    def minutes(self) -> set[int]:
        """The minutes of a local day that it holds."""
        return {minute for part in self.parts() for minute in range(*part.minutes)}


class TariffTerms(Table):
    """What is agreed for some time.

    import price = (spot + distribution + supplier margin + energy tax) * (1 + vat)
    feed-in price = spot - feed-in margin, or feed_in_fixed_per_kwh
    """

    distribution: tuple[DistributionWindow, ...] = Field(
        (), description="windows that together cover the day once; none: no distribution price"
    )
    holidays: str = Field("", description='country whose public holidays are free days: "CZ", "DE-BY"; empty: none')
    supplier_margin_per_kwh: Number = Field(0.0, description="supplier's margin without tax [currency/kWh]")
    energy_tax_per_kwh: Number = Field(0.0, ge=0, description="tax on each kWh imported, before vat [currency/kWh]")
    vat: Number = Field(0.0, ge=0, lt=1, description="tax on the whole import price [share]")
    feed_in_margin_per_kwh: Number = Field(0.0, description="subtracted from the spot price [currency/kWh]")
    feed_in_fixed_per_kwh: Number | None = Field(None, description="agreed price instead of spot [currency/kWh]")
    feed_in_nothing_below_zero: bool = Field(False, description="true: nothing is paid while spot is negative")

    def faults(self) -> Iterable[Fault]:
        if self.holidays:
            try:
                public_holidays(self.holidays, frozenset({2025}))
            except ValueError as error:
                yield Fault(("holidays",), str(error))
        if not self.distribution:
            return
        dated = any(window.days is not Days.EVERY for window in self.distribution)
        for kind in (Days.WORKDAYS, Days.FREE) if dated else (Days.EVERY,):
            yield from self._window_faults(kind, f" on {kind}" if dated else "")

    def _window_faults(self, kind: Days, when: str) -> Iterable[Fault]:
        held = [w.minutes() if kind.kinds <= w.days.kinds else set[int]() for w in self.distribution]
        for (first, a), (second, b) in combinations(enumerate(held), 2):
            if a & b:
                clock = f"{_clock(min(a & b))}{when}"
                text = f"overlaps distribution[{first + 1}] at {clock}; each time of day has one price"
                yield Fault(("distribution", second), text)
        uncovered = set(range(DAY_MIN)).difference(*held)
        if uncovered:
            gaps = ", ".join(_spans(sorted(uncovered)))
            text = f"no window covers {gaps}{when}; the windows together cover 00:00 to 24:00"
            yield Fault(("distribution",), text)

    def terms(self, timezone: str) -> Tariff:
        """The tariff by these terms alone."""
        return Tariff(
            windows=tuple(part for window in self.distribution for part in window.parts()),
            margin_price_per_kwh=self.supplier_margin_per_kwh,
            feed_in_margin_price_per_kwh=self.feed_in_margin_per_kwh,
            vat=self.vat,
            timezone=timezone,
            energy_tax_per_kwh=self.energy_tax_per_kwh,
            feed_in_fixed_per_kwh=self.feed_in_fixed_per_kwh,
            feed_in_nothing_below_zero=self.feed_in_nothing_below_zero,
            holidays=self.holidays,
        )


class TariffFile(TariffTerms):
    """A file beside the house file: terms that hold from a day on, in place of those before."""

    valid_from: date = Field(examples=["2026-01-01"], description="first local day on which it holds")


def _read_tariff(value: object, info: ValidationInfo) -> object:
    """The content of a tariff file, by its name."""
    if not isinstance(value, str) or not isinstance(info.context, Surroundings):
        return value
    path = info.context.folder / value
    try:
        return TariffFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")), context=info.context)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not TOML: {error}") from None
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, d['loc']))}: {d['msg']}" for d in error.errors()]
        raise ValueError(f"{path}: {'; '.join(lines)}") from None


class TariffSection(TariffTerms, Section):
    """[tariff]: how the spot price becomes what is paid and what is earned."""

    eur_rate: Number = Field(1.0, gt=0, description="units of the site's currency per EUR, for spot prices in EUR")
    capacity_charge_per_kw: Number = Field(
        0.0, ge=0, description="per kW of the billing month's highest import mean of a quarter hour [currency/kW]"
    )
    fixed_fees_per_month: Number = Field(0.0, description="does not depend on use; only reported [currency/month]")
    files: tuple[Annotated[TariffFile, BeforeValidator(_read_tariff)], ...] = Field(
        (), description="files with terms that hold from a day on"
    )

    def faults(self) -> Iterable[Fault]:
        yield from super().faults()
        days = [file.valid_from for file in self.files]
        for index, day in enumerate(days):
            if day in days[:index]:
                yield Fault(("files", index), f"found valid_from = {day} twice; allowed: once")

    def tariff(self, timezone: str) -> Tariff:
        """The tariff in force in a local time zone, with what follows it."""
        later = tuple(DatedTariff(file.valid_from, file.terms(timezone)) for file in self.files)
        return replace(self.terms(timezone), capacity_charge_per_kw=self.capacity_charge_per_kw, later=later)


class PvSection(Section):
    """[[pv]]: one array."""

    repeated: ClassVar[bool] = True

    peak_kw: Number = Field(examples=[5.0], gt=0, le=MOST_KW, description="power under standard conditions [kW]")
    tilt_deg: Number = Field(examples=[35.0], ge=0, le=90, description="0 flat, 90 upright [degrees]")
    azimuth_deg: Number = Field(examples=[180.0], ge=0, le=360, description="0 north, 90 east, 180 south [degrees]")
    dc_of: str = Field("inverter", description='hybrid inverter it hangs on; "" for an inverter of its own')

    def array(self) -> PvArray:
        return PvArray(self.peak_kw, self.tilt_deg, self.azimuth_deg)


class StrategySection(Section):
    """[strategy]: one aim, or several with weights."""

    name: str = Field("lowest_bill", min_length=1, description="the aim; not together with weights")
    weights: dict[str, Number] = Field({}, description="weight of each aim, instead of a name")
    parameters: dict[str, Number] = Field({}, description="numbers that the aims read; their pages say which")

    def faults(self) -> Iterable[Fault]:
        if self.weights and "name" in self.model_fields_set:
            yield Fault(("weights",), f"found together with name = {self.name!r}; allowed: a name or weights")
        for name, weight in self.weights.items():
            if weight <= 0:
                yield Fault(("weights", name), f"found {weight:g}; allowed: greater than 0")

    @property
    def mix(self) -> Mapping[str, float]:
        """Weight by name of each aim."""
        return self.weights or {self.name: 1.0}


class SolverSection(Section):
    """[solver]: how a plan is found, and its time grid."""

    name: Literal["highs", "cbc"] = Field("highs", description="solver: highs or cbc")
    time_limit_s: Number = Field(10.0, gt=0, description="longest search for one plan [s]")
    gap: Number = Field(0.01, ge=0, description="stop when no plan can be cheaper by more than this [currency]")
    keep_running_plan: Number = Field(
        0.0, ge=0, description="a new plan has to be cheaper than the running one by more than this [currency]"
    )
    prove_above: Number | None = Field(
        None, ge=0, description="a plan that may be this much dearer than the best is proven more closely [currency]"
    )
    path: Literal["reduced", "full", "both"] = Field("reduced", description="reduced, full or both")
    horizon_hours: Number = Field(48.0, gt=0, le=168, description="how far a plan looks ahead [h]")
    near_hours: Number = Field(12.0, gt=0, description="how long the short steps last [h]")
    near_step_minutes: Literal[5, 10, 15, 30, 60] = Field(15, description="length of the short steps [min]")
    far_step_minutes: Literal[15, 30, 60, 120] = Field(60, description="length of the long steps [min]")
    binary_hours: Number = Field(6.0, gt=0, description="how long relays and modes are on or off, not shares [h]")

    def faults(self) -> Iterable[Fault]:
        if self.near_hours > self.horizon_hours:
            yield _too_long("near_hours", self.near_hours, "horizon_hours", self.horizon_hours)
        if self.binary_hours > self.horizon_hours:
            yield _too_long("binary_hours", self.binary_hours, "horizon_hours", self.horizon_hours)
        if self.far_step_minutes % self.near_step_minutes:
            allowed = f"a multiple of near_step_minutes = {self.near_step_minutes}"
            yield Fault(("far_step_minutes",), f"found {self.far_step_minutes}; allowed: {allowed}")


CORE_SECTIONS: tuple[tuple[str, type[Section]], ...] = (
    ("site", SiteSection),
    ("grid", GridSection),
    ("tariff", TariffSection),
    ("pv", PvSection),
    ("strategy", StrategySection),
    ("solver", SolverSection),
    ("mqtt", MqttSection),
    ("state", StateSection),
    ("cycles", CyclesSection),
    ("nodered", NodeRedSection),
    ("learning", LearningSection),
    ("stages", StagesSection),
    ("recording", RecordingSection),
    ("influxdb", InfluxSection),
    ("alerts", AlertsSection),
    ("notifications", NotificationsSection),
)


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _spans(minutes: list[int]) -> Iterable[str]:
    begin = before = minutes[0]
    for minute in [*minutes[1:], -1]:
        if minute != before + 1:
            yield f"{_clock(begin)} to {_clock(before + 1)}"
            begin = minute
        before = minute


def _too_long(key: str, value: float, other: str, limit: float) -> Fault:
    return Fault((key,), f"found {value:g}; allowed: at most {other} = {limit:g}")
