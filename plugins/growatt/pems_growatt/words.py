"""The words in which a Growatt inverter is told over Modbus, whatever its family: what is wanted, not which registers.

A word is the address of a command, its arguments are JSON. `GrowattModbus` puts it into the registers of the family
that it found (D.3 of the device protocol reference), so that even a release needs no knowledge of the family.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

from pems_core.devices.commands import Validity, command_id
from pems_core.domain import Command, HybridInverterSpec, Value

from .shares import export_share, rate_percent, stop_percent

Name = Literal["auto", "charge", "discharge", "hold", "export_limit", "reserve_soc", "sync_clock"]
"""`auto` is what the inverter does by itself: PV and battery serve the house (load first)."""
NAMES: tuple[Name, ...] = get_args(Name)
BATTERY_WORDS: tuple[Name, ...] = ("auto", "charge", "discharge", "hold")


@dataclass(frozen=True, slots=True)
class Word:
    """One thing that the inverter is told. Shares are in whole percent, as its registers are."""

    name: Name
    control: str
    rate: int | None = None
    """Power [% of the battery's limit]; None: as it is set."""
    stop_soc: int | None = None
    """Where charging or discharging ends [%]."""
    from_grid: bool = False
    percent: float | None = None
    """Highest feed-in [% of the inverter's limit], or the reserve [% of the battery]; None: the reserve that was there
    before PEMS changed it."""
    until: datetime | None = None
    """When a mode ends by itself; None for what has no end."""

    def command(self, device: str, validity: Validity) -> Command:
        payload = json.dumps(self.arguments)
        identity = command_id(device, self.name, payload, validity.valid_from)
        return Command(identity, device, self.control, "modbus", self.name, payload, validity.expires_at)

    @property
    def arguments(self) -> Mapping[str, object]:
        """What the word says beside its name; what it leaves open is left out."""
        said: dict[str, object] = {"rate": self.rate, "stop_soc": self.stop_soc, "percent": self.percent}
        said |= {"from_grid": self.from_grid or None, "until": self.until and self.until.astimezone(UTC).isoformat()}
        return {name: value for name, value in said.items() if value is not None}

    @classmethod
    def of(cls, command: Command) -> "Word":
        """The word that a command carries.

        :raises ValueError: if it is none, or an argument is broken.
        """
        name = next((known for known in NAMES if known == command.address), None)
        if name is None:
            raise ValueError(f"{command.address!r} is no word; allowed: {', '.join(NAMES)}")
        said = json.loads(command.payload or "{}")
        if not isinstance(said, dict):
            raise ValueError(f"{command.payload!r} is no JSON object")  # noqa: TRY004, a broken message, not a bug
        until = said.get("until")
        return cls(
            name,
            command.control,
            _percent(said, "rate", 1, 100),
            _percent(said, "stop_soc", 0, 100),
            bool(said.get("from_grid", False)),
            _share(said.get("percent")),
            None if until is None else datetime.fromisoformat(str(until)),
        )


def battery_word(settings: Mapping[str, Value], spec: HybridInverterSpec, until: datetime) -> Word:
    """What brings a mode and its powers about; a setting that is left out is what the execution model assumes."""
    battery = spec.battery
    assert battery is not None
    mode = settings.get("mode", "load_first")
    if mode == "battery_first":
        stop_soc = stop_percent(min(float(settings.get("stop_soc", battery.soc_max)), battery.soc_max))
        from_grid = bool(settings.get("battery_charge_grid", False))
        charge_kw = settings.get("charge_power_kw")
        if charge_kw is not None and float(charge_kw) <= 0.0 and not from_grid:
            return Word("hold", "mode", stop_soc=stop_soc, until=until)
        rate = rate_percent(charge_kw, battery.charge_limit_kw)
        return Word("charge", "mode", rate=rate, stop_soc=stop_soc, from_grid=from_grid, until=until)
    if mode == "grid_first":
        stop_soc = stop_percent(max(float(settings.get("stop_soc", 0.0)), battery.soc_min))
        rate = rate_percent(settings.get("discharge_power_kw"), battery.discharge_limit_kw)
        return Word("discharge", "mode", rate=rate, stop_soc=stop_soc, until=until)
    return Word("auto", "mode")


def grid_words(settings: Mapping[str, Value], spec: HybridInverterSpec) -> Iterator[Word]:
    """What is set apart from the battery's mode: feed-in and, of a battery, the reserve: what is asked for, or what was
    there before."""
    share = export_share(settings, spec.ac_limit_kw)
    yield Word("export_limit", "grid_export", percent=round(100 * share, 1))
    if "reserve_soc" in settings:
        yield Word("reserve_soc", "reserve_soc", percent=stop_percent(float(settings["reserve_soc"])))
    elif spec.battery is not None:
        yield Word("reserve_soc", "reserve_soc")


def release_words(spec: HybridInverterSpec) -> Iterator[Word]:
    """The inverter's own operation, with feed-in up to the limit of the house and the reserve that was there before."""
    if spec.battery is not None:
        yield Word("auto", "mode")
    yield Word("export_limit", "grid_export", percent=100.0)
    if spec.battery is not None:
        yield Word("reserve_soc", "reserve_soc")


def _percent(said: Mapping[str, object], name: str, lowest: int, highest: int) -> int | None:
    value = said.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        raise ValueError(f"{name} is {value!r}; allowed: {lowest} to {highest} %")
    return value


def _share(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        raise ValueError(f"percent is {value!r}; allowed: 0 to 100 %")
    return float(value)
