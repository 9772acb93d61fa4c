"""The payloads of the MQTT contract as plain data; times are ISO 8601 in UTC."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from pems_core.alerting.judge import Acknowledged
from pems_core.alerting.rules import rule_of
from pems_core.domain import (
    Alert,
    BadSetting,
    Command,
    Control,
    ControlKind,
    Decision,
    Override,
    Plan,
    Quality,
    Reading,
    Readings,
    SiteState,
    Value,
)
from pems_core.protocols import Device

Json = dict[str, Any]
MOST_OPTIONS = 11
"""Of a number, spread over its range."""
BY_HAND_FOR = timedelta(hours=24)
"""How long the wire messages of an option hold that is set by hand while the core is down."""
STALE = timedelta(minutes=5)


def instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def wire(command: Command) -> Json:
    """One message in the words of its transport, so that it can be carried without knowing the device."""
    if command.transport == "mqtt":
        return {"transport": "mqtt", "topic": command.address, "payload": command.payload, "qos": 1, "retain": False}
    if command.transport in ("udp", "http"):
        return {"transport": command.transport, "target": command.address, "body": command.payload}
    return {
        "transport": command.transport,
        "address": command.address,
        "payload": command.payload,
        "carried_by": "core",
    }


def wires(commands: Iterable[Command]) -> list[Json]:
    return [wire(command) for command in commands]


def decision_id(decision: Decision) -> str:
    """The same for the same choice, however often it is told."""
    said = json.dumps([decision.device, decision.control, decision.value, instant(decision.valid_from)])
    return str(uuid5(NAMESPACE_URL, f"pems:decision:{said}"))


def decision_words(decision: Decision, commands: Sequence[Command]) -> Json:
    """One control's decision.

    :param commands: of the whole device; those of the control are its wire.
    """
    return {
        "id": decision_id(decision),
        "device": decision.device,
        "control": decision.control,
        "value": decision.value,
        "unit": decision.unit,
        "valid_from": instant(decision.valid_from),
        "valid_until": instant(decision.valid_until),
        "source": decision.source,
        "reason": decision.reason.text,
        "saves": decision.reason.saves,
        "wire": wires(c for c in commands if c.control == decision.control),
    }


def controls_words(device: Device, state: SiteState) -> Json:
    """The catalogue; each option with the messages by which it differs from the device's own control.

    What the unit was found unable to be told is not offered.
    """
    lacks = state.lacks(device.name)
    own = {(c.address, c.payload) for c in map(_without_id, device.release())}
    return {
        "device": device.name,
        "at": instant(state.now),
        "controls": [
            _control_words(device, control, own, state) for control in device.controls() if control.name not in lacks
        ],
    }


def _control_words(device: Device, control: Control, own: set[tuple[str, str]], state: SiteState) -> Json:
    options = []
    for value in option_values(control):
        try:
            commands = device.encode({control.name: value}, state.now, state.now + BY_HAND_FOR, state)
        except BadSetting:
            # Some choices need a second one beside them; such an option is set through the core.
            continue
        said = [c for c in commands if (_without_id(c).address, _without_id(c).payload) not in own]
        options.append({"value": value, "wire": wires(said)})
    return {
        "control": control.name,
        "kind": str(control.kind),
        "unit": control.unit,
        "lowest": control.lowest,
        "highest": control.highest,
        "resolution": control.resolution,
        "description": control.description,
        "options": options,
    }


def _without_id(command: Command) -> Command:
    """The command as it would be, were its id not part of what it says."""
    from dataclasses import replace

    return replace(command, payload=command.payload.replace(command.id, ""))


def option_values(control: Control) -> Sequence[Value]:
    """What a person can choose from; of a number some values over its range, on its grid.

    >>> option_values(Control("power_kw", ControlKind.NUMBER, "kW", 0.0, 2.0, 0.5))
    (0.0, 0.5, 1.0, 1.5, 2.0)
    """
    if control.kind is ControlKind.SWITCH:
        return (False, True)
    if control.kind is ControlKind.CHOICE:
        return control.options
    if control.lowest is None or control.highest is None or control.highest <= control.lowest:
        return ()
    steps = (control.highest - control.lowest) / (control.resolution or (control.highest - control.lowest) / 10)
    count = min(MOST_OPTIONS, math.floor(steps + 1e-9) + 1)
    values = []
    for k in range(count):
        step = round(k * math.floor(steps + 1e-9) / max(1, count - 1))
        values.append(round(control.lowest + step * (control.highest - control.lowest) / steps, 6))
    return tuple(dict.fromkeys(values))


def state_words(device: str, readings: Readings, fault: str) -> Json:
    """Every point of a device with its age and quality.

    :param fault: why the device cannot be planned now; empty if it can.
    """
    prefix = f"{device}/"
    return {
        "device": device,
        "at": instant(readings.now),
        "fault": fault,
        "points": {
            name.removeprefix(prefix): reading_words(reading, readings.now)
            for name, reading in sorted(readings.points.items())
            if name.startswith(prefix)
        },
    }


def reading_words(reading: Reading, now: datetime) -> Json:
    age = now - reading.measured_at
    stale = reading.quality is Quality.GOOD and age > STALE
    value = reading.value
    if isinstance(value, float) and not math.isfinite(value):
        value = str(value)
    return {
        "value": value,
        "unit": reading.unit,
        "measured_at": instant(reading.measured_at),
        "age_s": round(age.total_seconds(), 1),
        "quality": str(Quality.STALE if stale else reading.quality),
    }


def override_words(override: Override, costs: float | None, currency: str, set_at: datetime) -> Json:
    return {
        "device": override.device,
        "control": override.control,
        "value": override.value,
        "from": instant(override.valid_from),
        "until": instant(override.valid_until),
        "by": override.by,
        "reason": override.reason,
        "set_at": instant(set_at),
        "costs": costs,
        "currency": currency,
    }


def alert_words(alert: Alert, over: bool = False) -> Json:
    return {
        "severity": str(alert.severity),
        "place": alert.place,
        "text": alert.text,
        "since": instant(alert.since),
        "over": over,
        "rule": alert.rule,
        "todo": rule_of(alert).todo,
        "link": rule_of(alert).link,
    }


def known_words(said: Acknowledged | None) -> Json:
    """Who has acknowledged an alert, if anybody has."""
    if said is None:
        return {"acknowledged": None}
    return {"acknowledged": {"by": said.by, "at": instant(said.at), "until": instant(said.until)}}


def price_words(plan: Plan, currency: str) -> Json:
    """What one more kWh costs in each step."""
    values = plan.marginal_value_per_kwh
    t = plan.horizon.step_at(plan.made_at)
    starts, ends = plan.horizon.starts, plan.horizon.ends
    return {
        "at": instant(plan.made_at),
        "unit": f"{currency}/kWh",
        "now": round(values[t], 4) if values else None,
        "steps": [
            {"start": instant(s), "end": instant(e), "value": round(v, 4)}
            for s, e, v in zip(starts, ends, values, strict=bool(values))
        ],
    }


def error_words(topic: str, faults: Sequence[str], at: datetime) -> Json:
    return {"topic": topic, "faults": list(faults), "at": instant(at)}


def plan_words(plan: Plan, decisions: Sequence[Decision], currency: str) -> Json:
    """A plan with its reasons, without the forecasts that it was made from."""
    series: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
        "flows": plan.dispatch,
        "levels": plan.levels,
        "modes": plan.modes,
        "prices": plan.prices,
    }
    return {
        "format": "pems-plan-mqtt/1",
        "currency": currency,
        "made_at": instant(plan.made_at),
        "valid_until": instant(plan.valid_until),
        "rung": str(plan.rung),
        "detail": plan.detail,
        "cost": round(plan.cost, 4),
        "bound": None if plan.bound is None else round(plan.bound, 4),
        "executed_cost": None if plan.executed_cost is None else round(plan.executed_cost, 4),
        "costs": {name: round(cost, 4) for name, cost in plan.costs.items()},
        "starts": [instant(start) for start in plan.horizon.starts],
        "ends": [instant(end) for end in plan.horizon.ends],
        **{kind: {name: _short(values) for name, values in found.items()} for kind, found in series.items()},
        "decisions": [
            {
                "id": decision_id(d),
                "device": d.device,
                "control": d.control,
                "value": d.value,
                "unit": d.unit,
                "valid_from": instant(d.valid_from),
                "valid_until": instant(d.valid_until),
                "reason": d.reason.text,
                "saves": d.reason.saves,
            }
            for d in decisions
        ],
    }


def _short(values: Sequence[Any]) -> list[Any]:
    return [round(value, 4) if isinstance(value, float) else value for value in values]
