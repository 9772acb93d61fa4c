"""What is written to registers, before it is: one request each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .registers import Table

Settings = Mapping[str, tuple[int, ...]]
"""Fresh words by point."""


@dataclass(frozen=True, slots=True)
class Write:
    """One request of function code 16."""

    address: int
    values: tuple[int, ...]
    names: tuple[str, ...]
    """The point of each value."""
    memory: tuple[str, ...] = ()
    """What it wears, as the wear book calls it."""
    always: bool = False
    """Written though nothing changes: the write itself does something."""
    settle_s: float = 0.0
    """How long the unit must be left alone afterwards."""


def write(table: Table, first: str, *values: int, always: bool = False, settle_s: float = 0.0) -> Write:
    """A write of the words from a point on.

    :raises ValueError: if it reaches a register that is none of PEMS's business.
    """
    address = table.by_name[first].address
    places = range(address, address + len(values))
    points = [table.by_holding.get(at) for at in places]
    if not all(point is not None and point.writable for point in points):
        raise ValueError(f"registers {address} to {places[-1]} of {table.family} are not all to be written")
    known = [point for point in points if point is not None]
    memory = tuple(f"holding/{at}" for at, point in zip(places, known, strict=True) if point.wears)
    words = tuple(value % 0x10000 for value in values)
    return Write(address, words, tuple(point.name for point in known), memory, always, settle_s)


def word(settings: Settings, name: str) -> int | None:
    """A setting of one word; None if the unit does not have it."""
    said = settings.get(name)
    return said[0] if said else None


def changes(table: Table, settings: Settings, writes: Sequence[Write]) -> list[Write]:
    """Those of the writes that change something (D.1.5: an unchanged value wears the memory too)."""
    return [each for each in writes if each.always or not is_so(table, settings, each)]


def is_so(table: Table, settings: Settings, wanted: Write) -> bool:
    """Whether the registers already say what is to be written."""
    now = {
        at: value
        for name, said in settings.items()
        for at, value in zip(table.by_name[name].addresses, said, strict=True)
    }
    return all(now.get(at) == value for at, value in enumerate(wanted.values, wanted.address))
