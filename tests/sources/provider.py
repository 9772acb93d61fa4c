"""A provider of the web: a real server that answers as the real one documents it, or as it does on a bad day."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Answers = Callable[[web.Request], Any]


@dataclass
class Provider:
    """Answers every GET with what `says` makes of it.

    Numbers and objects are sent as JSON, text as it is, and a response as a response.
    """

    says: Answers
    asked: list[web.Request] = field(default_factory=list)
    url: str = ""

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        said = self.says(request)
        if asyncio.iscoroutine(said):
            said = await said
        if isinstance(said, web.StreamResponse):
            return said
        text = said if isinstance(said, str) else json.dumps(said)
        kind = "text/plain" if isinstance(said, str) else "application/json"
        return web.Response(text=text, content_type=kind)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Provider"]:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{port}"
        try:
            yield self
        finally:
            await runner.cleanup()


def page(_: web.Request) -> web.Response:
    return web.Response(text="<!DOCTYPE html><html><body>Wartung / maintenance</body></html>", content_type="text/html")


def too_many(_: web.Request) -> web.Response:
    return web.json_response({"error": True, "reason": "limit exceeded"}, status=429, headers={"Retry-After": "1800"})


def broken(_: web.Request) -> web.Response:
    return web.Response(status=500, text="Internal Server Error")


def cut_off(_: web.Request) -> web.Response:
    return web.Response(text='{"unix_seconds": [1735686000, 17356', content_type="application/json")


def empty(_: web.Request) -> web.Response:
    return web.json_response({})


async def _asleep() -> web.Response:
    await asyncio.sleep(30)
    return web.Response()


def late(_: web.Request) -> Any:
    return _asleep()


BAD_DAYS: dict[str, Answers] = {
    "page": page,
    "too many": too_many,
    "broken": broken,
    "cut off": cut_off,
    "empty": empty,
}
