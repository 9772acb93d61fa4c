"""Datagrams, on real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pems_core.clock import FastClock
from pems_core.domain import NotDelivered
from pems_core.transport.udp import MOST_WAITING_DATAGRAMS, UdpConnection, UdpEndpoint
from tests.brokers import free_port

from .lines_under_test import soon

START = datetime(2026, 1, 15, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> FastClock:
    return FastClock(START)


@asynccontextmanager
async def opened(endpoint: UdpEndpoint) -> AsyncIterator[UdpEndpoint]:
    try:
        yield endpoint
    finally:
        await endpoint.close()


def miniserver() -> socket.socket:
    """Receives on a free loopback port."""
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    receiver.setblocking(False)
    return receiver


def say(port: int, *datagrams: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for data in datagrams:
            sender.sendto(data, ("127.0.0.1", port))


async def test_sends_one_datagram_to_the_target(clock: FastClock) -> None:
    with miniserver() as receiver:
        async with opened(UdpEndpoint(None, clock)) as endpoint:
            await UdpConnection(f"localhost:{receiver.getsockname()[1]}", endpoint).send("k=1;t=21,5 °C")
        async with asyncio.timeout(10):
            heard = await asyncio.get_running_loop().sock_recv(receiver, 2048)
    assert heard.decode() == "k=1;t=21,5 °C"


async def test_hears_what_anybody_sends_with_the_time_of_arrival(clock: FastClock) -> None:
    async with opened(UdpEndpoint(free_port(), clock)) as endpoint:
        async with UdpConnection("localhost:9", endpoint).datagrams() as heard:
            say(endpoint.listen_port or 0, b"kitchen=21.5", b"\xff\xfe=1")
            first, second = await soon(heard), await soon(heard)
        assert (first[0], second[0]) == ("kitchen=21.5", "\ufffd\ufffd=1")
        assert START <= first[1] <= START + timedelta(seconds=10)


async def test_all_who_listen_hear_each_datagram(clock: FastClock) -> None:
    async with opened(UdpEndpoint(free_port(), clock)) as endpoint:
        lines = [UdpConnection("localhost:9", endpoint), UdpConnection("localhost:10", endpoint)]
        async with lines[0].datagrams() as one, lines[1].datagrams() as other:
            say(endpoint.listen_port or 0, b"x")
            assert [(await soon(one))[0], (await soon(other))[0]] == ["x", "x"]


async def test_a_flood_fills_no_memory_and_the_newest_stays(clock: FastClock) -> None:
    endpoint = UdpEndpoint(free_port(), clock)
    async with opened(endpoint), endpoint.datagrams() as heard:
        for number in range(MOST_WAITING_DATAGRAMS + 5):
            endpoint.deliver(str(number).encode())
        assert (await soon(heard))[0] == "5"


async def test_a_target_without_an_address_is_not_delivered(clock: FastClock) -> None:
    async with opened(UdpEndpoint(None, clock)) as endpoint:
        with pytest.raises(NotDelivered, match=r"udp no\.such\.host\.invalid:4000"):
            await UdpConnection("no.such.host.invalid:4000", endpoint).send("x")


async def test_what_the_system_does_not_take_is_not_delivered(clock: FastClock) -> None:
    async with opened(UdpEndpoint(None, clock)) as endpoint:
        line = UdpConnection("127.0.0.1:9", endpoint)
        with pytest.raises(NotDelivered, match="too long"):
            await line.send("x" * 70_000)
        await line.send("the next one goes")


async def test_a_port_that_is_taken_is_told(clock: FastClock) -> None:
    with miniserver() as taken:
        port = taken.getsockname()[1]
        async with opened(UdpEndpoint(port, clock)) as endpoint:
            with pytest.raises(NotDelivered, match=f"udp port {port} cannot be listened on"):
                async with endpoint.datagrams():
                    pass


async def test_a_closed_line_opens_anew_when_it_is_needed(clock: FastClock) -> None:
    endpoint = UdpEndpoint(free_port(), clock)
    async with endpoint.datagrams():
        await endpoint.close()
    async with opened(endpoint), endpoint.datagrams() as heard:
        say(endpoint.listen_port or 0, b"again")
        assert (await soon(heard))[0] == "again"


@pytest.mark.parametrize("target", ["miniserver", "miniserver:", ":4000", "miniserver:x", ""])
def test_a_target_is_host_and_port(clock: FastClock, target: str) -> None:
    with pytest.raises(ValueError, match="allowed: host:port"):
        UdpConnection(target, UdpEndpoint(None, clock))


def test_a_line_that_only_sends_cannot_be_listened_to(clock: FastClock) -> None:
    with pytest.raises(ValueError, match="no port to listen on"):
        UdpConnection("localhost:4000", UdpEndpoint(None, clock)).datagrams()


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=50, suppress_health_check=list(HealthCheck))
def test_whatever_bytes_arrive_are_text(clock: FastClock, data: bytes) -> None:
    async def there_and_back() -> None:
        endpoint = UdpEndpoint(free_port(), clock)
        async with opened(endpoint), endpoint.datagrams() as heard:
            say(endpoint.listen_port or 0, data)
            assert (await soon(heard))[0] == data.decode(errors="replace")

    asyncio.run(there_and_back())
