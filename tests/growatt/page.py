"""The tables of docs/devices/growatt.md, from the register tables; `python -m tests.growatt.page` renews them."""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from pems_growatt.registers import TABLES, Memory, Point, Table

PAGE = Path(__file__).parents[2] / "docs" / "devices" / "growatt.md"
FAMILIES = {"sph": "SPH, MIX", "spa": "SPA", "tl_xh": "MIN/MOD/MID TL-XH", "vpp": "VPP protocol"}
WEARS: dict[Memory, str] = {"volatile": "no", "eeprom": "yes", "assumed_eeprom": "taken for yes", "never": ""}


def tables() -> dict[str, str]:
    """By the name of their place on the page."""
    return {"written registers": "\n".join(_written()), "read registers": "\n".join(_read())}


def _written() -> Iterator[str]:
    yield "| Family | Holding registers | What | Wears the memory |"
    yield "|---|---|---|---|"
    for table in TABLES.values():
        writable = [point for point in table.points if point.writable]
        for what, points in groupby(sorted(writable, key=lambda point: point.address), _subject):
            together = list(points)
            memory = WEARS[together[0].memory]
            yield f"| {FAMILIES[table.family]} | {_addresses(together)} | {what} | {memory} |"


def _read() -> Iterator[str]:
    yield "| Family | Input registers | Holding registers | Not told |"
    yield "|---|---|---|---|"
    for table in TABLES.values():
        absent = ", ".join(f"`{state}`" for state in sorted(table.absent))
        yield f"| {FAMILIES[table.family]} | {_of(table, 'input')} | {_of(table, 'holding')} | {absent} |"


def _of(table: Table, space: str) -> str:
    return _addresses(point for point in table.points if point.space == space)


def _subject(point: Point) -> str:
    """What a register is about: the slots of a mode, and the words of the clock, are one subject."""
    if point.name.startswith("clock"):
        return "clock"
    return re.sub(r"_?slot\d.*", " slots", point.name).replace("_", " ").strip()


def _addresses(points: Iterable[Point]) -> str:
    places = sorted({at for point in points for at in point.addresses})
    runs = [[at for _, at in run] for _, run in groupby(enumerate(places), lambda pair: pair[1] - pair[0])]
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def renewed(text: str) -> str:
    """The page with its tables as they should be."""
    for name, table in tables().items():
        begin, end = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
        head, begins, rest = text.partition(begin)
        _, ends, tail = rest.partition(end)
        if not begins or not ends:
            raise ValueError(f"{PAGE.name} has no place for the table of {name}")
        text = f"{head}{begin}{table}{end}{tail}"
    return text


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
