"""A battery as a model in versions; its guard is what it foresees of the state of charge, and of its own limits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from pems_core.domain import QUARTER, BadSeries, BatterySpec, HybridInverterSpec, Learned

from .battery import LearnedBattery, charge_limited, learn_battery, stretches
from .device_models import Found, OfHouseFile, Telemetry
from .evidence import Compared, compared
from .identify import step_of_h

DAYS = 60.0
CHECKED_DAYS = 14
BALANCE = ("capacity_kwh", "charge_efficiency", "discharge_efficiency", "standby_kw")
LIMITS = ("charge_taper", "temperature_derating")
LEAST_LIMITED = 20
"""Steps at its limit on the checked days, without which nothing is said of taper and temperature."""

Wanted = Callable[[datetime, datetime], "pd.Series[float]"]
"""The charge that was asked for in a time [kW], by when; NaN from when nothing was."""


@dataclass(frozen=True)
class BatteryModel(OfHouseFile[HybridInverterSpec, pd.DataFrame]):
    """The battery behind one hybrid inverter."""

    wanted: Wanted
    what: ClassVar[str] = "battery"
    days: float = DAYS

    @property
    def battery(self) -> BatterySpec:
        assert self.configured.battery is not None
        return self.configured.battery

    def measured(self, telemetry: Telemetry, since: datetime, until: datetime) -> pd.DataFrame:
        """See `DeviceModel.measured`: quarter hours as `learn_battery` wants them."""
        flows = {"charge_kw": "battery_terminal_charge_kw", "discharge_kw": "battery_terminal_discharge_kw"}
        level = {"soc": f"{self.device}/soc", "temperature_c": f"{self.device}/battery_temperature_c"}
        frame = telemetry([*flows.values(), *level.values()], since, until)
        missing = [name for name in (*flows.values(), level["soc"]) if frame[name].isna().all()]
        if missing:
            raise BadSeries([f"telemetry.{name}: found no value; needed to identify {self.model}" for name in missing])
        quarters = frame.resample(pd.Timedelta(QUARTER))
        log = pd.DataFrame({name: quarters[series].mean() for name, series in flows.items()})
        # A reading is of an instant: that nearest to the start of the quarter is its first.
        log["soc"] = quarters[level["soc"]].first()
        log["temperature_c"] = quarters[level["temperature_c"]].mean()
        asked = self.wanted(since, until)
        if len(asked):
            log["wanted_charge_kw"] = asked.reindex(log.index, method="ffill")
        return log

    def identify(self, measured: pd.DataFrame, used: Mapping[str, Any] | None) -> Found:
        """See `DeviceModel.identify`. What it holds and loses, and its limits, are taken each by itself."""
        before, after = _split(measured)
        learned = learn_battery(self.battery, before)
        spec, kept = self._merged(learned, after)
        house = compared(*(self._soc_errors(s, after) for s in (spec, self.battery)))
        against_used = self.against_used(replace(self.configured, battery=spec), used, measured)
        won = spec != self.battery and (against_used is None or against_used.wins)
        content = {"configured": numbers_of(self.battery), "numbers": numbers_of(spec), "kept": kept} | _sure(learned)
        metrics = {"mae_soc": house.mine, "mae_soc of the house file": house.others}
        times = (measured.index[0].to_pydatetime(), measured.index[-1].to_pydatetime())
        said = self._said(spec, house, kept)
        return Found(Learned(content, *times, metrics), house, against_used, won, said, kept)

    def _merged(self, learned: LearnedBattery, after: pd.DataFrame) -> tuple[BatterySpec, list[str]]:
        spec, kept = self.battery, list(learned.kept)
        balanced = replace(spec, **{name: getattr(learned.spec, name) for name in BALANCE})
        found = compared(self._soc_errors(balanced, after), self._soc_errors(spec, after))
        if found.wins:
            spec = balanced
        else:
            kept.append(f"capacity and losses: they foresee the state of charge no better with other numbers: {found}")
        limited = replace(spec, **{name: getattr(learned.spec, name) for name in LIMITS})
        if limited != spec:
            errors = [_limit_errors(s, after) for s in (limited, spec)]
            found = compared(*errors)
            if found.wins:
                spec = limited
            else:
                kept.append(f"taper and temperature limits: they foresee its charge no better: {found}")
        return spec, kept

    def _said(self, spec: BatterySpec, house: Compared, kept: Sequence[str]) -> str:
        if spec == self.battery:
            return f"the house file keeps its numbers: {'; '.join(kept)}"
        trip = spec.charge_efficiency * spec.discharge_efficiency
        numbers = f"{spec.capacity_kwh:.3g} kWh, round trip {trip:.1%}"
        return f"{numbers}: foresees the state of charge over 3 h better than the house file [share]: {house}"

    def errors(self, spec: HybridInverterSpec, measured: pd.DataFrame) -> list[float]:
        """Of the state of charge over 3 h by day [share]."""
        assert spec.battery is not None
        return self._soc_errors(spec.battery, _split(measured)[1])

    def numbers_of_file(self) -> Mapping[str, Any]:
        return numbers_of(self.battery)

    def with_numbers(self, numbers: Mapping[str, Any]) -> HybridInverterSpec:
        return with_numbers(self.configured, numbers)

    def _soc_errors(self, spec: BatterySpec, log: pd.DataFrame) -> list[float]:
        """Mean absolute error by local day of what 3 h do to the state of charge."""
        errors = []
        for _, day in log.groupby(pd.DatetimeIndex(log.index).tz_convert(self.timezone).date):
            soc, charged, discharged, hours = stretches(day, step_of_h(pd.DatetimeIndex(log.index)), spec.soc_min)
            kwh = charged * spec.charge_efficiency - discharged / spec.discharge_efficiency - spec.standby_kw * hours
            wrong = np.abs(kwh / spec.capacity_kwh - soc)
            errors.append(float(wrong.mean()) if len(wrong) else float("nan"))
        return errors


def _split(measured: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    if measured.empty:
        raise BadSeries(["battery log: found nothing; some weeks are needed"])
    end = pd.DatetimeIndex(measured.index)[-1] - pd.Timedelta(days=CHECKED_DAYS)
    return measured[measured.index <= end], measured[measured.index > end]


def _limit_errors(spec: BatterySpec, log: pd.DataFrame) -> list[float]:
    """By day: what it took at its limit against what it should have taken, in shares of its limit."""
    limited = charge_limited(spec, log)
    if len(limited) < LEAST_LIMITED:
        return []
    temperature = limited.get("temperature_c", pd.Series(np.nan, limited.index))
    may = [
        spec.charge_limit_at(soc, None if np.isnan(c) else c)
        for soc, c in zip(limited["soc"], temperature, strict=True)
    ]
    wrong = (limited["charge_kw"] - np.minimum(may, limited["wanted_charge_kw"])).abs() / spec.charge_limit_kw
    return list(wrong.groupby(pd.DatetimeIndex(limited.index).date).mean())


def numbers_of(spec: BatterySpec) -> dict[str, Any]:
    """What is identified of a battery."""
    curves = {name: [list(point) for point in getattr(spec, name)] for name in LIMITS}
    return {**{name: getattr(spec, name) for name in BALANCE}, **curves}


def with_numbers(spec: HybridInverterSpec, numbers: Mapping[str, Any]) -> HybridInverterSpec:
    """The inverter with another battery behind it."""
    assert spec.battery is not None
    found: dict[str, Any] = {name: numbers[name] for name in BALANCE}
    found |= {name: tuple((float(x), float(y)) for x, y in numbers[name]) for name in LIMITS}
    return replace(spec, battery=replace(spec.battery, **found))


def _sure(learned: LearnedBattery) -> dict[str, list[float]]:
    """Where the true values lie with 80 %."""
    known = {"capacity_kwh": learned.capacity_kwh, "round_trip": learned.round_trip, "standby_kw": learned.standby_kw}
    return {f"{name} between": [number.low, number.high] for name, number in known.items()}
