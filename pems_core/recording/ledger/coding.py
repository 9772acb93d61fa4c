"""Values of a cycle as compressed text, and back, without the loss of a single bit."""

import json
import zlib
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import import_module
from itertools import groupby
from typing import Any, TypeVar

from pydantic import TypeAdapter

from pems_core.domain import Decision, Horizon, ImportPeak, Override, Reading, Readings, SiteState

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
D = TypeVar("D")
LEVEL = 6
"""More makes it hardly smaller and takes several times as long."""


def micros(instant: datetime) -> int:
    """µs since 1970, exactly."""
    return (instant - EPOCH) // MICROSECOND


def instant(count: int) -> datetime:
    return EPOCH + count * MICROSECOND


def packed(data: object) -> bytes:
    """Plain data for JSON, compressed; a float is written by its shortest text that reads back as the same float."""
    return zlib.compress(json.dumps(data, separators=(",", ":")).encode(), LEVEL)


def unpacked(blob: bytes) -> Any:
    return json.loads(zlib.decompress(blob))


def doubles(values: Sequence[float]) -> bytes:
    return array("d", values).tobytes()


def from_doubles(blob: bytes) -> tuple[float, ...]:
    found = array("d")
    found.frombytes(blob)
    return tuple(found)


def lengths_text(horizon: Horizon) -> str:
    """Step lengths in µs, those that are alike counted: `48*900000000,36*3600000000`."""
    return ",".join(f"{len(list(alike))}*{length // MICROSECOND}" for length, alike in groupby(horizon.lengths))


def horizon_from(start: datetime, lengths: str) -> Horizon:
    """The horizon whose step lengths were written.

    >>> from pems_core.domain import QUARTER
    >>> whole = Horizon.uniform(EPOCH, QUARTER, 4)
    >>> lengths_text(whole), horizon_from(EPOCH, "4*900000000") == whole
    ('4*900000000', True)
    """
    pairs = (part.split("*") for part in lengths.split(","))
    return Horizon(start, tuple(int(length) * MICROSECOND for count, length in pairs for _ in range(int(count))))


def state_data(state: SiteState) -> dict[str, Any]:
    """A state as plain data; the state of each device beside the name of its kind."""
    return {
        "now": micros(state.now),
        "devices": {
            name: [f"{type(found).__module__}:{type(found).__qualname__}", plain(found)]
            for name, found in state.devices.items()
        },
        "faults": dict(state.faults),
        "overrides": [plain(override) for override in state.overrides],
        "peak_so_far_kw": state.peak.so_far_kw,
        "peak_until": None if state.peak.until is None else micros(state.peak.until),
    }


def state_from(data: Mapping[str, Any]) -> SiteState:
    """The state that was written.

    :raises ValueError: if a device's state is of a kind that is not known here.
    """
    return SiteState(
        instant(data["now"]),
        {name: _of_kind(kind, found) for name, (kind, found) in data["devices"].items()},
        data["faults"],
        tuple(back(Override, override) for override in data["overrides"]),
        _peak_from(data),
    )


def _peak_from(data: Mapping[str, Any]) -> ImportPeak:
    # Ledgers of version 0.1.0 may not know when the billing period ended.
    until = data.get("peak_until")
    return ImportPeak(data["peak_so_far_kw"], None if until is None else instant(until))


def readings_data(readings: Readings) -> dict[str, Any]:
    """Readings as plain data: value, unit, quality, and by how many µs it was measured and received before."""
    now = readings.now
    return {
        name: [
            r.value,
            r.unit,
            str(r.quality),
            (now - r.measured_at) // MICROSECOND,
            (now - r.received_at) // MICROSECOND,
        ]
        for name, r in readings.points.items()
    }


def readings_from(now: datetime, data: Mapping[str, Any]) -> Readings:
    return Readings(
        now,
        {
            name: back(
                Reading,
                {
                    "value": value,
                    "unit": unit,
                    "measured_at": (now - measured * MICROSECOND).isoformat(),
                    "received_at": (now - received * MICROSECOND).isoformat(),
                    "quality": quality,
                },
            )
            for name, (value, unit, quality, measured, received) in data.items()
        },
    )


def plain(value: object) -> Any:
    """A dataclass as plain data."""
    kind: Any = type(value)
    return _adapter(kind).dump_python(value, mode="json")


def back(kind: type[D], data: object) -> D:
    """The dataclass of that kind that was written."""
    hashable: Any = kind
    found: D = _adapter(hashable).validate_python(data)
    return found


def decisions_from(data: Sequence[Any]) -> list[Decision]:
    return [back(Decision, decision) for decision in data]


@dataclass(frozen=True, slots=True)
class _Decided:
    """Of what a cycle told only this."""

    decisions: list[Decision]


def decisions_told(blob: bytes) -> list[Decision]:
    """The decisions among what a cycle told, in half the time: a day has ten thousand."""
    found: _Decided = _adapter(_Decided).validate_json(zlib.decompress(blob))
    return found.decisions


def _of_kind(kind: str, data: object) -> object:
    module, _, name = kind.partition(":")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as missing:
        raise ValueError(f"the state of a device is a {kind}, which is not known here ({missing})") from missing
    if not is_dataclass(found):
        raise ValueError(f"the state of a device is a {kind}; a dataclass is needed")
    assert isinstance(found, type)
    return back(found, data)


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
