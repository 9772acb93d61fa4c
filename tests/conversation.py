"""A device's side of a conversation, written down beforehand."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from pems_core.domain import Command

Line = tuple[str, str]
"""Topic and payload, as on the wire."""
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


class Conversation:
    """Hears commands and holds them against the lines that were expected: these, all of them, in this order.

    :param correlated: each payload must carry the command's id as `correlationId`; lines are written without it.
    """

    def __init__(self, expected: Sequence[Line], correlated: bool = False) -> None:
        self.expected = list(expected)
        self.correlated = correlated
        self.heard: list[Line] = []

    def hear(self, commands: Sequence[Command], at: datetime = LONG_AGO) -> None:
        """Listen to commands that are sent at an instant; what has expired is never sent."""
        for command in commands:
            assert command.transport == "mqtt"
            if at < command.expires_at:
                self.heard.append((command.address, self._payload(command)))

    def _payload(self, command: Command) -> str:
        if not self.correlated:
            return command.payload
        said = json.loads(command.payload)
        assert said.pop("correlationId") == command.id
        return json.dumps(said)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            assert self.heard == self.expected
