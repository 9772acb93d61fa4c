"""Alerts of a running engine reach a real web server and a real mail server, and people answer."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from pems_core.alerting.letters import Letter
from pems_core.alerting.post import NotSent, Post
from pems_core.domain import Severity
from tests.runtime.conftest import Running, Start, start_engine, wait_for

__all__ = ["start_engine"]


@dataclass
class Webhook:
    """A web server that keeps what it is sent, or refuses it."""

    got: list[dict[str, Any]] = field(default_factory=list)
    refuses: bool = False
    port: int = 0

    @property
    def address(self) -> str:
        return f"json://127.0.0.1:{self.port}/alerts"


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    hook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(500 if hook.refuses else 200)
            self.end_headers()
            if not hook.refuses:
                hook.got.append(json.loads(said))

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    hook.port = server.server_port
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield hook
    server.shutdown()
    server.server_close()


@pytest.fixture
def mailbox() -> Iterator[tuple[int, list[str]]]:
    """A mail server of the simplest kind: its port, and what it was sent."""
    import socketserver

    mails: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 test\r\n")
            while line := self.rfile.readline():
                word = line.strip().upper()
                if word.startswith(b"EHLO"):
                    self.wfile.write(b"250 test\r\n")
                elif word == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    mails.append(self._body())
                    self.wfile.write(b"250 ok\r\n")
                elif word == b"QUIT":
                    self.wfile.write(b"221 bye\r\n")
                    return
                else:
                    self.wfile.write(b"250 ok\r\n")

        def _body(self) -> str:
            lines = []
            while (line := self.rfile.readline()) != b".\r\n":
                lines.append(line.decode())
            return "".join(lines)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], mails
        server.shutdown()


LETTER = Letter("PEMS home: inverter critical", "CRITICAL inverter: lost\n  What to do: look", Severity.CRITICAL)


def test_a_letter_reaches_a_webhook_and_a_mailbox(webhook: Webhook, mailbox: tuple[int, list[str]]) -> None:
    port, mails = mailbox
    mail = f"mailto://127.0.0.1:{port}?from=pems@home.example&to=ann@home.example&mode=insecure"
    post = Post([webhook.address, mail])
    post.send(LETTER, range(len(post)))
    assert webhook.got[0]["title"] == LETTER.title
    assert webhook.got[0]["type"] == "failure"
    assert "Subject: PEMS home: inverter critical" in mails[0]


def test_only_who_did_not_take_it_is_left(webhook: Webhook) -> None:
    post = Post([webhook.address, "json://127.0.0.1:9/nobody"])
    with pytest.raises(NotSent, match="address 2 did not take a letter") as fault:
        post.send(LETTER, range(2))
    assert fault.value.left == [1]


def test_an_address_that_is_not_understood_is_named_by_its_place_alone() -> None:
    with pytest.raises(ValueError, match="address 2 is not understood") as fault:
        Post(["json://localhost", "nonsense://secret"])
    assert "secret" not in str(fault.value)


def notified(webhook: Webhook, folder: Path) -> str:
    (folder / "webhook").write_text(webhook.address)
    return f'[notifications]\nto = [{{ file = "{folder / "webhook"}" }}]\ngather_s = 30.0\n'


async def test_a_device_that_is_lost_is_told_once_and_once_that_it_is_back(
    start_engine: Start, webhook: Webhook, tmp_path: Path
) -> None:
    async with start_engine(more=notified(webhook, tmp_path), speed=240.0) as running:
        await wait_for(lambda: running.server.told)
        before = len(webhook.got)
        running.server.silent = True
        await wait_for(lambda: lost(running, over=False))
        await wait_for(lambda: [g for g in webhook.got[before:] if "CRITICAL inverter" in g["message"]])
        running.server.silent = False
        await wait_for(lambda: lost(running, over=True))
        await wait_for(lambda: [g for g in webhook.got if "OVER inverter" in g["message"]])
        assert len(lost(running, over=False)) == 1
        [said] = lost(running, over=False)
        assert said["todo"].startswith("Look whether the device has power")
        assert said["link"] == "docs/monitoring.md#device-lost"


def lost(running: Running, over: bool) -> list[dict[str, Any]]:
    told = running.ears.said.get("alert", [])
    # At its very start the engine has not read the inverter yet.
    lately = [a for a in told if a["rule"] == "device_lost" and "never read" not in a["text"]]
    return [a for a in lately if a["over"] is over]


async def test_a_letter_that_is_not_taken_is_sent_again(start_engine: Start, webhook: Webhook, tmp_path: Path) -> None:
    async with start_engine(more=notified(webhook, tmp_path), speed=240.0) as running:
        webhook.refuses = True
        running.engine.live.alerts.begin("roof", "is leaking")
        await wait_for(lambda: [a for a in running.ears.said.get("alert", []) if a["place"] == "notifications"])
        webhook.refuses = False
        await wait_for(lambda: [g for g in webhook.got if "roof: is leaking" in g["message"]])
        assert len([g for g in webhook.got if "WARNING roof" in g["message"]]) == 1


async def test_somebody_acknowledges_and_everybody_sees_it(start_engine: Start) -> None:
    async with start_engine() as running:
        running.engine.live.alerts.begin("roof", "is leaking", Severity.CRITICAL)
        await wait_for(lambda: of(running, "roof"))
        assert of(running, "roof")["acknowledged"] is None
        await running.say("alert/ack", {"place": "roof", "by": "ann", "for_hours": 2})
        known = await wait_for(lambda: of(running, "roof")["acknowledged"])
        assert known["by"] == "ann"
        store = running.engine.live.commanding.store
        assert len(store.kept("acknowledged")) == 1
        running.engine.live.alerts.end("roof")
        await wait_for(lambda: not of(running, "roof"))
        await wait_for(lambda: not store.kept("acknowledged"))


async def test_nobody_can_acknowledge_what_is_not_there(start_engine: Start) -> None:
    async with start_engine() as running:
        await wait_for(lambda: running.server.told)
        await running.say("alert/ack", {"place": "cellar", "by": "ann"})
        told = await wait_for(lambda: running.ears.last("error"))
        assert told["faults"][0].startswith("place: found no alert of 'cellar'")


def of(running: Running, place: str) -> dict[str, Any]:
    alerts = (running.ears.last("alerts") or {"alerts": []})["alerts"]
    return next((alert for alert in alerts if alert["place"] == place), {})


async def test_rules_look_at_the_house(start_engine: Start) -> None:
    async with start_engine(more="[alerts]\ndisk_free_mb = 1e9\n") as running:
        told = await wait_for(lambda: of(running, "disk"))
        assert told["rule"] == "disk"
        assert "are needed" in told["text"]
        running.engine.rules.section = running.engine.rules.section.model_copy(update={"disk_free_mb": 1.0})
        await wait_for(lambda: not of(running, "disk"), within_s=30)
        await asyncio.sleep(timedelta(seconds=0.3).total_seconds())
        assert not of(running, "disk")
