"""Registers of the inverter as its gateway reads them, remembered for a minute."""

import re
from collections.abc import Iterable, Mapping

from pems_core.clock import Clock
from pems_core.domain import NotDelivered
from pems_core.transport.lines import Space

from .encoding import Argument
from .oig_gateway import Gateway, Refused
from .oig_payload import BadPayload, shown, whole

Cell = tuple[Space, int]
"""A register: the same address means different things in the two spaces."""
GRID_FIRST = {"powerRate": 1070, "stopSOC": 1071}
BATTERY_FIRST = {"powerRate": 1090, "stopSOC": 1091, "acChargeEnabled": 1092}
SLOTS = {"gridfirst": 1080, "batteryfirst": 1100}
"""First register of each mode's three slots: start, stop and enable of each (protocols A.2)."""
TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
SPACE_LETTERS: Mapping[Space, str] = {"holding": "H", "input": "I"}


def holding(address: int) -> Cell:
    return ("holding", address)


def slot_word(text: object) -> int:
    """A time of day as the register has it.

    >>> hex(slot_word("23:59"))
    '0x173b'
    """
    found = TIME_OF_DAY.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise BadPayload(f'found {shown(text)}; "HH:MM" is needed')
    return int(found[1]) << 8 | int(found[2])


def group_registers(group: str, fields: Mapping[str, object]) -> Mapping[Cell, int]:
    """What `batteryfirst/get` or `gridfirst/get` says, by register. A slot that it shows brokenly is left out.

    :raises BadPayload: if a setting or the list of slots cannot be read.
    """
    settings = BATTERY_FIRST if group == "batteryfirst" else GRID_FIRST
    found = {holding(address): _field(name, fields.get(name)) for name, address in settings.items()}
    slots = fields.get("timeSlots")
    if not isinstance(slots, list):
        raise BadPayload(f"timeSlots: found {shown(slots)}; a list is needed")
    for slot in slots:
        try:
            found |= _slot_registers(SLOTS[group], slot)
        except BadPayload:
            # An unused slot may hold any words; whoever needs this one finds it missing.
            continue
    return found


def _field(name: str, value: object) -> int:
    try:
        return whole(value)
    except BadPayload as fault:
        raise BadPayload(f"{name}: {fault}") from None


def _slot_registers(first: int, slot: object) -> Mapping[Cell, int]:
    if not isinstance(slot, dict):
        raise BadPayload(f"found {shown(slot)}; an object is needed")
    number = whole(slot.get("slot"), highest=3)
    if number == 0:
        raise BadPayload("found slot 0; 1 to 3 are allowed")
    address = first + 3 * (number - 1)
    return {
        holding(address): slot_word(slot.get("start")),
        holding(address + 1): slot_word(slot.get("stop")),
        holding(address + 2): whole(slot.get("enabled"), highest=1),
    }


class Registers:
    """Reads registers through the gateway's commands, a whole group of settings at once where there is one."""

    def __init__(self, gateway: Gateway, clock: Clock) -> None:
        self._gateway = gateway
        self._clock = clock
        self._known: dict[Cell, tuple[int, float]] = {}
        self.grouped = True
        """The gateway has `batteryfirst/get` and `gridfirst/get`."""
        self._paired = True
        """The gateway has not refused to read two neighbours in one request."""

    def forget(self, cells: Iterable[Cell] | None = None) -> None:
        """Drop what is known of these, or all of it."""
        for cell in list(self._known) if cells is None else cells:
            self._known.pop(cell, None)

    @property
    def all_known(self) -> Mapping[Cell, int]:
        """What was read last, however old."""
        return {cell: value for cell, (value, _) in self._known.items()}

    async def read(self, cells: Iterable[Cell], max_age_s: float) -> dict[Cell, int]:
        """The values, none older than `max_age_s` of the clock.

        :raises NotDelivered: if one of them cannot be read.
        """
        wanted = list(cells)
        oldest_s = self._clock.elapsed_s() - max_age_s
        # What is known may be forgotten while somebody waits for the gateway: another task writes meanwhile.
        values = {cell: value for cell, (value, at_s) in self._known.items() if cell in wanted and at_s >= oldest_s}
        for cell in wanted:
            if cell not in values:
                self.forget([cell])
                neighbour = (cell[0], cell[1] + 1)
                values |= await self._fetch(
                    cell, neighbour if neighbour in wanted and neighbour not in values else None
                )
            if cell not in values:
                raise NotDelivered(f"register {cell[0]}/{cell[1]} is not in the gateway's answer")
        return {cell: values[cell] for cell in wanted}

    async def _fetch(self, cell: Cell, neighbour: Cell | None) -> Mapping[Cell, int]:
        """Read one register, and the next one if that is wanted too and costs no further request."""
        asked_at_s = self._clock.elapsed_s()
        group = self._group(cell)
        name = f"{group}/get" if group else "modbus/get: value"
        try:
            if group:
                found = group_registers(group, await self._gateway.read(f"{group}/get"))
            elif neighbour and self._paired and not self._group(neighbour):
                found = await self._pair(cell, neighbour)
            else:
                found = {cell: whole(await self._value(cell, "16b"))}
        except BadPayload as fault:
            raise NotDelivered(f"{name}: {fault}") from None
        self._known |= {at: (value, asked_at_s) for at, value in found.items()}
        return found

    async def _pair(self, cell: Cell, neighbour: Cell) -> Mapping[Cell, int]:
        """Two neighbours as one number, the first of them in its higher half (protocols A.1)."""
        try:
            both = whole(await self._value(cell, "32b"), highest=0xFFFF_FFFF)
        except Refused:
            # If this fails as well, it was not the pair that was refused.
            one = whole(await self._value(cell, "16b"))
            self._paired = False
            return {cell: one}
        return {cell: both >> 16, neighbour: both & 0xFFFF}

    async def _value(self, cell: Cell, kind: str) -> object:
        asked: dict[str, Argument] = {"id": cell[1], "type": kind, "registerType": SPACE_LETTERS[cell[0]]}
        return (await self._gateway.read("modbus/get", asked)).get("value")

    def _group(self, cell: Cell) -> str:
        space, address = cell
        if space == "input" or not self.grouped:
            return ""
        for group, settings in (("batteryfirst", BATTERY_FIRST), ("gridfirst", GRID_FIRST)):
            if address in settings.values() or SLOTS[group] <= address < SLOTS[group] + 9:
                return group
        return ""
