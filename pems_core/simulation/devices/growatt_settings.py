"""Holding registers of Growatt families: defaults, ranges, and what may be written (protocols A.2-A.7)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pems_core.transport.lines import Space

from .growatt_slots import LOAD_TRIPLES, PAIRS, TRIPLES, is_time

Family = Literal["sph", "spa", "tl_xh", "vpp"]

GROUP = 125
SIGN = 1 << 15
WORD = 1 << 16
NO_LIMIT = 255


@dataclass(frozen=True, slots=True)
class Setting:
    """One holding register."""

    default: int
    allows: Callable[[int], bool] = lambda _: True
    """Of the value as written."""
    read_only: bool = False
    stored: bool = True
    """False: back at its default after a power-off, and free of wear (protocols A.7)."""


def between(low: int, high: int, *others: int) -> Callable[[int], bool]:
    """Within a range, negative numbers as two's complement, or one of others."""

    def allows(value: int) -> bool:
        signed = value - WORD if low < 0 and value >= SIGN else value
        return low <= signed <= high or value in others

    return allows


def number(default: int, low: int, high: int, *others: int, stored: bool = True) -> Setting:
    return Setting(default % WORD, between(low, high, *others), stored=stored)


def fixed(value: int) -> Setting:
    return Setting(value, read_only=True)


def identity(dtc: int) -> dict[int, Setting]:
    """Device type, two trackers and three phases, Modbus version 2.07."""
    return {43: fixed(dtc), 44: fixed(0x0203), 88: fixed(207)}


def common(dtc: int, metering: int) -> dict[int, Setting]:
    """What SPH, SPA and TL-XH have in common: 0-124 and the export limit's fail-safe."""
    clock = {45: number(26, 0, 2099), 46: number(1, 1, 12), 47: number(1, 1, 31), 51: number(0, 0, 6)}
    clock |= {48: number(0, 0, 23), 49: number(0, 0, 59), 50: number(0, 0, 59)}
    return {
        0: number(1, 0, 3),
        1: fixed(0),
        2: number(0, 0, 1),
        3: number(NO_LIMIT, 0, 100, NO_LIMIT),
        19: number(60, 0, 600),
        20: number(1000, 1, 1000),
        21: number(1000, 1, 1000),
        22: number(0, 0, 1),
        30: number(1, 1, 254),
        42: number(0, 0, 1),
        122: number(metering, 0, 3),
        123: number(1000, -1000, 1000),
        307: number(30, 1, 5000),
        **identity(dtc),
        **clock,
    }


def slot_triples(addresses: Iterable[int]) -> dict[int, Setting]:
    """Start, stop, enable."""
    found: dict[int, Setting] = {}
    for address in addresses:
        found |= {address: Setting(0, is_time), address + 1: Setting(0, is_time), address + 2: number(0, 0, 1)}
    return found


def sph(dtc: int, metering: int) -> dict[int, Setting]:
    return {
        **common(dtc, metering),
        304: number(0, 0, 1000),
        314: number(0, 0, 1),
        533: fixed(metering),
        608: number(10, 10, 100),
        1008: number(0, 0, WORD - 1),
        1009: number(1170, 0, 1400),
        1010: number(420, 0, 1400),
        1011: number(30, 0, 1400),
        1012: number(370, 0, 1400),
        1037: fixed(2 if metering == 1 else 0),
        1044: fixed(0),
        1048: fixed(0),
        1060: number(1, 0, 1),
        1061: number(0, 0, 3),
        1062: number(0, 0, 1),
        1070: number(100, 0, 100),
        # The firmware's floor: a lower stop is refused (protocols A.2, E.1 trap 5).
        1071: number(10, 10, 100),
        1090: number(100, 0, 100),
        1091: number(100, 10, 100),
        1092: number(0, 0, 1),
        **slot_triples(TRIPLES),
    }


def spa(dtc: int, metering: int) -> dict[int, Setting]:
    return {**sph(dtc, metering), **slot_triples(LOAD_TRIPLES)}


def tl_xh(dtc: int, metering: int) -> dict[int, Setting]:
    slots = {address: Setting(0, is_time) for pair in PAIRS for address in (pair, pair + 1)}
    return {
        **common(dtc, metering),
        3000: number(0, 0, 1000),
        3031: number(1170, 0, 1400),
        3032: number(420, 0, 1400),
        3033: number(30, 0, 1400),
        3034: number(370, 0, 1400),
        3036: number(100, 1, NO_LIMIT),
        3037: number(10, 1, 100),
        3047: number(100, 1, NO_LIMIT),
        3048: number(100, 11, 100),
        3049: number(0, 0, 1),
        3067: number(10, 10, 100),
        3070: number(1, 0, 3),
        3079: number(1, 0, 1),
        3308: number(WORD - 1, 0, WORD - 1),
        3310: number(10, 10, 100),
        3312: number(100, 1, 100),
        **slots,
    }


def vpp(dtc: int, rated_w: int, battery_w: int, pv_w: int, *, load_first_floor: bool) -> dict[int, Setting]:
    """All but 30151, 30154 and the remote control is stored in EEPROM."""
    serial = "PEMSSIM0001".ljust(30)
    words = {30001 + i: fixed(ord(serial[2 * i]) << 8 | ord(serial[2 * i + 1])) for i in range(15)}
    powers: dict[int, Setting] = {}
    for address, watts in ((30016, rated_w), (30018, rated_w), (30026, battery_w), (30028, pv_w)):
        powers |= {address: fixed(watts * 10 >> 16), address + 1: fixed(watts * 10 % WORD)}
    clock = {30104: number(26, 12, 99), 30105: number(1, 1, 12), 30106: number(1, 1, 31)}
    clock |= {30107: number(0, 0, 23), 30108: number(0, 0, 59), 30109: number(0, 0, 59)}
    slots: dict[int, Setting] = {}
    for address in range(30412, 30472, 3):
        slots |= {address: number(0, 0, 1440), address + 1: number(0, 0, 1440), address + 2: number(0, -100, 100)}
    found = {
        30000: fixed(dtc),
        **words,
        **powers,
        30099: fixed(202),
        30100: number(0, 0, 1),
        30101: number(1, 0, 1, 9, stored=False),
        **clock,
        30112: fixed(1),
        30113: fixed(0),
        30151: number(100, 0, 100),
        30154: number(100, 0, 100, stored=False),
        30200: number(0, 0, 1),
        30201: number(0, -100, 100),
        30202: number(0, 0, 100),
        30203: number(30, 1, 300),
        30204: number(0, 0, 1),
        30404: number(100, 10, 100),
        30405: number(10, 10, 100),
        30407: number(0, 0, 1, stored=False),
        30408: number(0, 0, 1440, stored=False),
        30409: number(0, -100, 100, stored=False),
        30410: number(0, 0, 2),
        30411: number(0, 0, 20),
        **slots,
        30474: fixed(0),
        30476: number(0, 0, 2),
        30477: number(0, 0, 1),
    }
    return {**found, 30406: number(10, 10, 100)} if load_first_floor else found


def blocks(*spans: tuple[int, int]) -> list[range]:
    """Spans of registers, cut at multiples of 125."""
    return [
        range(max(first, begin), min(last + 1, begin + GROUP))
        for first, last in spans
        for begin in range(first // GROUP * GROUP, last + 1, GROUP)
    ]


RTU_HOLDING = [(0, 124), (250, 374)]
VPP_HOLDING = [(30000, 30099), (30100, 30149), (30150, 30299), (30300, 30499)]
VPP_INPUT = [(31000, 31009), (31010, 31099), (31100, 31199), (31200, 31299)]
GROUPS: Mapping[Family, Mapping[Space, list[range]]] = {
    "sph": {
        "holding": blocks(*RTU_HOLDING, (500, 624), (1000, 1124)),
        "input": blocks((0, 124), (1000, 1249)),
    },
    "spa": {
        "holding": blocks(*RTU_HOLDING, (500, 624), (1000, 1124)),
        "input": blocks((1000, 1249), (2000, 2124)),
    },
    "tl_xh": {
        "holding": blocks(*RTU_HOLDING, (3000, 3124), (3250, 3374)),
        "input": blocks((0, 124), (3000, 3249)),
    },
    "vpp": {
        "holding": [range(first, last + 1) for first, last in VPP_HOLDING],
        "input": [range(first, last + 1) for first, last in VPP_INPUT],
    },
}
