"""What is fixed about a house, and how warm its rooms shall be: for those who show the plan beside it."""

from collections.abc import Iterator

from pems_core.domain import ComfortBand, HeatingSpec, Horizon, HybridInverterSpec, RoomSpec
from pems_core.site import HouseFile

from .words import Json, instant


def site_words(house: HouseFile) -> Json:
    """Name, place in time, currency and limits; nothing that an outsider could use to find the house."""
    site, grid = house.site, house.house.grid
    inverters = {n: s for n, s in house.equipment.items() if isinstance(s, HybridInverterSpec)}
    return {
        "name": site.name,
        "timezone": site.timezone,
        "currency": site.currency,
        "grid": {"import_limit_kw": grid.import_limit_kw, "export_limit_kw": grid.export_limit_kw},
        "batteries": {
            name: {
                "capacity_kwh": spec.battery.capacity_kwh,
                "soc_min": spec.battery.soc_min,
                "soc_max": spec.battery.soc_max,
                "charge_limit_kw": spec.battery.charge_limit_kw,
                "discharge_limit_kw": spec.battery.discharge_limit_kw,
            }
            for name, spec in inverters.items()
            if spec.battery
        },
        "rooms": {
            name: {room.name: {"relay_kw": room.relay_kw} for room in spec.rooms}
            for name, spec in house.equipment.items()
            if isinstance(spec, HeatingSpec)
        },
    }


def comfort_words(device: str, heating: HeatingSpec, horizon: Horizon) -> Json:
    """The band of each room over the horizon, told where it changes."""
    return {
        "device": device,
        "at": instant(horizon.start),
        "until": instant(horizon.end),
        "rooms": {room.name: list(_bands(room, horizon)) for room in heating.rooms},
    }


def _bands(room: RoomSpec, horizon: Horizon) -> Iterator[Json]:
    before: ComfortBand | None = None
    for start in horizon.starts:
        band = room.comfort.at(start)
        if band != before:
            yield {
                "from": instant(start),
                "setpoint_c": band.setpoint_c,
                "low_c": band.low_c,
                "high_c": band.high_c,
                "occupied": band.occupied,
            }
        before = band
