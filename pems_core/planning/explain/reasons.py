"""Fills in the reasons of a plan."""

from collections.abc import Sequence
from dataclasses import replace

from pems_core.domain import FlexibleLoadSpec, Forecasts, HeatingSpec, HybridInverterSpec, Plan, Reason, SiteState
from pems_core.protocols import Device

from .inverter import inverter_reasons
from .loads import load_reasons
from .prices import Prices
from .rooms import room_reasons
from .words import Words


def explain(
    plan: Plan,
    devices: Sequence[Device],
    state: SiteState,
    forecasts: Forecasts,
    timezone: str = "UTC",
    currency: str = "",
) -> Plan:
    """The plan with its `reasons`, each with the time it speaks of and, where it can be told, what it saves.

    The money is what it would cost not to do it and to make up for that in the cheapest way that the rest of the
    plan leaves open: with less in the battery the least valuable use after it is dropped, with less heat a room is
    heated later. Reasons are not meant to be added up: charging and the use of what was charged tell of the same
    money.

    Keys are `<device>` for the runs of an inverter's mode, `<inverter>.grid_export`, `<heating>.<room>_relay` and
    `<load>.power_kw`; the reasons of each are in order of time.

    :param state: devices that are not in it are left out.
    :param timezone: of the times in the texts.
    """
    prices, words = Prices(plan, forecasts), Words(plan.horizon, timezone, currency)
    reasons: dict[str, Sequence[Reason]] = {}
    for device in sorted(devices, key=lambda device: (not device.balances, device.name)):
        if device.name not in state.devices:
            continue
        equipment = device.equipment
        if isinstance(equipment, HybridInverterSpec):
            reasons |= inverter_reasons(plan, device.name, equipment, prices, words)
        elif isinstance(equipment, HeatingSpec):
            reasons |= room_reasons(plan, device.name, equipment, prices, words)
        elif isinstance(equipment, FlexibleLoadSpec):
            reasons |= load_reasons(plan, device.name, prices, words)
    return replace(plan, reasons=reasons)
