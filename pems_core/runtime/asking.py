"""The way from the command line to a running engine on the same machine.

Imports little: who stops a house in an emergency shall not wait for solvers to be loaded.
"""

import json
import socket
from collections.abc import Mapping
from typing import Any

from pems_core.domain import NotDelivered
from pems_core.domain.errors import Faults

from .state_folder import StateFolder

ANSWER_WITHIN_S = 10.0


class Declined(Faults):
    """The engine refused a request; one line a fault."""


def ask_engine(folder: StateFolder, topic: str, payload: Mapping[str, Any]) -> str:
    """Have a running engine carry something out; what was done, in words.

    :raises Declined: if the engine refuses.
    :raises NotDelivered: if it does not answer.
    """
    request = json.dumps({"topic": topic, "payload": payload}).encode() + b"\n"
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(ANSWER_WITHIN_S)
            line.connect(str(folder.socket))
            line.sendall(request)
            with line.makefile("rb") as heard:
                answer = json.loads(heard.readline())
    except (OSError, ValueError) as error:
        raise NotDelivered(f"{folder.path}: the engine does not answer at {folder.socket}: {error}") from None
    if "faults" in answer:
        raise Declined(answer["faults"])
    return str(answer["done"])
