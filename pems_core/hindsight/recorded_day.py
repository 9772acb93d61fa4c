"""One local day as the ledger has it, in the form in which a simulated house can live it again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

import pandas as pd

from pems_core.domain import HOUR, QUARTER, Decision, HeatingSpec, HybridInverterSpec, Override, floor_time
from pems_core.recording.ledger.coding import back
from pems_core.recording.ledger.ledger import Ledger, NotRecorded
from pems_core.recording.ledger.measured import FLOWS, PRICES, WEATHER
from pems_core.simulation.house import SimulatedHouse
from pems_core.simulation.scenario import Scenario
from pems_core.site import HouseFile

LEAST_KNOWN = 0.9
"""A day of which less was measured has no books."""
LONGEST_OVERRIDE = timedelta(days=31)
"""Who has set something for longer is found when it changes."""
NEEDED = ("grid_import_kw", "grid_export_kw", "import_price_per_kwh", "feed_in_price_per_kwh")
REACHED = ("acked", "readback_ok", "effect_ok")
NONE_THERE = {"pv_kw": 0.0, "pv_curtailed_kw": 0.0, "heating_kw": 0.0, "flexible_load_kw": 0.0,
              "battery_terminal_charge_kw": 0.0, "battery_terminal_discharge_kw": 0.0,
              "outdoor_temperature_c": 5.0, "ghi_w_m2": 0.0}  # fmt: skip
"""What a house need not have, and weather that nobody measures."""


@dataclass(frozen=True)
class RecordedDay:
    """What was measured, known and decided from `start` to `end`.

    :param known: share of the time that was measured; short gaps are filled from their neighbours.
    """

    day: date
    start: datetime
    end: datetime
    flows: pd.DataFrame
    """In quarter hours: `measured.FLOWS`, prices and weather, labelled by interval start in UTC."""
    scenario: Scenario
    before: Mapping[str, float]
    after: Mapping[str, float]
    """What was stored at the start and the end, named as the levels of a plan."""
    decided: Sequence[tuple[datetime, Sequence[Decision]]]
    """What the devices that can be commanded were told, cycle by cycle."""
    overrides: Sequence[Override]
    """What people had set, each as long as it held."""
    known: float
    complete: bool
    """Whether the day is over."""


def local_day(day: date, house: HouseFile) -> tuple[datetime, datetime]:
    """The instants at which a local day begins and ends: 23 to 25 h."""
    begin, end = (datetime.combine(d, time(), house.site.zone).astimezone(UTC) for d in (day, day + timedelta(days=1)))
    return begin, end


def running_day(now: datetime, house: HouseFile) -> date:
    """The local day of an instant; at midnight sharp the one before, as nothing of the new one has passed."""
    return (now - timedelta.resolution).astimezone(house.site.zone).date()


def recorded_day(ledger: Ledger, house: HouseFile, day: date, until: datetime | None = None) -> RecordedDay:
    """A day, or what has passed of it.

    :param until: no further than this; the end of the day, if it is not told.
    :raises NotRecorded: if too little of it was measured.
    """
    start, over = local_day(day, house)
    end = over if until is None else min(over, floor_time(until, QUARTER))
    if end <= start:
        raise NotRecorded(f"{day}: nothing of it has passed yet")
    flows, known = _flows(ledger, day, start, end)
    return RecordedDay(
        day,
        start,
        end,
        flows,
        _scenario(flows, day),
        levels_at(ledger, house, start),
        levels_at(ledger, house, end),
        _told(ledger, start, end),
        _overrides(ledger, start, end),
        known,
        complete=end == over,
    )


def _overrides(ledger: Ledger, start: datetime, end: datetime) -> Sequence[Override]:
    """What was set in this time, or before it and for longer; each until it ended or something else was set."""
    standing: dict[str, Override] = {}
    over: list[Override] = []
    for at, name, content in ledger.events("override", start - LONGEST_OVERRIDE, end):
        before = standing.pop(name, None)
        now = None
        if "ended" not in content:
            now = standing[name] = back(Override, {key: value for key, value in content.items() if key != "costs"})
        # An override is told again when its price is known.
        if before is not None and (now is None or now.valid_from != before.valid_from):
            over.append(replace(before, valid_until=min(before.valid_until, at)))
    return [one for one in (*over, *standing.values()) if one.valid_until > start and one.valid_from < end]


def placed(house: HouseFile, scenario: Scenario, at: datetime, levels: Mapping[str, float]) -> SimulatedHouse:
    """A simulated house that stands as the real one stood; without noise, as the books are no instrument."""
    twin = SimulatedHouse(house.equipment, house.house.grid, scenario, at, noise=False)
    twin.stand(levels)
    return twin


def levels_at(ledger: Ledger, house: HouseFile, at: datetime) -> dict[str, float]:
    """What was stored at an instant, as measured and estimated nearest to it, and how relays stood before it.

    :raises NotRecorded: if nothing was known of it within an hour.
    """
    names = [
        name
        for device, spec in house.equipment.items()
        for name in (
            [f"{device}.soc"]
            if isinstance(spec, HybridInverterSpec) and spec.battery is not None
            else [f"{device}.{room.name}{what}" for room in spec.rooms for what in ("_c", "_slab_c")]
            if isinstance(spec, HeatingSpec)
            else []
        )
    ]
    frame = ledger.telemetry(names, at - HOUR, at + HOUR)
    found: dict[str, float] = {}
    for name in names:
        series = frame[name].dropna()
        if not series.empty:
            away = [abs(instant - at) for instant in pd.DatetimeIndex(series.index)]
            found[name] = float(series.iloc[away.index(min(away))])
    missing = sorted(set(names) - set(found))
    if missing:
        raise NotRecorded(f"{at:%Y-%m-%d %H:%M}Z: what was stored is not recorded: {', '.join(missing[:3])}")
    return found | _relays_before(ledger, house, at)


def _relays_before(ledger: Ledger, house: HouseFile, at: datetime) -> dict[str, float]:
    """The share of the last minutes in which each relay was on, as far as it is known.

    Within its hysteresis a thermostat goes on as it was: a room that was being heated at midnight still is.
    """
    rooms = {
        f"{device}.{room.name}_relay": f"{device}/{room.name}_relay"
        for device, spec in house.equipment.items()
        if isinstance(spec, HeatingSpec)
        for room in spec.rooms
    }
    frame = ledger.telemetry(list(rooms.values()), at - HOUR, at)
    known = {name: frame[point].dropna() for name, point in rooms.items()}
    return {name: float(series.iloc[-1]) for name, series in known.items() if not series.empty}


def _flows(ledger: Ledger, day: date, start: datetime, end: datetime) -> tuple[pd.DataFrame, float]:
    raw = ledger.telemetry([*FLOWS, *PRICES, *WEATHER], start, end)
    index = pd.date_range(start, end, freq=QUARTER, inclusive="left", name="utc_start")
    quarters = (
        raw.resample(QUARTER).mean().reindex(index) if len(raw) else pd.DataFrame(index=index, columns=raw.columns)
    )
    known = float(quarters[list(NEEDED)].notna().all(axis=1).mean())
    if known < LEAST_KNOWN:
        raise NotRecorded(f"{day}: {known:.0%} of it was measured; books need {LEAST_KNOWN:.0%}")
    filled = quarters.astype(float).interpolate(limit_direction="both").fillna(NONE_THERE)
    for name in ("battery_charge_kw", "battery_discharge_kw"):
        if filled[name].isna().any():
            filled[name] = _battery_kw(filled, charging=name == "battery_charge_kw")
    if filled["base_load_kw"].isna().any():
        raise NotRecorded(f"{day}: the base load was not measured; the twins need it")
    return filled, known


def _battery_kw(flows: pd.DataFrame, charging: bool) -> pd.Series:
    """What the inverter takes or gives beyond PV, from the balance of the house."""
    drawn = flows["base_load_kw"] + flows["heating_kw"] + flows["flexible_load_kw"]
    taken = flows["grid_import_kw"] + flows["pv_kw"] - flows["grid_export_kw"] - drawn
    return (taken if charging else -taken).clip(lower=0.0)


def _scenario(flows: pd.DataFrame, day: date) -> Scenario:
    """The day as series to live on, and a quarter hour more, in which it ends."""
    frame = flows[[*PRICES, *WEATHER, "base_load_kw"]].copy()
    frame["pv_kw"] = flows["pv_kw"] + flows["pv_curtailed_kw"]
    last = frame.iloc[[-1]].set_axis(frame.index[[-1]] + QUARTER)
    frame = pd.concat([frame, last])
    frame.index.name = "utc_start"
    physical = ["pv_kw", "base_load_kw", "ghi_w_m2"]
    frame[physical] = frame[physical].clip(lower=0.0)
    return Scenario(f"{day}", frame, QUARTER, "what was measured")


def _told(ledger: Ledger, start: datetime, end: datetime) -> Sequence[tuple[datetime, Sequence[Decision]]]:
    """Decisions of the cycles of a day and of the last before it, of devices that carried commands out."""
    decided = ledger.decisions(start - 2 * HOUR, end)
    simulated = ledger.simulated(start - 2 * HOUR, end)
    commands = ledger.commands(start - 2 * HOUR, end)
    carried = set(commands.loc[commands["stage"].isin(REACHED), "device"])
    return [(at, [d for d in found if simulated or d.device in carried]) for at, found in decided]
