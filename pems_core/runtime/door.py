"""Where an engine takes requests of the command line, with or without a broker."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pems_core.domain.errors import Faults

from .requests import Requests, told
from .state_folder import StateFolder

log = logging.getLogger(__name__)

ANSWER_WITHIN_S = 10.0
LONGEST_REQUEST = 1 << 20


@asynccontextmanager
async def open_door(folder: StateFolder, requests: Requests) -> AsyncIterator[None]:
    """Take requests at the engine's socket from entering to leaving."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await asyncio.wait_for(reader.readline(), ANSWER_WITHIN_S)
            writer.write(json.dumps(_answer(requests, line)).encode() + b"\n")
            await writer.drain()
        except (TimeoutError, OSError, ValueError):
            return  # who asks has gone, or says nothing
        finally:
            writer.close()

    # A socket file that an engine left behind which was killed; only one engine holds the store.
    folder.socket.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(answer, folder.socket, limit=LONGEST_REQUEST)
    folder.socket.chmod(0o600)
    try:
        yield
    finally:
        server.close()
        folder.socket.unlink(missing_ok=True)


def _answer(requests: Requests, line: bytes) -> dict[str, Any]:
    try:
        said = json.loads(line)
        return {"done": requests.take(said["topic"], json.dumps(said["payload"]).encode())}
    except Faults as fault:
        return {"faults": told(fault)}
    except (ValueError, KeyError, TypeError) as error:
        return {"faults": [f"request: {type(error).__name__}: {error}; allowed: topic and payload"]}
    except Exception as defect:
        # Who asks must not be told that nobody answers, and whoever asks next must be heard.
        log.exception("a request failed")
        return {"faults": told(defect)}
