"""Whether what a house tells agrees with physics: signs, units, and whether its devices can be let go."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from statistics import fmean

from pems_core.config import InfluxSection
from pems_core.domain import (
    HOUR,
    HeatingSpec,
    HybridInverterSpec,
    NotDelivered,
    PemsError,
    Readings,
    StaleReading,
)
from pems_core.protocols import Device, Transport
from pems_core.transport.house_lines import HouseLines
from pems_core.transport.image import ProcessImage

from .build import Blueprint
from .history import number
from .rescue import ReleasesOnly

EVERY_S = 5.0
CONNECT_WITHIN_S = 15.0
TOLERANCE_KW, TOLERANCE = 0.3, 0.1
"""Of a balance of powers that are not read at one instant (protocols D.2): this much, or this share."""
LEAST_MOVED = 0.03
"""Of the battery's capacity: less moved energy says nothing about the state of charge, which comes in whole percent."""
SAME_WITHIN = (0.6, 1.6)
"""Energy by the state of charge over energy by the powers, if both are right: there are losses and rounding."""
ROOM_C = (5.0, 35.0)


class Verdict(StrEnum):
    FINE = "fine"
    UNKNOWN = "cannot tell"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    place: str
    what: str
    verdict: Verdict
    detail: str = ""


@dataclass
class Inspection:
    """Listens to a house for a while and writes nothing.

    :param wait: told how far it is, 0 to 1, and what was heard so far.
    :param patience_s: how much longer at most, while a device has not yet told what it is planned with.
    """

    blueprint: Blueprint
    length_s: float
    wait: Callable[[float, str], object]
    patience_s: float = 0.0

    async def run(self) -> Sequence[Finding]:
        """Everything that was found, place by place."""
        blueprint = self.blueprint
        name = f"pems-{blueprint.house.site.name}-check"
        lines = HouseLines(blueprint.mqtt_section, blueprint.clock, ReleasesOnly(), name)
        transports = blueprint.transports()
        async with lines:
            running = [asyncio.create_task(transport.run(lines)) for transport in transports]
            try:
                broker = await self._broker(lines)
                samples = await self._gather(transports)
                letting_go = [await self._can_let_go(d, transports) for d in self._devices if d.controls()]
            finally:
                for task in running:
                    task.cancel()
                ended = await asyncio.gather(*running, return_exceptions=True)
        crashes = [
            Finding(transport.name, "conversation", Verdict.WRONG, f"{type(end).__name__}: {end}")
            for transport, end in zip(transports, ended, strict=True)
            if isinstance(end, Exception)
        ]
        alerts = [Finding(a.place, "alert", Verdict.WRONG, a.text) for t in transports for a in t.alerts]
        seen = [*readable(self._devices, samples[-1]), *physics(self._devices, samples)]
        database = await asyncio.to_thread(self._database)
        return [*broker, *database, *crashes, *seen, *letting_go, *alerts]

    @property
    def _devices(self) -> Sequence[Device]:
        return self.blueprint.house.house.devices

    async def _broker(self, lines: HouseLines) -> list[Finding]:
        section = self.blueprint.mqtt_section
        if section is None:
            return [Finding("mqtt", "broker", Verdict.FINE, "the house has none")]
        with suppress(TimeoutError):
            async with asyncio.timeout(CONNECT_WITHIN_S):
                while not lines.mqtt.connected:  # noqa: ASYNC110 - a line has no event for it
                    await asyncio.sleep(0.05)
        if lines.mqtt.connected:
            return [Finding("mqtt", "broker", Verdict.FINE, section.url)]
        why = "; ".join(alert.text for alert in lines.alerts)
        return [Finding("mqtt", "broker", Verdict.WRONG, why or f"{section.url} cannot be reached")]

    def _database(self) -> list[Finding]:
        """Whether metrics could be written; nothing is."""
        section = self.blueprint.config.get(InfluxSection)
        if section is None:
            return []
        from pems_core.recording.influx.server import Away, Influx, NotTaken

        with closing(Influx(section.beside(self.blueprint.beside))) as server:
            try:
                return [Finding("influxdb", "database", Verdict.FINE, server.found())]
            except (Away, NotTaken) as fault:
                return [Finding("influxdb", "database", Verdict.WRONG, str(fault))]

    async def _gather(self, transports: Sequence[Transport]) -> list[Readings]:
        clock = self.blueprint.clock
        inverters = [d.name for d in self._devices if isinstance(d.equipment, HybridInverterSpec)]
        image = ProcessImage(inverters=inverters)
        count, most = (max(1, round(s / EVERY_S)) for s in (self.length_s, self.length_s + self.patience_s))
        samples: list[Readings] = []
        while len(samples) < count or (len(samples) < most and not self._all_readable(samples[-1])):
            await clock.sleep(EVERY_S)
            samples.append(image.take(clock.now(), [transport.readings() for transport in transports]))
            self.wait(min(1.0, len(samples) / count), self._heard(samples[-1]))
        return samples

    def _heard(self, readings: Readings) -> str:
        """How far each device is, in a few words."""
        words = {Verdict.FINE: "heard", Verdict.WRONG: "waiting for more"}
        found = readable(self._devices, readings)
        return ", ".join(f"{finding.place}: {words.get(finding.verdict, finding.verdict)}" for finding in found)

    def _all_readable(self, readings: Readings) -> bool:
        return all(finding.verdict is Verdict.FINE for finding in readable(self._devices, readings))

    async def _can_let_go(self, device: Device, transports: Sequence[Transport]) -> Finding:
        """Read what a release would write: reachable, and released already or not."""
        what = "can be let go"
        carrier = next((t for t in transports if device.name in t.devices), None)
        if carrier is None:
            return Finding(device.name, what, Verdict.WRONG, "no transport carries its commands")
        stages = set()
        for command in device.release():
            try:
                stages.add(str((await carrier.check(command)).stage))
            except NotDelivered as fault:
                return Finding(device.name, what, Verdict.WRONG, str(fault))
        if stages <= {"readback_ok", "effect_ok"}:
            return Finding(device.name, what, Verdict.FINE, "read back: it is under its own control now")
        if "reverted" in stages:
            return Finding(device.name, what, Verdict.FINE, "read back: something holds it now; --release lets it go")
        return Finding(device.name, what, Verdict.UNKNOWN, "it cannot be read back; --release tries it")


def readable(devices: Sequence[Device], readings: Readings) -> Iterator[Finding]:
    """Whether each device has what it is planned with."""
    for device in devices:
        try:
            device.state(readings)
        except StaleReading as stale:
            yield Finding(device.name, "readings", Verdict.WRONG, str(stale))
        else:
            heard = sum(point.startswith(f"{device.name}/") for point in readings.points)
            yield Finding(device.name, "readings", Verdict.FINE, f"{heard} points")


def physics(devices: Sequence[Device], samples: Sequence[Readings]) -> Iterator[Finding]:
    """What the readings say together."""
    for device in devices:
        if isinstance(device.equipment, HybridInverterSpec):
            yield balance(device.name, samples)
            if device.equipment.battery is not None:
                yield charge_moves_soc(device.name, device.equipment.battery.capacity_kwh, samples)
        if isinstance(device.equipment, HeatingSpec):
            yield from rooms(device.name, device.equipment, samples[-1])


def balance(inverter: str, samples: Sequence[Readings]) -> Finding:
    """pv + import + discharge = charge + export + load, and which exchange of two flows would mend it."""
    what = "power balance"
    names = ("pv_kw", "import_kw", "discharge_kw", "charge_kw", "export_kw", "load_kw")
    mean: dict[str, float] = {}
    for name in names:
        values = [v for r in samples if (v := _power_kw(r, f"{inverter}/{name}")) is not None]
        if not values:
            return Finding(inverter, what, Verdict.UNKNOWN, f"{name} was not read")
        mean[name] = fmean(values)
    said = ", ".join(f"{name.removesuffix('_kw')} {value:.2f}" for name, value in mean.items()) + " kW"
    if _balanced(mean):
        return Finding(inverter, what, Verdict.FINE, said)
    for one, other in (("import_kw", "export_kw"), ("charge_kw", "discharge_kw")):
        if _balanced(mean | {one: mean[other], other: mean[one]}):
            names_ = f"{one.removesuffix('_kw')} and {other.removesuffix('_kw')}"
            return Finding(inverter, what, Verdict.WRONG, f"{said}; it would balance with {names_} exchanged")
    for factor, hint in ((1000.0, "kW"), (0.1, "tenths")):
        off = [name for name in names if _balanced(mean | {name: mean[name] / factor})]
        if off:
            return Finding(inverter, what, Verdict.WRONG, f"{said}; {off[0]} may be in another unit than {hint}")
    return Finding(inverter, what, Verdict.WRONG, said)


def _power_kw(readings: Readings, point: str) -> float | None:
    """A power however suspect: whether it is right is the question here."""
    reading = readings.points.get(point)
    if reading is None or isinstance(reading.value, bool | str):
        return None
    return float(reading.value)


def _balanced(kw: dict[str, float]) -> bool:
    supplied = kw["pv_kw"] + kw["import_kw"] + kw["discharge_kw"]
    drawn = kw["charge_kw"] + kw["export_kw"] + kw["load_kw"]
    return abs(supplied - drawn) <= max(TOLERANCE_KW, TOLERANCE * max(supplied, drawn))


def charge_moves_soc(inverter: str, capacity_kwh: float, samples: Sequence[Readings]) -> Finding:
    """Whether the state of charge follows what flows into and out of the battery."""
    what = "state of charge"
    moved_kwh = 0.0
    for before, now in pairwise(samples):
        charge, discharge = (number(now, f"{inverter}/{name}", "kW") for name in ("charge_kw", "discharge_kw"))
        moved_kwh += ((charge or 0.0) - (discharge or 0.0)) * ((now.now - before.now) / HOUR)
    socs = [soc for r in samples if (soc := number(r, f"{inverter}/soc", "share")) is not None]
    if len(socs) < 2 or abs(moved_kwh) < LEAST_MOVED * capacity_kwh:
        return Finding(inverter, what, Verdict.UNKNOWN, f"{moved_kwh:+.2f} kWh moved; --hours listens for longer")
    seen_kwh = (socs[-1] - socs[0]) * capacity_kwh
    said = f"{seen_kwh:+.2f} kWh by the state of charge, {moved_kwh:+.2f} kWh by the powers"
    if seen_kwh * moved_kwh < 0:
        return Finding(inverter, what, Verdict.WRONG, f"{said}: charge and discharge are exchanged")
    low, high = SAME_WITHIN
    if not low <= seen_kwh / moved_kwh <= high:
        return Finding(inverter, what, Verdict.WRONG, f"{said}: battery_kwh or a unit is wrong")
    return Finding(inverter, what, Verdict.FINE, said)


def rooms(heating: str, spec: HeatingSpec, readings: Readings) -> Iterable[Finding]:
    """Whether rooms have temperatures of rooms."""
    low, high = ROOM_C
    for room in spec.rooms:
        place = f"{heating}/{room.name}"
        reading = readings.points.get(f"{place}_temperature_c")
        if reading is None or isinstance(reading.value, bool | str):
            yield Finding(place, "temperature", Verdict.UNKNOWN, "never read")
        elif low <= reading.value <= high:
            yield Finding(place, "temperature", Verdict.FINE, f"{reading.value:.1f} °C")
        else:
            found = f"{reading.value:g} °C; {low:g} to {high:g} are plausible"
            yield Finding(place, "temperature", Verdict.WRONG, found)


class EngineRuns(PemsError):
    """The house is in an engine's hands."""
