"""A broker inside PEMS, for trials: loopback only, and gone with PEMS."""

import logging
import socket
from types import TracebackType
from typing import Self

from amqtt.broker import Broker  # type: ignore[import-untyped]
from amqtt.contexts import BrokerConfig, ListenerConfig  # type: ignore[import-untyped]
from amqtt.errors import BrokerError  # type: ignore[import-untyped]

HOST = "127.0.0.1"


class EmbeddedBroker:
    """Serves from entering to leaving.

    Never for a real house: it knows no passwords, keeps nothing over a restart, and hands every retained message to
    every client.
    """

    def __init__(self, port: int | None = None) -> None:
        """
        :param port: of the loopback address; None takes a free one.
        """
        self.port = port or _free_port()
        self._broker: Broker | None = None

    @property
    def url(self) -> str:
        return f"mqtt://{HOST}:{self.port}"

    async def __aenter__(self) -> Self:
        """
        :raises OSError: if the port is taken.
        """
        for talkative in ("amqtt", "transitions"):
            logging.getLogger(talkative).setLevel(logging.CRITICAL + 1)
        # Without its plugins that log and count; this one lets everybody in who can reach the loopback address.
        config = BrokerConfig(
            listeners={"default": ListenerConfig(bind=f"{HOST}:{self.port}")},
            plugins={"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        )
        self._broker = Broker(config)
        try:
            await self._broker.start()
        except BrokerError as error:
            self._broker = None
            raise OSError(f"the broker cannot listen on {HOST}:{self.port}: {error.__cause__ or error}") from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._broker is not None:
            await self._broker.shutdown()
            self._broker = None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
