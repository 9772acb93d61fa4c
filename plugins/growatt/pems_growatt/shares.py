"""Powers and states of charge as Growatt inverters take them: in whole percent."""

from collections.abc import Mapping

from pems_core.devices.by_hand import EXPORT_LIMIT
from pems_core.domain import Value

LOWEST_SOC = 10
"""Below this no firmware lets a battery be discharged, or stop [%] (D.3)."""


def percent(share: float) -> int:
    return round(100 * share)


def stop_percent(share: float) -> int:
    """A state of charge at which charging or discharging stops [%]."""
    return max(LOWEST_SOC, percent(share))


def rate_percent(power_kw: Value | None, limit_kw: float) -> int:
    """A power [kW] as the share of the limit that the inverter takes [%]; the whole limit if it is not set.

    1 % is the lowest that is known to work; a rest is brought about by the stop SOC.
    """
    if power_kw is None or limit_kw <= 0:
        return 100
    return max(1, min(100, percent(float(power_kw) / limit_kw)))


def export_share(settings: Mapping[str, Value], limit_kw: float) -> float:
    """What may be fed in by the settings [share of the inverter's limit]; 0 where feed-in is off.

    :param limit_kw: the highest AC power of the inverter.
    """
    if not settings.get("grid_export", True):
        return 0.0
    return min(1.0, float(settings.get(EXPORT_LIMIT, limit_kw)) / limit_kw)
