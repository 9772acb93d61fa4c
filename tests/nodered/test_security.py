"""Who may do what: on the broker by the shipped rights, in the editor and on the pages by passwords."""

import asyncio
import base64
import json
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import aiomqtt
import pytest

from pems_core.nodered import FOLDER, NodeRed, node
from pems_core.runtime.contract import HEARD, TOLD
from tests.brokers import Mosquitto, program
from tests.runtime.conftest import wait_for

from .conftest import require_nodered

EXAMPLES = FOLDER.parent / "examples" / "mosquitto"
PASSWORDS = {"pems": "core-secret", "nodered": "front-secret", "stick": "stick-secret"}
ASKED = [topic for topic in HEARD if topic != "prices/set"]
DEVICES = ("energy/solar/command/batteryfirst/set/powerrate", "loxone/heating/kitchen/set", "loxone/heartbeat")
OTHERS = ("energy/solar", "loxone/temperature/kitchen/current", "any/other")
pytestmark = pytest.mark.slow


def _openssl(folder: Path, *words: str) -> None:
    subprocess.run([program("openssl"), *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A broker by the shipped example, with the places of its files and its port changed."""
    folder = tmp_path_factory.mktemp("guarded")
    key = ("-newkey", "rsa:2048", "-nodes")
    _openssl(folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=ca")
    _openssl(folder, "req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=127.0.0.1")
    (folder / "names.ext").write_text("subjectAltName=IP:127.0.0.1")
    signed = ("-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names.ext")
    _openssl(folder, "x509", "-req", *signed, "-days", "2", "-out", "server.crt")
    passwords = folder / "pems.passwd"
    passwords.touch(mode=0o600)
    for user, password in PASSWORDS.items():
        said = [program("mosquitto_passwd"), "-b", str(passwords), user, password]
        subprocess.run(said, check=True, capture_output=True)
    acl = folder / "pems.acl"
    acl.write_text((EXAMPLES / "pems.acl").read_text(encoding="utf-8"))
    said_lines = (EXAMPLES / "mosquitto.conf").read_text(encoding="utf-8").replace("/etc/mosquitto", str(folder))
    # What the helper for tests says itself, and what needs a folder of the system's.
    not_here = ("#", "persistence", "max_queued", "set_tcp")
    lines = [
        line.replace("listener 8883", "listener {port} 127.0.0.1")
        for line in said_lines.splitlines()
        if line and not line.startswith(not_here)
    ]
    mosquitto = Mosquitto(folder, *lines).start()
    yield mosquitto
    mosquitto.stop()


def client_of(broker: Mosquitto, user: str) -> aiomqtt.Client:
    trusted = ssl.create_default_context(cafile=str(broker.folder / "ca.crt"))
    return aiomqtt.Client(
        "127.0.0.1", broker.port, username=user, password=PASSWORDS[user], tls_context=trusted, identifier=f"t-{user}"
    )


async def test_node_red_may_ask_and_carry_and_cannot_pretend_to_be_pems(guarded: Mosquitto) -> None:
    allowed = [*(f"pems/home/{topic}".replace("+", "x") for topic in ASKED), *DEVICES]
    denied = [*(f"pems/home/{topic}".replace("+", "x") for topic in (*TOLD, "prices/set")), *OTHERS]
    heard: list[str] = []
    async with client_of(guarded, "pems") as pems, client_of(guarded, "nodered") as front:
        await pems.subscribe([("pems/#", 1), ("energy/#", 1), ("loxone/#", 1)])
        for topic in [*denied, *allowed]:
            await front.publish(topic, topic, qos=1)
        await pems.publish("pems/home/status", "the end", qos=1)
        async for message in pems.messages:
            if message.payload == b"the end":
                break
            heard.append(str(message.topic))
    assert sorted(heard) == sorted(allowed)


async def test_an_inverters_stick_hears_its_commands_and_says_no_more_than_it_measures(guarded: Mosquitto) -> None:
    async with client_of(guarded, "pems") as pems, client_of(guarded, "stick") as stick:
        await pems.subscribe([("pems/#", 1), ("energy/#", 1)])
        for topic in ("pems/home/override/set", "energy/solar/command/x", "energy/solar"):
            await stick.publish(topic, "x", qos=1)
        await pems.publish("pems/home/status", "the end", qos=1)
        heard = []
        async for message in pems.messages:
            if message.payload == b"the end":
                break
            heard.append(str(message.topic))
    assert heard == ["energy/solar"]


async def test_node_red_speaks_encrypted_with_its_login(guarded: Mosquitto, tmp_path: Path) -> None:
    require_nodered()
    environ = {
        "PEMS_MQTT_USER": "nodered",
        "PEMS_MQTT_PASSWORD": PASSWORDS["nodered"],
        "PEMS_MQTT_CA_FILE": str(guarded.folder / "ca.crt"),
    }
    front = NodeRed(guarded.url.replace("mqtt:", "mqtts:"), "home", tmp_path / "node-red", environ=environ)
    async with client_of(guarded, "pems") as pems, front.serving():
        await pems.subscribe("pems/home/carrier", qos=1)
        async with asyncio.timeout(20):
            async for message in pems.messages:
                if b'"heating"' in bytes(message.payload):
                    break
                # It offers nothing before it knows what time PEMS has.
                beat = {"counter": 1, "healthy": True, "valid_for_s": 60.0, "at": datetime.now(UTC).isoformat()}
                await pems.publish("pems/home/heartbeat", json.dumps(beat | {"speed": 1.0, "faults": []}))
    assert "denies" not in front.log.read_text(encoding="utf-8")


def ask(url: str, user: str = "", password: str = "") -> tuple[int, str]:
    request = urllib.request.Request(url)  # noqa: S310 - of this machine
    if user:
        request.add_header("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - of this machine
            return answer.status, answer.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        return error.code, ""


def hash_of(password: str) -> str:
    made = subprocess.run(
        [str(node()), "hash.cjs"], cwd=FOLDER, input=password + "\n", capture_output=True, text=True, check=True
    )
    return made.stdout.strip()


async def test_without_passwords_nobody_edits_and_pages_of_other_machines_only_look(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    require_nodered()
    front = NodeRed(mosquitto.url, "trial", tmp_path / "node-red", host="0.0.0.0")  # noqa: S104 - as a house does
    async with front.serving():
        at = f"http://127.0.0.1:{front.port}"
        for place in ("/", "/editor", "/editor/flows", "/flows", "/settings"):
            assert (await asyncio.to_thread(ask, at + place))[0] == 404
        status, page = await asyncio.to_thread(ask, f"{at}/dashboard")
        assert status == 200
        assert "<html" in page


async def test_with_passwords_who_does_not_know_them_sees_nothing(mosquitto: Mosquitto, tmp_path: Path) -> None:
    require_nodered()
    environ = {
        "PEMS_NODERED_ADMIN_PASSWORD_HASH": hash_of("editor-secret"),
        "PEMS_DASHBOARD_PASSWORD_HASH": hash_of("pages-secret"),
    }
    front = NodeRed(mosquitto.url, "trial", tmp_path / "node-red", environ=environ)
    async with front.serving():
        at = f"http://127.0.0.1:{front.port}"
        assert (await asyncio.to_thread(ask, f"{at}/editor/flows"))[0] == 401
        for who in ((), ("home", "wrong"), ("other", "pages-secret")):
            assert (await asyncio.to_thread(ask, f"{at}/dashboard", *who))[0] == 401
        assert (await asyncio.to_thread(ask, f"{at}/dashboard", "home", "pages-secret"))[0] == 200
        await wait_for(lambda: front.running)
        text = front.log.read_text(encoding="utf-8")
    assert "secret" not in text
    assert "$2" not in text


def read_only(host: str, env: dict[str, str]) -> bool:
    """Whether pages may only look, by the shipped settings."""
    code = f"const {{readOnly}} = require('./security.cjs'); console.log(readOnly({env!r}, '{host}'))"
    made = subprocess.run([str(node()), "-e", code], cwd=FOLDER, capture_output=True, text=True, check=True)
    return made.stdout.strip() == "true"


@pytest.mark.parametrize(
    ("host", "env", "only"),
    [
        ("127.0.0.1", {}, False),
        ("192.168.1.5", {}, True),
        ("192.168.1.5", {"PEMS_DASHBOARD_PASSWORD_HASH": "x"}, False),
        ("127.0.0.1", {"PEMS_DASHBOARD_READ_ONLY": "true"}, True),
        ("192.168.1.5", {"PEMS_DASHBOARD_READ_ONLY": "false"}, False),
    ],
)
def test_pages_may_ask_with_a_login_or_on_this_machine(host: str, env: dict[str, str], only: bool) -> None:
    require_nodered()
    assert read_only(host, env) is only
