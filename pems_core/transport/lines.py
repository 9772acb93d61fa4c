"""What a plugin's transport may speak over. The core makes the lines and keeps them up.

A line says `NotDelivered` when nothing was sent, or when nobody can know whether it arrived. No line repeats a write
or queues one for later: what is wanted by then may be something else.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from pems_core.clock import Clock
from pems_core.domain import NotDelivered

Space = Literal["holding", "input"]
"""The two register spaces; the same address means different things in them."""


@dataclass(frozen=True, slots=True)
class MqttMessage:
    topic: str
    payload: bytes
    retained: bool
    """True for what the broker kept from earlier: its age is unknown."""
    received_at: datetime


class MqttLine(Protocol):
    """The site's broker."""

    @property
    def connected(self) -> bool: ...

    @property
    def connections(self) -> int:
        """How often the line has come up; a change tells that messages may have been missed."""

    async def publish(self, topic: str, payload: str, *, qos: int = 1, retain: bool = False) -> None:
        """Hand a message to the broker.

        :raises NotDelivered: if the line is down or the broker does not confirm (qos 1) in time.
        """

    def messages(self, topic_filter: str, *, qos: int = 0) -> AbstractAsyncContextManager[AsyncIterator[MqttMessage]]:
        """Subscribe, and iterate over what arrives. Survives reconnects; the line subscribes anew each time.

        Entering waits until the broker has confirmed the subscription if the line is up, and not at all otherwise.
        """


class ModbusRefused(NotDelivered):
    """The device answered with an exception: nothing was read or written."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class NoAnswer(NotDelivered):
    """Nobody can know what became of the request; of a write only a fresh read tells."""


class ModbusLine(Protocol):
    """One unit behind Modbus TCP, RTU over TCP or a serial line. One request at a time, spaced as the line was told."""

    async def read(self, space: Space, address: int, count: int) -> tuple[int, ...]:
        """Exactly `count` registers, each 0..65535.

        :raises ModbusRefused: if the device refuses.
        :raises NoAnswer: if there is no answer, or one of the wrong length.
        """

    async def write(self, address: int, values: Sequence[int], *, single: bool = False) -> None:
        """Write holding registers in one request, which is sent once and never repeated.

        :param single: function code 6 for one value; otherwise 16.
        :raises ModbusRefused: if the device refuses.
        :raises NoAnswer: if there is no answer, or its echo is of something else.
        """


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)


class HttpLine(Protocol):
    """One server."""

    async def get(self, path: str, *, timeout_s: float = 5.0) -> HttpAnswer:
        """The answer, whatever its status.

        :param path: from the root, already percent-encoded.
        :raises NotDelivered: if there is none.
        """


class UdpLine(Protocol):
    """Datagrams out to one target, and in on one port."""

    async def send(self, text: str) -> None:
        """Send one datagram; nobody says whether it arrives.

        :raises NotDelivered: if it could not be sent at all.
        """

    def datagrams(self) -> AbstractAsyncContextManager[AsyncIterator[tuple[str, datetime]]]:
        """Iterate over what arrives, with the time of its arrival; bytes that are not UTF-8 become U+FFFD."""


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a setting that nothing but PEMS would put back."""

    was: int
    """Before PEMS first changed it."""
    told: int
    """By PEMS, last."""

    def after(self, earlier: "Change | None") -> "Change":
        """Both as one: what it was before the first, and what was told by the last."""
        return self if earlier is None else Change(earlier.was, self.told)


class WearBook(Protocol):
    """Counts writes to memory that wears out (protocols A.7), over restarts."""

    def limit(self, device: str, per_day: int, most_per_day: int) -> None:
        """Say what a device's memory bears, in place of what is allowed any device.

        :param per_day: writes of one place that its life allows on average; more are told of.
        :param most_per_day: writes of one place after which only releases are let through.
        """

    def spend(self, device: str, memory: Sequence[str], *, releases: bool = False) -> None:
        """Count one write of each, before it is made.

        :param memory: such as `holding/1100`.
        :param releases: the write gives the device back to its own control: counted, and always allowed.
        :raises WornOut: if today's budget of one of them is used up; nothing is counted then.
        """

    def last_done(self, device: str, what: str) -> datetime | None:
        """When something that is done seldom was done last; None if it never was.

        :param what: such as `clock set`.
        """

    def note_done(self, device: str, what: str, at: datetime) -> None:
        """Remember that it was done."""

    def note_changed(self, device: str, setting: str, change: Change) -> None:
        """Remember what a lasting setting was before PEMS changes it; of one that PEMS has changed before, and not put
        back, what it was at first stays.

        :param setting: such as `holding/608`.
        """

    def changed(self, device: str) -> Mapping[str, Change]:
        """Settings that PEMS has changed and not put back, also before a restart."""

    def put_back(self, device: str, setting: str) -> None:
        """Forget a setting that is as it was, or somebody else's by now."""


class Lines(Protocol):
    """Makes lines, and keeps those of one address together."""

    @property
    def clock(self) -> Clock: ...

    @property
    def wear(self) -> WearBook: ...

    @property
    def mqtt(self) -> MqttLine:
        """The broker of [mqtt].

        :raises ConfigError: if the house file names none.
        """

    def modbus(
        self,
        url: str,
        unit: int = 1,
        *,
        spacing_s: float = 1.0,
        timeout_s: float = 3.0,
        hurried_s: float | None = None,
    ) -> ModbusLine:
        """A unit behind `tcp://host:port`, `rtu+tcp://host:port` or `serial:/dev/ttyUSB0?baud=9600`.

        :param spacing_s: least time between two requests [s of the clock].
        :param hurried_s: least time between a request and the first one of a command, inside `commands_first`, if the
            one before was no command's [s of the clock]; default: no less than others.
        :param timeout_s: how long an answer is waited for [s of the wall].
        """

    def http(self, url: str, user: str = "", password: str = "") -> HttpLine:
        """A server such as `http://192.0.2.7:80`, with basic authentication if there is a user."""

    def udp(self, target: str, listen_port: int | None = None) -> UdpLine:
        """Datagrams to `host:port`, and from anybody on `listen_port`."""
