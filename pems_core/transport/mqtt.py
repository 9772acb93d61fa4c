"""The site's broker: one connection that is kept up, many who publish and listen over it."""

import asyncio
import logging
import random
import re
import secrets
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from urllib.parse import urlsplit

import aiomqtt
from paho.mqtt.reasoncodes import ReasonCode

from pems_core.clock import Clock
from pems_core.config.live import MqttSection
from pems_core.domain import Alert, ConfigError, NotDelivered, Severity

from .lines import MqttMessage
from .mailbox import Mailbox
from .topics import filter_fault, matches, topic_fault

PLACE = "mqtt"
DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}
KEEPALIVE_S = 15
MOST_PAYLOAD_BYTES = 1 << 20
MOST_WAITING_MESSAGES = 1000
"""For one consumer; the client's own buffer before it holds ten times as many."""
SHORT_LIFE_S = 30.0
"""A connection that the broker accepted and that ended sooner [s of the wall] was not lost by chance..."""
SHORT_LIVES = 3
"""...if that happens so often in a row."""
DROPPED_IS_TOLD_FOR = timedelta(minutes=10)
REFUSED = 128
"""Return code of a subscription that the broker does not grant (MQTT 3.1.1, 3.9.3)."""

# What goes wrong is told as alerts and as NotDelivered; the library's own words would come on top.
_SILENT = logging.getLogger(f"{__name__}.client")
_SILENT.setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True, slots=True)
class LastWords:
    """What is retained on a topic when PEMS is gone."""

    topic: str
    payload: str


@dataclass(eq=False)
class _Subscriber:
    topic_filter: str
    qos: int
    mailbox: Mailbox[MqttMessage] = field(default_factory=lambda: Mailbox(MOST_WAITING_MESSAGES))


@dataclass
class _Dropped:
    """Messages that a filter's consumers never saw."""

    count: int
    since: datetime
    last: datetime


class _Session(aiomqtt.Client):
    """One connection, from CONNECT to its end. A new one is made each time: what was unsent dies with the old."""

    def abort(self) -> None:
        """Cut the connection now, so that nothing that waits in it can go out later."""
        sock = self._client.socket()
        if isinstance(sock, socket.socket):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def limit_connecting(self, seconds: float) -> None:
        """How long the thread that opens the socket may take; it cannot be stopped from outside."""
        self._client.connect_timeout = seconds


class MqttConnection:
    """The line to one broker. Somebody awaits `run`; until then, and between two connections, the line is down."""

    def __init__(
        self,
        section: MqttSection,
        clock: Clock,
        name: str,
        *,
        will: LastWords | None = None,
        farewell: LastWords | None = None,
        timeout_s: float = 5.0,
        backoff_s: tuple[float, float] = (1.0, 30.0),
    ) -> None:
        """
        :param name: how the broker sees this client; a random suffix makes it unique.
        :param will: what the broker publishes if PEMS vanishes.
        :param farewell: what PEMS publishes when it leaves in good order.
        :param timeout_s: how long the broker may take to confirm anything [s of the wall].
        :param backoff_s: least and greatest time between two attempts to connect [s of the wall].
        :raises ConfigError: if the address or a certificate cannot be used.
        """
        self._section = section
        self._clock = clock
        self._name = name
        self._will = will
        self._farewell = farewell
        self._timeout_s = timeout_s
        self._backoff_s = backoff_s
        self._host, self._port = _address(section.url)
        self._tls = _tls_context(section)
        self._client_id = _unique(name)
        self._subscribers: list[_Subscriber] = []
        self._session: _Session | None = None
        self._lost: asyncio.Future[None] | None = None
        self._connections = 0
        self._came_up = 0.0
        self._failures = 0
        self._short_lives = 0
        self._short_lives_since = clock.now()
        self._down_since = clock.now()
        self._down_because = ""
        self._dropped: dict[str, _Dropped] = {}
        self._refused: dict[str, datetime] = {}

    @property
    def client_id(self) -> str:
        return self._client_id

    @property
    def connected(self) -> bool:
        return self._session is not None

    @property
    def connections(self) -> int:
        """See `MqttLine`."""
        return self._connections

    async def publish(self, topic: str, payload: str, *, qos: int = 1, retain: bool = False) -> None:
        """See `MqttLine`. A broker that does not confirm in time is cut off: what waits for it must not go out later.

        :raises NotDelivered: at once if the line is down; else within the time that the broker has.
        """
        if fault := topic_fault(topic):
            raise NotDelivered(f"nothing is published to {topic!r}: {fault}")
        session, lost = self._session, self._lost
        if session is None or lost is None:
            raise NotDelivered(f"{topic}: there is no connection to the broker {self._where}")
        # Time is limited here, with an eye on the connection: the library would wait on for one that is lost.
        sending = asyncio.ensure_future(session.publish(topic, payload, qos, retain, timeout=float("inf")))
        try:
            await asyncio.wait({sending, lost}, timeout=self._timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                session.abort()
                why = "the connection was lost" if lost.done() else f"no confirmation within {self._timeout_s:g} s"
                raise NotDelivered(f"{topic}: {why}, broker {self._where}")
            sending.result()
        except (aiomqtt.MqttError, ValueError) as error:
            raise NotDelivered(f"{topic}: {error}") from error
        finally:
            sending.cancel()

    def messages(self, topic_filter: str, *, qos: int = 0) -> AbstractAsyncContextManager[AsyncIterator[MqttMessage]]:
        """See `MqttLine`. A consumer that is too slow loses the oldest messages, and an alert counts them.

        What the broker kept comes again to all consumers of a topic whenever one more begins to listen to it; it is
        marked as retained each time.

        :raises ValueError: if it is no filter.
        """
        if fault := filter_fault(topic_filter):
            raise ValueError(f"{topic_filter!r} is no topic filter: {fault}")
        return self._listening(_Subscriber(topic_filter, qos))

    async def run(self) -> None:
        """Keep the connection up until cancelled; then say farewell and disconnect."""
        while True:
            try:
                await self._one_connection()
            except Exception as error:  # noqa: BLE001 (told as an alert; whatever the library met, the line comes back)
                self._note_end(error)
            await asyncio.sleep(self._delay_s())

    @property
    def alerts(self) -> Sequence[Alert]:
        """What is wrong now."""
        return [*self._connection_alerts(), *self._listening_alerts()]

    # The connection

    async def _one_connection(self) -> None:
        """From CONNECT to the end.

        :raises MqttError: how it ended, or why it did not begin.
        """
        async with _open(self._new_session()) as session:
            try:
                await self._subscribe_all(session)
                self._begin(session)
                async for message in session.messages:
                    self._deliver(message)
            except asyncio.CancelledError:
                await self._say_farewell(session)
                raise
            finally:
                self._end()

    def _new_session(self) -> _Session:
        words = self._will
        will = aiomqtt.Will(words.topic, words.payload, qos=1, retain=True) if words is not None else None
        session = _Session(
            self._host,
            self._port,
            identifier=self._client_id,
            username=self._section.user or None,
            password=self._section.password.get_secret_value() if self._section.password else None,
            will=will,
            tls_context=self._tls,
            timeout=self._timeout_s,
            keepalive=KEEPALIVE_S,
            clean_session=True,
            max_queued_incoming_messages=10 * MOST_WAITING_MESSAGES,
            # Commands are small and must not wait for each other's acknowledgement in the kernel.
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            logger=_SILENT,
        )
        session.limit_connecting(self._timeout_s)
        return session

    def _begin(self, session: _Session) -> None:
        self._lost = asyncio.get_running_loop().create_future()
        self._session = session
        self._connections += 1
        self._came_up = monotonic()
        self._down_because = ""

    def _end(self) -> None:
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(None)
        if self._session is not None:
            self._session = None
            self._down_since = self._clock.now()
            self._judge_life(monotonic() - self._came_up)

    def _note_end(self, error: Exception) -> None:
        self._down_because = str(error) or type(error).__name__
        self._failures += 1

    def _judge_life(self, seconds: float) -> None:
        """A broker that lets us in and soon cuts us off, again and again, may do so for another client's sake.

        Two with one id evict each other for ever (trap 68), so after some rounds this one takes a new id. Until then
        it keeps its id, because by that the broker ends what is left of the old connection, its will included.
        """
        if seconds >= SHORT_LIFE_S:
            self._short_lives = self._failures = 0
            return
        if self._short_lives == 0:
            self._short_lives_since = self._clock.now()
        self._short_lives += 1
        if self._short_lives % SHORT_LIVES == 0:
            self._client_id = _unique(self._name)

    def _delay_s(self) -> float:
        """Doubles with each failure; jitter keeps many clients from coming back at the same instant."""
        least, greatest = self._backoff_s
        delay = min(greatest, least * 2.0 ** min(self._failures - 1, 20))
        return delay * random.uniform(0.5, 1.0)  # noqa: S311 (no secret)

    async def _say_farewell(self, session: _Session) -> None:
        if self._farewell is None or self._session is None:
            return
        # One who cannot say it leaves without: then the broker publishes the will.
        with suppress(aiomqtt.MqttError):
            await session.publish(self._farewell.topic, self._farewell.payload, qos=1, retain=True)

    @property
    def _where(self) -> str:
        return f"{self._host}:{self._port}"

    # Those who listen

    @asynccontextmanager
    async def _listening(self, subscriber: _Subscriber) -> AsyncIterator[AsyncIterator[MqttMessage]]:
        self._subscribers.append(subscriber)
        try:
            if self._session is not None:
                await self._subscribe_late(self._session, subscriber)
            yield subscriber.mailbox
        finally:
            self._subscribers.remove(subscriber)
            await self._unsubscribe(subscriber.topic_filter)

    async def _subscribe_late(self, session: _Session, subscriber: _Subscriber) -> None:
        """Subscribe on a connection that is up, even to what is heard already: so the broker repeats what it kept."""
        try:
            await self._subscribe(session, [subscriber.topic_filter])
        except aiomqtt.MqttError:
            # A broker that does not answer is as good as gone; the next connection subscribes to everything.
            session.abort()

    async def _subscribe_all(self, session: _Session) -> None:
        self._refused.clear()
        done: set[str] = set()
        # Somebody may begin to listen while the broker answers.
        while missing := {s.topic_filter for s in self._subscribers} - done:
            await self._subscribe(session, sorted(missing))
            done |= missing

    async def _subscribe(self, session: _Session, filters: Sequence[str]) -> None:
        wanted = [(f, max((s.qos for s in self._subscribers if s.topic_filter == f), default=0)) for f in filters]
        codes = [int(c.value) if isinstance(c, ReasonCode) else c for c in await session.subscribe(wanted)]
        for topic_filter, code in zip(filters, codes, strict=False):
            if code >= REFUSED:
                self._refused.setdefault(topic_filter, self._clock.now())

    async def _unsubscribe(self, topic_filter: str) -> None:
        if any(s.topic_filter == topic_filter for s in self._subscribers):
            return
        self._dropped.pop(topic_filter, None)
        self._refused.pop(topic_filter, None)
        if self._session is not None:
            # If it fails, messages come for which nobody listens: they find no subscriber.
            with suppress(aiomqtt.MqttError):
                await self._session.unsubscribe(topic_filter)

    def _deliver(self, message: aiomqtt.Message) -> None:
        topic = message.topic.value
        if len(message.payload) > MOST_PAYLOAD_BYTES:
            self._count_dropped(topic)
            return
        heard = MqttMessage(topic, bytes(message.payload), message.retain, self._clock.now())
        for subscriber in self._subscribers:
            if matches(subscriber.topic_filter, topic) and not subscriber.mailbox.put(heard):
                self._count_dropped(subscriber.topic_filter)

    def _count_dropped(self, where: str) -> None:
        now = self._clock.now()
        known = self._dropped.get(where)
        if known is None or now - known.last > DROPPED_IS_TOLD_FOR:
            known = self._dropped[where] = _Dropped(0, now, now)
        known.count += 1
        known.last = now

    # What is wrong

    def _connection_alerts(self) -> Sequence[Alert]:
        alerts = []
        if self._down_because:
            text = f"no connection to the broker {self._where}: {self._down_because}"
            alerts.append(Alert(Severity.CRITICAL, PLACE, text, self._down_since))
        steady = self.connected and monotonic() - self._came_up >= SHORT_LIFE_S
        if self._short_lives >= SHORT_LIVES and not steady:
            text = (
                f"the broker {self._where} let this client in and cut it off {self._short_lives} times, each within "
                f"{SHORT_LIFE_S:g} s: another client may use the same id, so the id was changed to {self._client_id}"
            )
            alerts.append(Alert(Severity.WARNING, PLACE, text, self._short_lives_since))
        return alerts

    def _listening_alerts(self) -> Sequence[Alert]:
        now = self._clock.now()
        dropped = [
            Alert(Severity.WARNING, PLACE, f"{d.count} messages of {where} were too many or too large", d.since)
            for where, d in self._dropped.items()
            if now - d.last <= DROPPED_IS_TOLD_FOR
        ]
        refused = [
            Alert(Severity.CRITICAL, PLACE, f"the broker {self._where} does not let PEMS hear {f}", since)
            for f, since in self._refused.items()
        ]
        return [*dropped, *refused]


@asynccontextmanager
async def _open(session: _Session) -> AsyncIterator[_Session]:
    """The session from its CONNECT to its end.

    :raises MqttError: if the broker cannot be reached or does not let us in.
    """
    connecting = asyncio.ensure_future(session.__aenter__())
    try:
        await asyncio.shield(connecting)
    except BaseException:
        # When cancelled: the thread that opens the socket cannot be stopped, so wait for it. When it failed: the
        # library leaves a connection open to which the broker has not answered in time.
        with suppress(aiomqtt.MqttError, OSError, UnicodeError):
            await connecting
            await session.__aexit__(None, None, None)
        session.abort()
        raise
    try:
        yield session
    finally:
        # After an error the library takes the connection for closed, which it need not be.
        with suppress(aiomqtt.MqttError):
            await session.__aexit__(None, None, None)
        session.abort()


def _unique(name: str) -> str:
    # Brokers must take letters and digits only (MQTT 3.1.1, 3.1.3.1).
    return f"{re.sub('[^A-Za-z0-9_-]', '-', name)}-{secrets.token_hex(6)}"


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError as error:
        raise ConfigError([f"mqtt.url: found {url!r}; {error}"]) from None
    return parts.hostname or "", port or DEFAULT_PORTS[parts.scheme]


def _tls_context(section: MqttSection) -> ssl.SSLContext | None:
    """What mqtts:// needs; None for mqtt://.

    :raises ConfigError: if a certificate cannot be used, or one is named and would not be.
    """
    if urlsplit(section.url).scheme != "mqtts":
        if section.ca_file or section.client_certificate_file:
            raise ConfigError([f"mqtt.url: found {section.url!r} with certificates; allowed with them: mqtts://"])
        return None
    try:
        context = ssl.create_default_context(cafile=section.ca_file or None)
    except OSError as error:
        raise ConfigError([f"mqtt.ca_file: {section.ca_file!r} cannot be used: {error}"]) from None
    if section.client_certificate_file:
        try:
            context.load_cert_chain(section.client_certificate_file, section.client_key_file)
        except OSError as error:
            found = f"{section.client_certificate_file!r} with {section.client_key_file!r}"
            raise ConfigError([f"mqtt.client_certificate_file: {found} cannot be used: {error}"]) from None
    return context
