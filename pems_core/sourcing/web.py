"""Questions to servers of the web, and what can be wrong with their answers."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pems_core.domain import NoAnswer

if TYPE_CHECKING:
    # Loading it takes a third of a second, in every command, and only questions need it.
    import aiohttp

WITHIN_S = 20.0
MOST_BYTES = 8 << 20
"""A year of quarter hours has less."""
AGENT = "pems (home energy management; https://github.com/pems)"
"""MET Norway refuses who does not say what he is (https://api.met.no/doc/TermsOfService)."""
SHOWN = 120


@dataclass(frozen=True)
class Web:
    """One server.

    :param url: its address, without a question.
    """

    url: str
    within_s: float = WITHIN_S
    headers: Mapping[str, str] | None = None

    async def text(self, path: str = "", **question: str) -> str:
        """The body of the answer to a GET.

        :raises NoAnswer: if there is none in time, or it is refused; with the wait that the server asked for.
        """
        import aiohttp

        place = self.url.rstrip("/") + path
        limit = aiohttp.ClientTimeout(total=self.within_s)
        headers = {"User-Agent": AGENT, **(self.headers or {})}
        try:
            async with (
                aiohttp.ClientSession(timeout=limit, headers=headers, cookie_jar=aiohttp.DummyCookieJar()) as session,
                session.get(place, params=question) as answer,
            ):
                body = await _body(answer)
        except TimeoutError:
            raise NoAnswer(f"{place}: no answer within {self.within_s:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NoAnswer(f"{place}: {str(error) or type(error).__name__}") from None
        if answer.status != 200:
            wait = answer.headers.get("Retry-After", "")
            pause = timedelta(seconds=int(wait)) if wait.isdigit() else None
            raise NoAnswer(f"{place}: HTTP {answer.status}: {shown(body)}", pause)
        return body

    async def json(self, path: str = "", **question: str) -> Any:
        """The JSON that answers a GET.

        :raises NoAnswer: also if the body is something else, such as a page, or cut off.
        """
        body = await self.text(path, **question)
        try:
            # NaN and Infinity are no JSON, but what Python writes; None is what no value is elsewhere.
            return await asyncio.to_thread(json.loads, body, parse_constant=lambda _: None)
        except ValueError as error:
            place = self.url.rstrip("/") + path
            raise NoAnswer(f"{place}: not JSON ({error}): {shown(body)}") from None


async def _body(answer: "aiohttp.ClientResponse") -> str:
    import aiohttp

    raw = await answer.content.read(MOST_BYTES + 1)
    chunks = [raw]
    while raw:
        if sum(map(len, chunks)) > MOST_BYTES:
            raise aiohttp.ClientPayloadError(f"more than {MOST_BYTES >> 20} MB")
        raw = await answer.content.read(MOST_BYTES)
        chunks.append(raw)
    return b"".join(chunks).decode(answer.charset or "utf-8", errors="replace")


def shown(body: str) -> str:
    """The beginning of an answer, in one line."""
    line = " ".join(body.split())
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}..."
