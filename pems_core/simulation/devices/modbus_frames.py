"""Frames of Modbus TCP and RTU as a simulated device reads and writes them."""

import struct
from asyncio import StreamReader
from dataclasses import dataclass
from typing import Protocol

WRITE_MANY = 16
OTHERS_RTU_LENGTH = 8
"""Bytes of a request of function 3, 4 or 6 with its CRC."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A request or an answer without what its framing adds."""

    unit: int
    body: bytes
    """Function code and data."""
    transaction: int = 0
    """Only Modbus TCP carries one."""


class Framing(Protocol):
    """How frames look on the wire."""

    async def receive(self, reader: StreamReader) -> Frame | None:
        """The next frame, or None for bytes that are none.

        :raises asyncio.IncompleteReadError: at the end.
        """

    def wrap(self, frame: Frame) -> bytes: ...

    def damage(self, wire: bytes) -> bytes:
        """The same so that a client cannot take it for a valid answer."""


class TcpFraming:
    """Modbus TCP: transaction, protocol 0, length and unit before the body."""

    async def receive(self, reader: StreamReader) -> Frame | None:
        transaction, protocol, length, unit = struct.unpack(">HHHB", await reader.readexactly(7))
        body = await reader.readexactly(max(0, length - 1))
        return Frame(unit, body, transaction) if protocol == 0 and body else None

    def wrap(self, frame: Frame) -> bytes:
        return struct.pack(">HHHB", frame.transaction, 0, len(frame.body) + 1, frame.unit) + frame.body

    def damage(self, wire: bytes) -> bytes:
        return bytes([wire[0] ^ 0x55]) + wire[1:]  # a foreign transaction


class RtuFraming:
    """Modbus RTU: unit before and CRC after the body, and silence between frames."""

    async def receive(self, reader: StreamReader) -> Frame | None:
        head = await reader.readexactly(7)
        rest = head[6] + 2 if head[1] == WRITE_MANY else OTHERS_RTU_LENGTH - len(head)
        wire = head + await reader.readexactly(rest)
        return Frame(wire[0], wire[1:-2]) if crc16(wire[:-2]) == wire[-2:] else None

    def wrap(self, frame: Frame) -> bytes:
        wire = bytes([frame.unit]) + frame.body
        return wire + crc16(wire)

    def damage(self, wire: bytes) -> bytes:
        return wire[:-1] + bytes([wire[-1] ^ 0x55])


def crc16(data: bytes) -> bytes:
    """The checksum of RTU, low byte first.

    >>> crc16(bytes.fromhex("010300000001")).hex()
    '840a'
    """
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc.to_bytes(2, "little")
