"""The line to the broker, against a real Mosquitto."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import monotonic

import aiomqtt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub
from pydantic import SecretStr

from pems_core.clock import SystemClock
from pems_core.config.live import MqttSection
from pems_core.domain import ConfigError, NotDelivered
from pems_core.transport import mqtt
from pems_core.transport.mqtt import LastWords, MqttConnection
from pems_core.transport.topics import filter_fault, matches, topic_fault
from tests.brokers import Mosquitto, program

from .lines_under_test import kept_up, line_to, soon, until, up

STATUS = "pems/home/status"
"""For mosquitto.conf: a broker that is started by root would otherwise not read the files of these tests."""


@asynccontextmanager
async def another_client(broker: Mosquitto, topic_filter: str = "") -> AsyncIterator[aiomqtt.Client]:
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        if topic_filter:
            await client.subscribe(topic_filter)
        yield client


async def next_of(client: aiomqtt.Client) -> aiomqtt.Message:
    return await soon(aiter(client.messages))


async def test_hears_what_another_client_says(mosquitto: Mosquitto) -> None:
    async with up(line_to(mosquitto.url)) as line, another_client(mosquitto) as inverter:
        async with line.messages("energy/#") as heard:
            await inverter.publish("energy/solar", b'{"SOC": 87}')
            message = await soon(heard)
        assert (message.topic, message.payload, message.retained) == ("energy/solar", b'{"SOC": 87}', False)


@pytest.mark.trap("57")
async def test_what_the_broker_kept_is_marked_as_old(mosquitto: Mosquitto) -> None:
    """The broker hands out telemetry of six hours ago on subscribing; the line says that its age is unknown."""
    async with up(line_to(mosquitto.url)) as line, another_client(mosquitto) as inverter:
        await inverter.publish("energy/solar", b"old", qos=1, retain=True)
        async with line.messages("energy/solar") as heard:
            old = await soon(heard)
            await inverter.publish("energy/solar", b"new", qos=1, retain=True)
            new = await soon(heard)
    assert [(m.payload, m.retained) for m in (old, new)] == [(b"old", True), (b"new", False)]


async def test_each_consumer_gets_what_the_broker_kept(mosquitto: Mosquitto) -> None:
    async with up(line_to(mosquitto.url)) as line:
        await line.publish(STATUS, "on", retain=True)
        async with line.messages(STATUS) as first:
            assert (await soon(first)).payload == b"on"
            async with line.messages(STATUS) as second:
                assert (await soon(second)).payload == b"on"


async def test_a_consumer_that_leaves_takes_nothing_from_the_others(mosquitto: Mosquitto) -> None:
    async with up(line_to(mosquitto.url)) as line, line.messages("energy/+") as stays:
        async with line.messages("energy/+"):
            pass
        await line.publish("energy/solar", "7")
        assert (await soon(stays)).payload == b"7"


async def test_publishing_fails_at_once_while_the_line_is_down(mosquitto: Mosquitto) -> None:
    line = line_to(mosquitto.url)
    began = monotonic()
    with pytest.raises(NotDelivered, match="no connection to the broker 127"):
        await line.publish("energy/solar/command/mode", "{}")
    assert monotonic() - began < 1


async def test_a_broker_that_stands_still_is_given_up_in_time(mosquitto: Mosquitto) -> None:
    async with up(line_to(mosquitto.url, timeout_s=0.5)) as line:
        assert mosquitto._process is not None
        mosquitto._process.send_signal(signal.SIGSTOP)
        try:
            began = monotonic()
            with pytest.raises(NotDelivered, match="no confirmation within"):
                await line.publish("energy/solar/command/mode", "{}")
            assert monotonic() - began < 5
            await until(lambda: not line.connected, "the line is down")
        finally:
            mosquitto._process.send_signal(signal.SIGCONT)
        await until(lambda: line.connections == 2, "the line is up again")


async def test_what_waits_for_a_lost_connection_fails_with_it(mosquitto: Mosquitto) -> None:
    async with up(line_to(mosquitto.url, timeout_s=60)) as line:
        assert mosquitto._process is not None
        mosquitto._process.send_signal(signal.SIGSTOP)
        publishing = asyncio.create_task(line.publish("energy/solar/command/mode", "{}"))
        await asyncio.sleep(0.1)
        mosquitto._process.kill()
        mosquitto._process.wait()
        with pytest.raises(NotDelivered, match="lost"):
            await asyncio.wait_for(publishing, 20)


async def test_hears_on_after_the_broker_was_killed_and_came_back(mosquitto: Mosquitto) -> None:
    async with up(line_to(mosquitto.url)) as line, line.messages("energy/solar") as heard:
        assert mosquitto._process is not None
        mosquitto._process.kill()
        await until(lambda: not line.connected, "the loss is noticed")
        await until(lambda: bool(line.alerts), "the loss is told")
        mosquitto.stop()
        mosquitto.start()
        await until(lambda: line.connected, "the line is up again")
        assert line.connections == 2
        await line.publish("energy/solar", "after")
        assert (await soon(heard)).payload == b"after"
        assert line.alerts == []


async def test_listening_begins_before_the_broker_is_there(mosquitto: Mosquitto) -> None:
    mosquitto.stop()
    async with kept_up(line_to(mosquitto.url)) as line, line.messages("energy/solar") as heard:
        await until(lambda: "refused" in " ".join(a.text for a in line.alerts), "the broker's absence is told")
        mosquitto.start()
        await until(lambda: line.connected, "the line is up")
        await line.publish("energy/solar", "first")
        assert (await soon(heard)).payload == b"first"


@pytest.mark.trap("69")
async def test_forty_commands_while_the_broker_is_down_are_never_sent(mosquitto: Mosquitto) -> None:
    """The broker is away while forty commands are wanted: each fails at once, and none comes after the reconnect."""
    async with up(line_to(mosquitto.url)) as line:
        mosquitto.stop()
        await until(lambda: not line.connected, "the loss is noticed")
        for rate in range(40):
            with pytest.raises(NotDelivered):
                await line.publish("energy/solar/command/powerrate", str(rate))
        mosquitto.start()
        async with another_client(mosquitto, "energy/#") as inverter:
            await until(lambda: line.connected, "the line is up again")
            await line.publish("energy/solar/command/powerrate", "newest")
            assert (await next_of(inverter)).payload == b"newest"


@pytest.mark.trap("68")
async def test_another_client_with_our_id_is_noticed_and_left_alone_with_it(mosquitto: Mosquitto) -> None:
    """Another client uses our id, and the broker cuts each off for the other: told, and ended by a new id."""
    async with up(line_to(mosquitto.url)) as line:
        clashing = line.client_id

        async def twin() -> None:
            while True:
                try:
                    async with aiomqtt.Client("127.0.0.1", mosquitto.port, identifier=clashing) as client:
                        async for _ in client.messages:
                            pass
                except aiomqtt.MqttError:
                    await asyncio.sleep(0.02)

        evicting = asyncio.create_task(twin())
        try:
            await until(lambda: line.client_id != clashing and line.connected, "the id is given up")
            assert any("same id" in alert.text for alert in line.alerts)
            settled = line.connections
            await line.publish(STATUS, "on")
            await asyncio.sleep(0.5)
            assert (line.connections, line.connected) == (settled, True)
        finally:
            evicting.cancel()
            await asyncio.wait([evicting])


async def test_a_clash_is_forgotten_when_the_line_holds(mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    async with up(line_to(mosquitto.url)) as line:
        for _ in range(mqtt.SHORT_LIVES):
            assert line._session is not None
            came_up = line.connections
            line._session.abort()
            await until(lambda n=came_up: line.connected and line.connections > n, "the line is up again")  # type: ignore[misc]
        assert any("same id" in alert.text for alert in line.alerts)
        monkeypatch.setattr(mqtt, "SHORT_LIFE_S", 0.0)
        assert line.alerts == []


def test_two_lines_never_have_one_id() -> None:
    assert line_to("mqtt://localhost").client_id != line_to("mqtt://localhost").client_id


def test_any_broker_takes_the_id_of_any_house() -> None:
    line = MqttConnection(MqttSection(url="mqtt://localhost"), SystemClock(), "pems-Chalupa Šumava/1")
    assert re.fullmatch("pems-Chalupa--umava-1-[0-9a-f]{12}", line.client_id)


async def test_the_broker_publishes_the_will_of_a_killed_pems(mosquitto: Mosquitto) -> None:
    program_text = f"""
import asyncio
from tests.transport.lines_under_test import line_to, up
from pems_core.transport.mqtt import LastWords

async def main():
    async with up(line_to("{mosquitto.url}", will=LastWords("{STATUS}", "offline"))) as line:
        await line.publish("{STATUS}", "online", retain=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""
    async with another_client(mosquitto, STATUS) as watcher:
        pems = await asyncio.create_subprocess_exec(sys.executable, "-c", program_text, cwd=Path(__file__).parents[2])
        try:
            assert (await next_of(watcher)).payload == b"online"
        finally:
            pems.send_signal(signal.SIGKILL)
            await pems.wait()
        assert (await next_of(watcher)).payload == b"offline"


async def test_says_farewell_in_good_order(mosquitto: Mosquitto) -> None:
    will, farewell = LastWords(STATUS, "vanished"), LastWords(STATUS, "offline")
    async with another_client(mosquitto, STATUS) as watcher:
        async with up(line_to(mosquitto.url, will=will, farewell=farewell)) as line:
            await line.publish(STATUS, "online", retain=True)
        await watcher.publish(STATUS, "end")
        said = [(await next_of(watcher)).payload for _ in range(3)]
    assert said == [b"online", b"offline", b"end"]


async def test_leaves_in_bounded_time_while_the_broker_is_away(mosquitto: Mosquitto) -> None:
    mosquitto.stop()
    began = monotonic()
    async with kept_up(line_to(mosquitto.url, farewell=LastWords(STATUS, "offline"))):
        await asyncio.sleep(0.05)
    assert monotonic() - began < 10


@asynccontextmanager
async def silent_broker() -> AsyncIterator[tuple[str, list[bool]]]:
    """Takes connections and never answers: its address, and for each connection whether it has ended."""
    ended: list[bool] = []

    async def listens(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(ended)
        ended.append(False)
        while await reader.read(1024):
            pass
        ended[number] = True
        writer.close()

    listening = await asyncio.start_server(listens, "127.0.0.1", 0)
    async with listening:
        yield f"mqtt://127.0.0.1:{listening.sockets[0].getsockname()[1]}", ended


async def test_a_broker_that_does_not_answer_is_asked_on_one_connection_at_a_time() -> None:
    async with silent_broker() as (url, ended), kept_up(line_to(url, timeout_s=0.1)) as line:
        await until(lambda: len(ended) >= 3, "it is asked again")
        assert all(ended[:-1])
        assert line.alerts[0].text.startswith("no connection to the broker")


LET_IN = b"\x20\x02\x00\x00"
"""CONNACK: accepted."""


@pytest.mark.parametrize(
    "nonsense",
    [
        pytest.param(b"\x30\x04\x00\x01\xffx", id="a topic that is not UTF-8"),
        pytest.param(b"\x30\x04\x00\x01#x", id="a topic with a wildcard"),
        pytest.param(b"\x30\x03\x00\xffx", id="a topic longer than its message"),
        pytest.param(b"\xff" * 50, id="no packet at all"),
    ],
)
async def test_a_broker_that_talks_nonsense_is_left_and_asked_again(nonsense: bytes) -> None:
    ended = 0

    async def talks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal ended
        await reader.read(1024)
        writer.write(LET_IN)
        await asyncio.sleep(0.05)
        writer.write(nonsense)
        with suppress(ConnectionResetError):
            while await reader.read(1024):
                pass
        ended += 1
        writer.close()

    listening = await asyncio.start_server(talks, "127.0.0.1", 0)
    url = f"mqtt://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with listening, kept_up(line_to(url, timeout_s=0.5)) as line:
        await until(lambda: line.connections >= 2 and ended > 0, "it is left and asked again")


async def test_leaves_no_connection_behind_when_it_ends_while_connecting() -> None:
    async with silent_broker() as (url, ended):
        async with kept_up(line_to(url, timeout_s=0.2)):
            await until(lambda: bool(ended), "it connects")
        await until(lambda: all(ended), "the connection has ended")


async def test_a_slow_consumer_loses_the_oldest_and_the_loss_is_told(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "MOST_WAITING_MESSAGES", 10)
    async with up(line_to(mosquitto.url)) as line, line.messages("energy/solar") as slow, line.messages("end") as end:
        for number in range(25):
            await line.publish("energy/solar", str(number))
        await line.publish("end", "")
        await soon(end)
        kept = [int((await soon(slow)).payload) for _ in range(10)]
        assert kept == list(range(15, 25))
        assert [alert.text for alert in line.alerts] == ["15 messages of energy/solar were too many or too large"]


async def test_a_giant_is_dropped_and_told(mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "MOST_PAYLOAD_BYTES", 100)
    async with up(line_to(mosquitto.url)) as line, line.messages("energy/#") as heard:
        await line.publish("energy/solar", "x" * 101)
        await line.publish("energy/solar", "x" * 100)
        assert len((await soon(heard)).payload) == 100
        assert [alert.text for alert in line.alerts] == ["1 messages of energy/solar were too many or too large"]


@pytest.mark.trap("65")
async def test_a_message_that_comes_twice_is_heard_twice(mosquitto: Mosquitto) -> None:
    """Telemetry comes twice: the line takes nothing for a duplicate, since the same value may be measured again."""
    async with up(line_to(mosquitto.url)) as line, line.messages("energy/solar", qos=1) as heard:
        for _ in range(2):
            await line.publish("energy/solar", "same")
        assert [(await soon(heard)).payload for _ in range(2)] == [b"same", b"same"]


@pytest.fixture
def choosy(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that refuses subscriptions to secret/#."""
    allowed = {"publishClientSend": True, "publishClientReceive": True, "subscribe": True, "unsubscribe": True}
    role = {"rolename": "r", "acls": [{"acltype": "subscribeLiteral", "topic": "secret/#", "allow": False}]}
    group = {"groupname": "g", "roles": [{"rolename": "r"}]}
    rules = {"defaultACLAccess": allowed, "roles": [role], "groups": [group], "anonymousGroup": "g"}
    (tmp_path / "rules.json").write_text(json.dumps(rules))
    plugin = next(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"))
    options = (f"plugin {plugin}", f"plugin_opt_config_file {tmp_path / 'rules.json'}")
    broker = Mosquitto(tmp_path, "listener {port} 127.0.0.1", "allow_anonymous true", *options).start()
    yield broker
    broker.stop()


async def test_what_the_broker_does_not_let_us_hear_is_told(choosy: Mosquitto) -> None:
    async with up(line_to(choosy.url)) as line:
        async with line.messages("secret/#"), line.messages("energy/#"):
            assert [alert.text for alert in line.alerts] == [
                f"the broker 127.0.0.1:{choosy.port} does not let PEMS hear secret/#"
            ]
        assert line.alerts == []


class TestPassword:
    @pytest.fixture
    def locked(self, tmp_path: Path) -> Iterator[Mosquitto]:
        passwords = tmp_path / "passwords"
        subprocess.run([program("mosquitto_passwd"), "-b", "-c", passwords, "pems", "right"], check=True)
        passwords.chmod(0o600)
        lines = ("listener {port} 127.0.0.1", "allow_anonymous false", f"password_file {passwords}")
        broker = Mosquitto(tmp_path, *lines).start()
        yield broker
        broker.stop()

    @staticmethod
    def line(broker: Mosquitto, password: str) -> MqttConnection:
        # Built without validation, which would want the secret from the environment.
        known = MqttSection(url=broker.url, user="pems")
        return line_to(broker.url, known.model_copy(update={"password": SecretStr(password)}))

    async def test_the_right_one_opens(self, locked: Mosquitto) -> None:
        async with up(self.line(locked, "right")) as line:
            await line.publish(STATUS, "on")

    async def test_a_wrong_one_is_told_without_repeating_it(self, locked: Mosquitto) -> None:
        async with kept_up(self.line(locked, "wrong!")) as line:
            await until(lambda: bool(line.alerts), "the refusal is told")
            text = line.alerts[0].text
            assert "uthori" in text
            assert "wrong!" not in text
            assert not line.connected


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority `ca`, a server and a client signed by it, and a `stranger` that signed nothing."""
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*words: str) -> None:
        subprocess.run([program("openssl"), *words], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    for authority in ("ca", "stranger"):
        openssl(
            "req", "-x509", *key, "-keyout", f"{authority}.key", "-out", f"{authority}.pem", "-subj", f"/CN={authority}"
        )
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for one in ("server", "client"):
        openssl("req", *key[:-2], "-keyout", f"{one}.key", "-out", f"{one}.csr", "-subj", f"/CN={one}")
        signed = ("-in", f"{one}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names")
        openssl("x509", "-req", *signed, "-days", "2", "-out", f"{one}.pem")
    for file in folder.iterdir():
        file.chmod(0o644)
    return folder


class TestTls:
    @pytest.fixture
    def encrypted(self, tmp_path: Path, certificates: Path) -> Iterator[Mosquitto]:
        broker = Mosquitto(
            tmp_path,
            "listener {port} 127.0.0.1",
            "allow_anonymous true",
            f"cafile {certificates / 'ca.pem'}",
            f"certfile {certificates / 'server.pem'}",
            f"keyfile {certificates / 'server.key'}",
            "require_certificate true",
        ).start()
        yield broker
        broker.stop()

    @staticmethod
    def section(broker: Mosquitto, folder: Path, authority: str, client: str = "") -> MqttSection:
        return MqttSection(
            url=f"mqtts://127.0.0.1:{broker.port}",
            ca_file=str(folder / f"{authority}.pem"),
            client_certificate_file=str(folder / f"{client}.pem") if client else "",
            client_key_file=str(folder / f"{client}.key") if client else "",
        )

    async def test_speaks_encrypted_with_a_certificate_of_its_own(
        self, encrypted: Mosquitto, certificates: Path
    ) -> None:
        section = self.section(encrypted, certificates, "ca", "client")
        async with up(line_to("", section)) as line, line.messages("energy/#") as heard:
            await line.publish("energy/solar", "x" * 200_000)
            assert len((await soon(heard)).payload) == 200_000

    async def test_a_broker_of_another_authority_is_not_believed(
        self, encrypted: Mosquitto, certificates: Path
    ) -> None:
        async with kept_up(line_to("", self.section(encrypted, certificates, "stranger", "client"))) as line:
            await until(lambda: "CERTIFICATE_VERIFY_FAILED" in " ".join(a.text for a in line.alerts), "it is told")
            assert line.connections == 0

    async def test_without_a_certificate_the_broker_lets_nobody_in(
        self, encrypted: Mosquitto, certificates: Path
    ) -> None:
        async with kept_up(line_to("", self.section(encrypted, certificates, "ca"), timeout_s=0.5)) as line:
            await until(lambda: bool(line.alerts), "it is told")
            assert line.connections == 0

    def test_a_certificate_that_is_none_is_a_fault_of_the_house_file(self, tmp_path: Path, certificates: Path) -> None:
        with pytest.raises(ConfigError, match=r"mqtt\.ca_file.*cannot be used"):
            line_to("", MqttSection(url="mqtts://localhost", ca_file=str(tmp_path / "none")))
        with pytest.raises(ConfigError, match=r"with certificates; allowed with them: mqtts://"):
            line_to("", MqttSection(url="mqtt://localhost", ca_file=str(certificates / "ca.pem")))
        crossed = MqttSection(
            url="mqtts://localhost",
            client_certificate_file=str(certificates / "client.pem"),
            client_key_file=str(certificates / "server.key"),
        )
        with pytest.raises(ConfigError, match="client_certificate_file"):
            line_to("", crossed)


def test_whatever_is_said_arrives_or_is_refused_and_the_line_stays(mosquitto: Mosquitto) -> None:
    with asyncio.Runner() as runner:
        line = line_to(mosquitto.url)
        running = runner.get_loop().create_task(line.run())
        runner.run(until(lambda: line.connected, "the line is up"))

        async def there_and_back(topic: str, payload: str) -> None:
            async with line.messages("#") as heard:
                try:
                    await line.publish(topic, payload)
                except NotDelivered:
                    assert topic_fault(topic) or not payload.isascii()
                    return
                message = await soon(heard)
            assert (message.topic, message.payload) == (topic, payload.encode())

        @given(st.text(max_size=30).filter(lambda t: not t.startswith("$")), st.text())
        @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
        def check(topic: str, payload: str) -> None:
            runner.run(there_and_back(topic, payload))

        check()
        assert line.connections == 1
        running.cancel()
        runner.run(_finished(running))


async def _finished(task: asyncio.Task[None]) -> None:
    await asyncio.wait([task])


def test_whatever_bytes_others_send_are_heard_as_they_are(mosquitto: Mosquitto) -> None:
    with asyncio.Runner() as runner:
        line = line_to(mosquitto.url)
        running = runner.get_loop().create_task(line.run())
        runner.run(until(lambda: line.connected, "the line is up"))

        async def heard_as(payload: bytes) -> None:
            async with line.messages("energy/solar") as heard, another_client(mosquitto) as inverter:
                await inverter.publish("energy/solar", payload)
                assert (await soon(heard)).payload == payload

        @given(st.binary())
        @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
        def check(payload: bytes) -> None:
            runner.run(heard_as(payload))

        check()
        running.cancel()
        runner.run(_finished(running))


levels = st.lists(st.sampled_from(["", "a", "b", "$SYS", "+"]), min_size=1, max_size=4).map("/".join)


@given(levels.filter(lambda t: "+" not in t and t), st.tuples(levels, st.sampled_from(["", "/#"])).map("".join))
@settings(deadline=None)
def test_filters_match_as_the_client_library_says(topic: str, topic_filter: str) -> None:
    if not filter_fault(topic_filter):
        assert matches(topic_filter, topic) == topic_matches_sub(topic_filter, topic)


@pytest.mark.parametrize("topic_filter", ["", "a#", "a/#/b", "a/b+", "a\0", "\ud800"])
def test_what_is_no_filter_is_refused(mosquitto: Mosquitto, topic_filter: str) -> None:
    with pytest.raises(ValueError, match="is no topic filter"):
        line_to(mosquitto.url).messages(topic_filter)


def test_a_port_that_is_none_is_a_fault_of_the_house_file() -> None:
    with pytest.raises(ConfigError, match=r"mqtt\.url"):
        line_to("mqtt://localhost:99999")
