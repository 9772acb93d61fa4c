"""What the rules know of the next 24 hours."""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from pems_core.domain import Forecasts, HeatingSpec

LOOK_AHEAD = timedelta(hours=24)
W_PER_KW = 1000.0


@dataclass(frozen=True, slots=True)
class HeatLoss:
    """A steady estimate of what heating will draw; the rules have no room model."""

    kw_per_k: float = 0.0
    """Conductance of all rooms to the outside."""
    inside_c: float = 0.0
    """Mean setpoint, weighted by conductance."""
    gains_kw: float = 0.0
    """Of people and appliances."""
    solar_m2: float = 0.0
    limit_kw: float = 0.0
    """All relays together."""

    @classmethod
    def of(cls, heating: HeatingSpec) -> "HeatLoss":
        rooms = heating.rooms
        kw_per_k = sum(room.outside_kw_per_k for room in rooms)
        weighted = 0.0
        for room in rooms:
            setpoints = [band.setpoint_c for _, band in room.comfort.periods]
            weighted += room.outside_kw_per_k * sum(setpoints) / len(setpoints)
        return cls(
            kw_per_k=kw_per_k,
            inside_c=weighted / kw_per_k if kw_per_k else 0.0,
            gains_kw=sum(room.internal_gain_kw for room in rooms),
            solar_m2=sum(room.solar_m2 for room in rooms),
            limit_kw=sum(room.relay_kw for room in rooms),
        )

    def heating_kw(self, outdoor_c: tuple[float, ...], ghi_w_m2: tuple[float, ...]) -> list[float]:
        """Mean heating power that holds the setpoints in each step, at its outdoor temperature and irradiance."""
        # Rules ask for this in each of a year's 35,040 quarter hours, so the loop is kept bare.
        full_kw, per_k, per_w, limit_kw = (
            self.kw_per_k * self.inside_c - self.gains_kw,
            self.kw_per_k,
            self.solar_m2 / W_PER_KW,
            self.limit_kw,
        )
        needed_kw = [full_kw - per_k * out_c - per_w * ghi for out_c, ghi in zip(outdoor_c, ghi_w_m2, strict=True)]
        return [0.0 if kw < 0.0 else min(kw, limit_kw) for kw in needed_kw]


@dataclass(frozen=True)
class Ahead:
    """One value per step from the step to decide (index 0) up to 24 h later."""

    start: datetime
    end: datetime
    """Of the step to decide."""
    step_h: tuple[float, ...]
    import_price_per_kwh: tuple[float, ...]
    feed_in_price_per_kwh: tuple[float, ...]
    pv_kw: tuple[float, ...]
    base_load_kw: tuple[float, ...]
    outdoor_temperature_c: tuple[float, ...]
    ghi_w_m2: tuple[float, ...]
    heat_losses: tuple[HeatLoss, ...] = ()
    priced: bool = True
    """False if nobody forecasts import prices; then only rules that need none have a say."""

    @property
    def steps(self) -> int:
        return len(self.step_h)

    @cached_property
    def load_kw(self) -> tuple[float, ...]:
        """Base load and expected heating."""
        load_kw = self.base_load_kw
        for loss in self.heat_losses:
            heating_kw = loss.heating_kw(self.outdoor_temperature_c, self.ghi_w_m2)
            load_kw = tuple(base + heat for base, heat in zip(load_kw, heating_kw, strict=True))
        return load_kw

    @cached_property
    def surplus_kw(self) -> tuple[float, ...]:
        """PV beyond the house's load; where negative, what PV leaves open."""
        return tuple(pv - load for pv, load in zip(self.pv_kw, self.load_kw, strict=True))

    @cached_property
    def worth_per_kwh(self) -> tuple[float, ...]:
        """What a kWh more in the house costs [currency/kWh]: lost feed-in where PV is left over, else import."""
        return tuple(
            max(0.0, feed_in) if pv > load else price
            for price, feed_in, pv, load in zip(
                self.import_price_per_kwh, self.feed_in_price_per_kwh, self.pv_kw, self.load_kw, strict=True
            )
        )

    @cached_property
    def starts_h(self) -> tuple[float, ...]:
        """Start of each step [h from now]."""
        starts, at = [], 0.0
        for h in self.step_h:
            starts.append(at)
            at += h
        return tuple(starts)


def look_ahead(forecasts: Forecasts, t: int, heat_losses: tuple[HeatLoss, ...] = ()) -> Ahead:
    """The 24 hours from step `t` on, or what the horizon has of them.

    Series that nobody forecasts count as zero: the rules are the fallback and must always have an answer.
    """
    horizon = forecasts.horizon
    start = horizon.starts[t]
    until = max(t + 1, bisect_left(horizon.starts, start + LOOK_AHEAD))

    def series(name: str) -> tuple[float, ...]:
        forecast = forecasts.series.get(name)
        return forecast.values[t:until] if forecast else (0.0,) * (until - t)

    return Ahead(
        start=start,
        end=start + horizon.lengths[t],
        step_h=horizon.step_h[t:until],
        import_price_per_kwh=series("import_price_per_kwh"),
        feed_in_price_per_kwh=series("feed_in_price_per_kwh"),
        pv_kw=series("pv_kw"),
        base_load_kw=series("base_load_kw"),
        outdoor_temperature_c=series("outdoor_temperature_c"),
        ghi_w_m2=series("ghi_w_m2"),
        heat_losses=heat_losses if "outdoor_temperature_c" in forecasts.series else (),
        priced="import_price_per_kwh" in forecasts.series,
    )
