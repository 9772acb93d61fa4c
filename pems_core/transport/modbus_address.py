"""Where a Modbus line goes, as a house file says it."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

ALLOWED = (
    '"tcp://host:port" (Modbus TCP), "rtu+tcp://host:port" (RTU frames over TCP) or '
    '"serial:/dev/ttyUSB0?baud=9600" (also parity=N|E|O and stopbits=1|2)'
)
BAUDS = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)


@dataclass(frozen=True, slots=True)
class TcpAddress:
    host: str
    port: int
    rtu: bool
    """RTU frames, as a transparent gateway passes them on; they carry no transaction number."""


@dataclass(frozen=True, slots=True)
class SerialAddress:
    device: str
    baud: int = 9600
    """RS485 of Growatt: 9600 8N1 (protocols A.1)."""
    parity: str = "N"
    stop_bits: int = 1
    rtu = True


Address = TcpAddress | SerialAddress


def parse_address(url: str) -> Address:
    """The address that a url names.

    :raises ValueError: if it names none; the message says what is allowed.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme in ("tcp", "rtu+tcp"):
            return _tcp(parts.hostname, parts.port, parts.path + parts.query, rtu=parts.scheme == "rtu+tcp")
        if parts.scheme == "serial" and parts.path.startswith("/") and not parts.netloc:
            return _serial(parts.path, dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)))
    except ValueError as error:
        raise ValueError(f"found {url!r} ({error}); allowed: {ALLOWED}") from None
    raise ValueError(f"found {url!r}; allowed: {ALLOWED}")


def _tcp(host: str | None, port: int | None, rest: str, *, rtu: bool) -> TcpAddress:
    if not host or not port or rest:
        raise ValueError("host and port, and nothing else")
    return TcpAddress(host, port, rtu)


def _serial(device: str, options: dict[str, str]) -> SerialAddress:
    unknown = options.keys() - {"baud", "parity", "stopbits"}
    if unknown:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    address = SerialAddress(
        device, int(options.get("baud", "9600")), options.get("parity", "N"), int(options.get("stopbits", "1"))
    )
    if address.baud not in BAUDS:
        raise ValueError(f"baud is one of {', '.join(map(str, BAUDS))}")
    if address.parity not in ("N", "E", "O") or address.stop_bits not in (1, 2):
        raise ValueError("parity is N, E or O, and stopbits is 1 or 2")
    return address
