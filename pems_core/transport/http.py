"""Requests to one server, each sent once."""

from base64 import b64encode

import aiohttp
from yarl import URL

from pems_core.domain import NotDelivered

from .lines import HttpAnswer

MOST_BODY_BYTES = 16 << 20
"""The structure file of a large Miniserver has some megabytes."""
MOST_CONNECTIONS = 2
"""A Miniserver answers one after the other with a single thread (protocols C.5)."""


class HttpConnection:
    """An `HttpLine`."""

    def __init__(self, url: str, user: str = "", password: str = "") -> None:
        """
        :raises ValueError: if the address is not that of a server, or the user has a colon.
        """
        self._url = URL(url)
        if self._url.scheme not in ("http", "https") or not self._url.host:
            raise ValueError(f"found {url!r}; allowed: http://host:port or https://host:port")
        if ":" in user:
            raise ValueError(f"found the user {user!r}; allowed: no colon, which ends the name (RFC 7617)")
        self._headers = {"Authorization": _basic(user, password)} if user else {}
        self._session: aiohttp.ClientSession | None = None

    async def get(self, path: str, *, timeout_s: float = 5.0) -> HttpAnswer:
        """See `HttpLine`. Redirections are not followed: the caller sees them, and the password goes nowhere else."""
        url = URL(f"{self._url.origin()}/{path.removeprefix('/')}", encoded=True)
        limit = aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with self._opened().get(url, timeout=limit, allow_redirects=False) as answer:
                body = await _body(answer)
                return HttpAnswer(answer.status, body, answer.headers.copy())
        except TimeoutError as error:
            raise NotDelivered(f"{self._url.origin()}: no answer within {timeout_s:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NotDelivered(f"{self._url.origin()}: {str(error) or type(error).__name__}") from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            # Each connection is used once: one that was kept open may be dead without anybody knowing.
            connector = aiohttp.TCPConnector(force_close=True, limit=MOST_CONNECTIONS)
            self._session = aiohttp.ClientSession(
                headers=self._headers, connector=connector, cookie_jar=aiohttp.DummyCookieJar(), middlewares=(_once,)
            )
        return self._session


def _basic(user: str, password: str) -> str:
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


class _CutOff(aiohttp.ClientError):
    """The server went away before it had answered."""


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a GET again by itself when the server cuts it off: here a GET can be a command."""
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _CutOff(str(error)) from error


async def _body(answer: aiohttp.ClientResponse) -> str:
    """
    :raises ClientPayloadError: if it is larger than any that is expected.
    """
    content = bytearray()
    async for chunk in answer.content.iter_chunked(1 << 16):
        content += chunk
        if len(content) > MOST_BODY_BYTES:
            raise aiohttp.ClientPayloadError(f"the answer has more than {MOST_BODY_BYTES} bytes")
    try:
        return content.decode(answer.charset or "utf-8", errors="replace")
    except LookupError:
        return content.decode(errors="replace")
