"""What the words of the gateway bring about: registers to hold against, and the requests that are still needed.

The words of `encoding` are those of builds 124 and 307. Build 3000 (TL-XH) has none of them: there the same wishes
become `bdc/set/*` and `priority/set` (protocols B.1, A.4).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from pems_core.transport.lines import Change

from .encoding import Argument
from .oig_payload import BadPayload, json_object, shown, whole
from .oig_registers import SLOTS, Cell, holding, slot_word
from .shares import LOWEST_SOC

Build = Literal["124", "307", "3000"]

EXPORT_MODE = holding(122)
"""0 no limit, 1 by a meter on RS485, 2 on RS232, 3 by clamps (protocols A.2)."""
EXPORT_LIMIT = holding(123)
"""Of the rated power, in 0.1 %; negative: import is forced."""
GRID_SENSOR = holding(1037)
"""0 and 1 clamps, 2 meter."""
NO_LIMIT, ZERO_EXPORT = 1000, 0
METER, CLAMPS = 1, 3
PRIORITY_WORDS = (holding(3038), holding(3039))
WHOLE_DAY = {"batteryfirst": (1, (40960, 5947)), "gridfirst": (2, (49152, 5947))}
"""Of `priority/set`: its mode, and the two words that it writes."""
GRID_CHARGE = "batteryfirst/set/acchargeenabled"
NO_PRIORITY = (0, (0, 0))
RUNNING_LEAD_MIN = 2
"""A slot that runs already does what one does that starts within so many minutes."""

Present = Mapping[Cell, int]


class CannotSay(ValueError):
    """The gateway has no such word, or must not be told this; the text names what was found and what is allowed."""


@dataclass(frozen=True)
class Request:
    """One request that writes, and the holding registers that wear by it."""

    name: str
    arguments: Mapping[str, Argument]
    wears: Sequence[int]


class Wish(Protocol):
    """A state of registers that is wished for."""

    @property
    def cells(self) -> Sequence[Cell]:
        """What must be read to know how far it is fulfilled."""

    def further(self, present: Present) -> Sequence[Cell]:
        """What must be read besides, if it can be, now that `cells` are known."""

    def requests(self, present: Present, now: datetime) -> Sequence[Request]:
        """What still has to be written; nothing once it is as wished.

        :param now: in the inverter's zone.
        :raises CannotSay: if this unit cannot be told.
        """


@dataclass(frozen=True)
class Setting:
    """Registers that shall have given values, by one request."""

    request: Request
    values: Mapping[Cell, int]

    @property
    def cells(self) -> Sequence[Cell]:
        return tuple(self.values)

    def further(self, present: Present) -> Sequence[Cell]:
        return ()

    def requests(self, present: Present, now: datetime) -> Sequence[Request]:
        return () if all(present[cell] == value for cell, value in self.values.items()) else (self.request,)


@dataclass(frozen=True)
class SlotSetting:
    """One slot of a mode: start, stop and enable."""

    request: Request
    first: int
    start: int
    stop: int
    enabled: bool

    @property
    def cells(self) -> Sequence[Cell]:
        return tuple(holding(self.first + offset) for offset in range(3))

    def further(self, present: Present) -> Sequence[Cell]:
        return ()

    def requests(self, present: Present, now: datetime) -> Sequence[Request]:
        start, stop, enabled = (present[cell] for cell in self.cells)
        if not self.enabled:
            # The times of a slot that is off do nothing: to clear them would wear three registers for nothing.
            return (self.request,) if enabled else ()
        as_wished = enabled == 1 and stop == self.stop and (start == self.start or self._runs(start, now))
        return () if as_wished else (self.request,)

    def _runs(self, start: int, now: datetime) -> bool:
        """A slot that began earlier and ends alike is in force: to write it anew would pause it for a minute."""
        now_min = 60 * now.hour + now.minute
        return _minutes(start) <= now_min and _minutes(start) <= _minutes(self.start) <= now_min + RUNNING_LEAD_MIN


@dataclass(frozen=True)
class WholeDay:
    """Build 3000: a mode for the whole day, or its end. It knows no slots that PEMS could set in one write."""

    group: str
    enabled: bool

    @property
    def cells(self) -> Sequence[Cell]:
        return PRIORITY_WORDS

    def further(self, present: Present) -> Sequence[Cell]:
        return ()

    def requests(self, present: Present, now: datetime) -> Sequence[Request]:
        mode, words = WHOLE_DAY[self.group]
        in_force = tuple(present[cell] for cell in PRIORITY_WORDS) == words
        if in_force == self.enabled:
            return ()
        return (Request("priority/set", {"mode": mode if self.enabled else NO_PRIORITY[0]}, (3038, 3039)),)


@dataclass(frozen=True)
class Nothing:
    """A word that has no meaning on this build."""

    cells: Sequence[Cell] = ()

    def further(self, present: Present) -> Sequence[Cell]:
        return ()

    def requests(self, present: Present, now: datetime) -> Sequence[Request]:
        return ()


@dataclass(frozen=True)
class Export:
    """Feed-in up to what the house may feed in, or none.

    Never by `export/enable` and `export/disable`: both make the inverter measure by a meter on RS485 (122 = 1), by
    which a plant with clamps (122 = 3) loses its limit (protocols E.2, 36b). The limit itself is register 123.
    """

    most: int
    """In 0.1 % of the rated power."""
    exactly: bool = False
    """A lower limit is not as wished, for a person has named this one."""
    changed: Change | None = None
    """What PEMS made of a limit, which it has not put back yet."""

    @property
    def cells(self) -> Sequence[Cell]:
        return (EXPORT_MODE, EXPORT_LIMIT)

    def further(self, present: Present) -> Sequence[Cell]:
        return (GRID_SENSOR,) if present[EXPORT_MODE] == 0 and self.most < NO_LIMIT else ()

    def requests(self, present: Present, now: datetime) -> Sequence[Request]:
        mode, limit = present[EXPORT_MODE], present[EXPORT_LIMIT]
        if mode == 0 and self.most >= NO_LIMIT:
            return ()
        requests = [] if self._as_wished(limit) else [register_request(123, self._wanted)]
        if mode == 0:
            requests.append(register_request(122, self._measured_by(present)))
        return requests

    @property
    def lasts(self) -> bool:
        """It is to be put back: by feed-in up to what the house may feed in."""
        return self.exactly or self.most == ZERO_EXPORT

    def _as_wished(self, limit: int) -> bool:
        if self.lasts:
            return limit == self.most
        # A lower limit than the house's own is somebody's wish: it stays, unless PEMS itself has set it.
        return 0 < limit <= self.most and (self.changed is None or limit != self.changed.told or limit == self._wanted)

    @property
    def _wanted(self) -> int:
        """The limit; in place of what PEMS had set the one that was there before."""
        was = 0 if self.changed is None or self.lasts else self.changed.was
        return was if 0 < was <= self.most else self.most

    def _measured_by(self, present: Present) -> int:
        sensor = present.get(GRID_SENSOR)
        if sensor not in (0, 1, 2):
            found = "unknown" if sensor is None else str(sensor)
            raise CannotSay(f"how the plant measures feed-in (holding/1037) is {found}; clamps or a meter are needed")
        return METER if sensor == 2 else CLAMPS


def acts_by_clock(wished: Wish) -> bool:
    """Whether what is wished begins or ends by the inverter's clock, or only makes sense with what does."""
    if isinstance(wished, Setting):
        # To switch it off again with each refused slot would wear it for nothing.
        return wished.request == Request(GRID_CHARGE, {"value": 1}, (1092,))
    return isinstance(wished, SlotSetting) and wished.enabled


def export_enabled(mode: int, limit: int) -> bool:
    """Whether registers 122 and 123 let anything be fed in; above 0x7FFF the limit is negative."""
    return mode == 0 or 0 < limit < 0x8000


def register_request(address: int, value: int) -> Request:
    """One register by `modbus/set`.

    :param value: a negative one becomes its two's complement.
    """
    arguments: dict[str, Argument] = {"id": address, "type": "16b", "registerType": "H", "value": value % 0x10000}
    return Request("modbus/set", arguments, (address,))


Arguments = Mapping[str, object]
REGISTERS_OF_BUILD_124: Mapping[str, tuple[int, range]] = {
    "batteryfirst/set/powerrate": (1090, range(101)),
    "batteryfirst/set/stopsoc": (1091, range(LOWEST_SOC, 101)),
    "batteryfirst/set/acchargeenabled": (1092, range(2)),
    "gridfirst/set/powerrate": (1070, range(101)),
    "gridfirst/set/stopsoc": (1071, range(LOWEST_SOC, 101)),
}
REGISTERS_OF_BUILD_3000: Mapping[str, tuple[str, int]] = {
    "batteryfirst/set/powerrate": ("bdc/set/chargepowerrate", 3047),
    "batteryfirst/set/stopsoc": ("bdc/set/chargestopsoc", 3048),
    "batteryfirst/set/acchargeenabled": ("bdc/set/acchargeenabled", 3049),
    "gridfirst/set/powerrate": ("bdc/set/dischargepowerrate", 3036),
    "gridfirst/set/stopsoc": ("bdc/set/dischargestopsoc", 3037),
}
LOAD_FIRST_STOP_SOC = (608, range(LOWEST_SOC, 101))
ACTIVE_RATE = (3, (*range(101), 255))
SETTABLE = (*range(122, 124), *range(1070, 1109), *range(3036, 3060))
"""What `modbus/set` may reach: never switching off, grid code, addresses or temperature windows (protocols A.7)."""


def wish(build: Build, name: str, payload: str, most_export: int = NO_LIMIT) -> Wish:
    """What a command asks for.

    :param most_export: what the house may feed in [0.1 % of the rated power].
    :raises CannotSay: if the gateway has no such word, or the argument is not allowed.
    """
    if name in ("export/enable", "export/disable"):
        return Export(most_export if name == "export/enable" else ZERO_EXPORT)
    try:
        arguments = json_object(payload.encode())
        if name == "modbus/set" and arguments.get("id") == EXPORT_LIMIT[1]:
            # A limit is told as such: how the plant measures belongs to it, and what the house may feed in.
            return Export(min(most_export, _value(arguments, range(NO_LIMIT + 1))), exactly=True)
        return _maker(name)(build, name, arguments)
    except BadPayload as fault:
        raise CannotSay(f"{name}: {fault}") from None


def _maker(name: str) -> Callable[[Build, str, Arguments], Wish]:
    if name in REGISTERS_OF_BUILD_124:
        return _setting
    makers: Mapping[str, Callable[[Build, str, Arguments], Wish]] = {
        "batteryfirst/set/timeslot": _slot,
        "gridfirst/set/timeslot": _slot,
        "modbus/set": _register,
        "power/set/activerate": _active_rate,
        "loadfirst/set/stopsoc": _load_first_stop_soc,
    }
    if name not in makers:
        raise CannotSay(f"{shown(name)} is no word of the gateway that PEMS says")
    return makers[name]


def _setting(build: Build, name: str, arguments: Arguments) -> Wish:
    address, allowed = REGISTERS_OF_BUILD_124[name]
    value = _value(arguments, allowed)
    if build == "3000":
        name, address = REGISTERS_OF_BUILD_3000[name]
    return _one(name, address, value)


def _load_first_stop_soc(build: Build, name: str, arguments: Arguments) -> Wish:
    if build != "307":
        raise CannotSay(f"{name}: build {build} of the gateway has no such word; 307 has")
    address, allowed = LOAD_FIRST_STOP_SOC
    return _one(name, address, _value(arguments, allowed))


def _active_rate(build: Build, name: str, arguments: Arguments) -> Wish:
    address, allowed = ACTIVE_RATE
    return _one(name, address, _value(arguments, allowed))


def _one(name: str, address: int, value: int) -> Setting:
    return Setting(Request(name, {"value": value}, (address,)), {holding(address): value})


def _register(build: Build, name: str, arguments: Arguments) -> Wish:
    address, value = whole(arguments.get("id")), whole(arguments.get("value"))
    if address not in SETTABLE or arguments.get("registerType") != "H":
        raise CannotSay(f"{name}: register {address} is none that PEMS may write")
    return Setting(register_request(address, value), {holding(address): value})


def _slot(build: Build, name: str, arguments: Arguments) -> Wish:
    group = name.partition("/")[0]
    number, enabled = whole(arguments.get("slot")), arguments.get("enabled")
    if number not in (1, 2, 3):
        raise CannotSay(f"{name}: found slot {number}; 1 to 3 are allowed")
    if not isinstance(enabled, bool):
        raise CannotSay(f"{name}: enabled: found {shown(enabled)}; true or false is needed")
    start, stop = slot_word(arguments.get("start")), slot_word(arguments.get("stop"))
    if enabled and stop <= start:
        raise CannotSay(f"{name}: found a stop that is not after the start; slots cross no midnight")
    if build == "3000":
        # Slots after the first are the rest of a night: the day's mode covers it.
        return WholeDay(group, enabled) if number == 1 or enabled else Nothing()
    first = SLOTS[group] + 3 * (number - 1)
    said = {key: arguments[key] for key in ("start", "stop", "enabled", "slot")}
    request = Request(name, _plain(said), range(first, first + 3))
    return SlotSetting(request, first, start, stop, enabled)


def _plain(said: Arguments) -> Mapping[str, Argument]:
    return {key: value for key, value in said.items() if isinstance(value, int | str)}


def _value(arguments: Arguments, allowed: Iterable[int]) -> int:
    value = whole(arguments.get("value"))
    values = list(allowed)
    if value not in values:
        raise CannotSay(f"value: found {value}; {values[0]} to {values[-1]} is allowed")
    return value


def _minutes(word: int) -> int:
    return 60 * (word >> 8) + (word & 0xFF)
