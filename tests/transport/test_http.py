"""Requests to a real server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import monotonic

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pems_core.domain import NotDelivered
from pems_core.transport import http
from pems_core.transport.http import HttpConnection

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(handler: Handler) -> AsyncIterator[str]:
    """The address of a server that answers every path."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def bare_server(talk: Talk) -> AsyncIterator[str]:
    """The address of a server that may break the protocol."""
    listening = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def line_to(url: str, user: str = "", password: str = "") -> AsyncIterator[HttpConnection]:
    line = HttpConnection(url, user, password)
    try:
        yield line
    finally:
        await line.close()


async def test_gives_the_answer_whatever_its_status() -> None:
    async def refuses(request: web.Request) -> web.Response:
        return web.Response(status=403, text="blocked for 120 s", headers={"Retry-After": "120"})

    async with server(refuses) as url, line_to(url) as line:
        answer = await line.get("/jdev/cfg/api")
    assert (answer.status, answer.body) == (403, "blocked for 120 s")
    assert answer.headers["retry-after"] == "120"


async def test_the_path_goes_as_it_is_encoded() -> None:
    async def repeats(request: web.Request) -> web.Response:
        return web.Response(text=request.raw_path)

    async with server(repeats) as url, line_to(f"{url}/") as line:
        for path in ("/dev/sps/io/K%C3%BCche%2Fset/21.5", "/x?a=%20b&c", "//double"):
            assert (await line.get(path)).body == path


async def test_shows_its_password_only_to_its_server() -> None:
    async def asks(request: web.Request) -> web.Response:
        # The user pems with the password secret.
        if request.headers.get("Authorization") == "Basic cGVtczpzZWNyZXQ=":
            return web.Response(status=302, headers={"Location": "http://elsewhere.invalid/"})
        return web.Response(status=401)

    async with server(asks) as url:
        async with line_to(url) as stranger:
            assert (await stranger.get("/")).status == 401
        async with line_to(url, "pems", "secret") as line:
            assert (await line.get("/")).status == 302


async def test_a_server_that_is_not_there_is_not_delivered() -> None:
    async with line_to("http://127.0.0.1:1") as line:
        with pytest.raises(NotDelivered, match=r"http://127\.0\.0\.1:1: "):
            await line.get("/")


async def test_a_server_that_does_not_answer_is_given_up_in_time() -> None:
    given_up = asyncio.Event()

    async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await given_up.wait()
        writer.close()

    async with bare_server(hangs) as url, line_to(url) as line:
        began = monotonic()
        with pytest.raises(NotDelivered, match="no answer within"):
            await line.get("/", timeout_s=0.2)
        assert monotonic() - began < 5
        given_up.set()


async def test_a_server_that_drips_is_given_up_in_time() -> None:
    async def drips(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b".")
            await asyncio.sleep(0.05)

    async with server(drips) as url, line_to(url) as line:
        with pytest.raises(NotDelivered, match="no answer within"):
            await line.get("/", timeout_s=0.5)


async def test_a_request_that_is_cut_off_is_not_made_again() -> None:
    requests = 0

    async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await reader.readuntil(b"\r\n\r\n")
        requests += 1
        writer.close()

    async with bare_server(hangs_up) as url, line_to(url) as line:
        with pytest.raises(NotDelivered):
            await line.get("/dev/sps/io/relay/Pulse")
    assert requests == 1


async def test_an_endless_answer_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MOST_BODY_BYTES", 1000)

    async def long(request: web.Request) -> web.Response:
        return web.Response(text="x" * int(request.query["size"]))

    async with server(long) as url, line_to(url) as line:
        assert len((await line.get("/?size=1000")).body) == 1000
        with pytest.raises(NotDelivered, match="more than 1000 bytes"):
            await line.get("/?size=1001")


async def test_text_in_an_unknown_encoding_is_read_as_utf_8() -> None:
    async def odd(request: web.Request) -> web.Response:
        return web.Response(body="21,5 °C\xff".encode(), headers={"Content-Type": "text/plain; charset=loxone-8"})

    async with server(odd) as url, line_to(url) as line:
        assert (await line.get("/")).body == "21,5 °C\xff"


def test_whatever_bytes_a_server_sends_end_in_an_answer_or_in_none() -> None:
    with asyncio.Runner() as runner:

        async def ask(sent: bytes) -> None:
            async def talks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(sent)
                writer.close()

            async with bare_server(talks) as url, line_to(url) as line:
                try:
                    answer = await line.get("/", timeout_s=2)
                except NotDelivered:
                    return
                assert isinstance(answer.body, str)

        status = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset="
        heads = st.sampled_from([b"", b"HTTP/1.1 ", status, status + b"utf-16\r\n\r\n", status + b"hex\r\n\r\n"])

        @given(st.tuples(heads, st.binary(max_size=60)).map(b"".join))
        @settings(deadline=None, max_examples=80, suppress_health_check=list(HealthCheck))
        def check(sent: bytes) -> None:
            runner.run(ask(sent))

        check()


async def test_can_be_used_again_after_it_was_closed() -> None:
    async def answers(request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async with server(answers) as url, line_to(url) as line:
        await line.get("/")
        await line.close()
        assert (await line.get("/")).body == "ok"


@pytest.mark.parametrize("url", ["192.0.2.7", "ftp://host", "http://", ""])
def test_an_address_that_is_no_server_is_a_fault(url: str) -> None:
    with pytest.raises(ValueError, match="allowed: http://host:port"):
        HttpConnection(url)


def test_a_user_with_a_colon_is_a_fault() -> None:
    with pytest.raises(ValueError, match="no colon"):
        HttpConnection("http://miniserver", "pe:ms", "secret")
