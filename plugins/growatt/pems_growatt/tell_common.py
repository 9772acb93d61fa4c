"""What is told alike in several families: feed-in, the reserve, and the clock (D.3)."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pems_core.domain import PemsError
from pems_core.transport.lines import Change

from .probe import Unit
from .registers import Table
from .states import CLOCK_LATE
from .writes import Settings, Write, word, write

CLAMPS, METER = 3, 1
BY_GRID_SENSOR = {0: CLAMPS, 1: CLAMPS, 2: METER}
"""Holding 1037 (A.2): wired clamp, wireless clamp, meter."""
BY_METERING_DEVICE = {1: METER, 3: CLAMPS}
"""Holding 533 (A.2)."""
UNLIMITED = 1000
EXPORT_SETTINGS = ("export_limit_mode", "export_limit")
EXPORT_MEASURED_BY = ("metering_device", "grid_sensor")
RESERVE_SETTINGS = ("reserve_soc", "reserve_soc_newer", "discharge_stop_soc", "authority", "remote_enable")
RESERVE_POINTS = ("reserve_soc", "reserve_soc_newer", "discharge_stop_soc")
"""Where a family has its reserve."""
RESERVE_UNSURE = ("sph", "spa")
"""Families of which some firmware has another thing in the register of the reserve (A.2)."""
SYNC_NOT_FROM, SYNC_NOT_UNTIL = timedelta(hours=1, minutes=50), timedelta(hours=3, minutes=10)
"""Local times between which a clock is not set on a night when it changes (D.3)."""


class CannotTell(PemsError):
    """The unit cannot be told this, or not now."""


class CannotTellNow(CannotTell):
    """The unit can be told this when something has passed, or was put right."""


def export_writes(unit: Unit, settings: Settings, percent: float) -> list[Write]:
    """Limit feed-in to a share of the inverter's rating [%].

    How the plant measures is never changed: one with clamps that is told to use a meter feeds in without limit (36b).

    :raises CannotTell: if the unit has no such limit, or nothing says how the plant measures.
    """
    mode = word(settings, "export_limit_mode")
    if mode is None or "export_limit" not in settings:
        if percent >= 100:
            return []
        # That of the VPP protocol (30200) acts under control authority only, which by itself is stand-by (A.6).
        raise CannotTell("it has no export limit that lasts")
    tenths = round(10 * percent)
    if mode == 0 and tenths >= UNLIMITED:
        return []
    limit = write(unit.table, "export_limit", tenths)
    return [limit] if mode else [limit, write(unit.table, "export_limit_mode", _measured_by(settings))]


def _measured_by(settings: Settings) -> int:
    """The mode of 122 that fits how the plant measures."""
    for name, modes in (("metering_device", BY_METERING_DEVICE), ("grid_sensor", BY_GRID_SENSOR)):
        if word(settings, name) in modes:
            return modes[settings[name][0]]
    raise CannotTell(
        "export limiting is off (holding 122 is 0) and nothing says how the plant measures: set its export limit once "
        "at the inverter"
    )


def with_authority(unit: Unit, settings: Settings, wanted: Sequence[Write]) -> list[Write]:
    """Writes that need control authority, which is given back if nothing else needs it: alone it is stand-by (A.6)."""
    if word(settings, "authority") == 1:
        return list(wanted)
    take = write(unit.table, "authority", 1, settle_s=1.0)
    return [take, *wanted, write(unit.table, "authority", 0, always=True)]


def reserve_writes(unit: Unit, settings: Settings, percent: int, *, confirmed: bool) -> list[Write]:
    """Keep a share of the battery in reserve [%].

    :param confirmed: a person has seen that holding 608 is the reserve: in some firmware it is another thing (A.2).
    :raises CannotTell: if the unit has no such setting, or nobody knows what it would set.
    """
    table = unit.table
    if table.family == "vpp":
        names = [name for name in ("discharge_stop_soc", "reserve_soc") if name in settings]
        wanted = [write(table, name, percent) for name in names if word(settings, name) != percent]
        return with_authority(unit, settings, wanted) if wanted else []
    if table.family == "tl_xh":
        name = next((name for name in ("reserve_soc", "reserve_soc_newer") if name in settings), None)
        if name is None:
            raise CannotTell("neither 3067 nor 3310 answers: it has no reserve that can be set")
        return [write(table, name, percent)]
    now = word(settings, "reserve_soc")
    if now is None or not 10 <= now <= 100:
        raise CannotTell(f"holding 608 is {now}; only 10 to 100 can be a reserve")
    if not confirmed:
        raise CannotTell(
            "holding 608 means other things in some firmware; allowed with reserve_register_checked = true"
        )
    return [write(table, "reserve_soc", percent)]


def reserve_back(unit: Unit, settings: Settings, changed: Mapping[str, Change]) -> list[Write]:
    """Put the reserve back to what it was before PEMS changed it, where it still says what PEMS told.

    :param changed: by register, such as `holding/608`.
    """
    there = [(name, changed.get(place(unit.table, name))) for name in RESERVE_POINTS if name in settings]
    wanted = [
        write(unit.table, name, change.was)
        for name, change in there
        if change is not None and word(settings, name) == change.told != change.was
    ]
    return with_authority(unit, settings, wanted) if wanted and unit.table.family == "vpp" else wanted


def place(table: Table, name: str) -> str:
    """A setting of one word as the books of what was changed call it."""
    return f"holding/{table.by_name[name].address}"


def clock_writes(unit: Unit, shown: Sequence[int], now: datetime, zone: ZoneInfo) -> list[Write]:
    """Set the clock to local time, with as many digits of the year as it shows (trap 54).

    :raises CannotTell: in the hours of a night in which it might be put back or forth.
    """
    if not may_sync(now, zone):
        raise CannotTellNow("the clock changes tonight; it is set again after 03:10")
    local = (now + CLOCK_LATE).astimezone(zone)
    year = local.year % 100 if shown[0] < 100 else local.year
    words = (year, local.month, local.day, local.hour, local.minute, local.second)
    return [write(unit.table, "clock", *words, always=True)]


def may_sync(now: datetime, zone: ZoneInfo) -> bool:
    local = now.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    changes = midnight.utcoffset() != (midnight + timedelta(days=1)).utcoffset()
    since_midnight = timedelta(hours=local.hour, minutes=local.minute)
    return not (changes and SYNC_NOT_FROM <= since_midnight <= SYNC_NOT_UNTIL)
