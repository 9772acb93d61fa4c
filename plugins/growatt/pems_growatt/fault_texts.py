"""What the numbers of faults, warnings and deratings mean (protocols A.2, A.4 and A.9)."""

from collections.abc import Mapping

FAULTS: Mapping[int, str] = {
    200: "DC arc",
    201: "leakage current",
    202: "PV over-voltage",
    203: "PV insulation low",
    204: "PV string reversed",
    300: "grid voltage out of range",
    301: "AC terminals reversed",
    302: "no grid",
    304: "grid frequency out of range",
    305: "overload",
    309: "grid frequency changes too fast",
    311: "export limit lost its meter",
    401: "DC component in the output",
    402: "DC component in the output",
    403: "unbalanced currents",
    404: "bus sampling",
    405: "relay",
    407: "auto-test",
    408: "over-temperature",
    409: "bus voltage",
    411: "internal communication",
    412: "sensor",
    416: "over-current",
    420: "residual current device",
    **dict.fromkeys(range(424, 430), "current, arc detection, boost or bus soft start"),
    **dict.fromkeys(range(600, 611), "backup output"),
    **dict.fromkeys(range(700, 706), "backup box"),
    # Older string inverters.
    24: "auto-test",
    25: "no AC connection",
    26: "PV isolation",
    27: "residual current",
    28: "DC component in the output",
    29: "PV over-voltage",
    30: "grid voltage out of range",
    31: "grid frequency out of range",
    32: "over-temperature",
}
WARNINGS: Mapping[int, str] = {
    200: "PV string",
    201: "PV connector",
    202: "DC surge arrester",
    203: "PV short circuit",
    204: "dry contact",
    205: "boost driver",
    206: "AC surge arrester",
    207: "USB",
    208: "DC fuse",
    209: "DC over-voltage",
    210: "wiring",
    217: "battery management does not answer",
    219: "PID",
    220: "PV string open",
    221: "PV strings unbalanced",
    300: "no grid",
    301: "grid voltage out of range",
    302: "grid frequency out of range",
    303: "overload off grid",
    400: "fan",
    401: "meter does not answer",
    406: "boost",
    407: "over-temperature",
    408: "temperature sensor",
    409: "signals",
    411: "signals",
    **dict.fromkeys(range(600, 610), "backup output"),
}
BMS_LOST = 217
METER_LOST = 401

SPH_DERATING: Mapping[int, str] = {
    1: "PV",
    3: "grid voltage",
    4: "grid frequency",
    5: "boost temperature",
    6: "inverter temperature",
    7: "control",
    9: "feed-in",
}
TL_XH_DERATING: Mapping[int, str] = {
    1: "bus voltage",
    3: "grid voltage",
    4: "over-frequency",
    6: "module temperature",
    7: "limit of the user",
    8: "load speed",
    10: "temperature",
    11: "temperature",
    13: "export limit of several inverters",
    14: "export limit",
    15: "load first",
    16: "clamp is wrong",
    18: "boost temperature",
    19: "zero power",
    20: "under-frequency",
}
DERATING: Mapping[str, Mapping[int, str]] = {"sph": SPH_DERATING, "spa": SPH_DERATING, "tl_xh": TL_XH_DERATING}


def fault_text(number: int) -> str:
    """What a fault's main code means.

    >>> fault_text(302)
    'fault 302: no grid'
    """
    if 1 <= number <= 23:
        return f"fault {number}: error {99 + number}"
    return f"fault {number}: {FAULTS.get(number, 'not in the reference')}"


def warning_text(number: int) -> str:
    """What a warning's main code means."""
    return f"warning {number}: {WARNINGS.get(number, 'not in the reference')}"


def derating_text(family: str, number: int) -> str:
    """Why the inverter gives less than it could; empty if it does not."""
    return "" if number == 0 else DERATING.get(family, {}).get(number, f"reason {number}")
