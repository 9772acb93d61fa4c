"""The conversation with an OpenInverterGateway: requests on `<base>/command/<name>`, replies on `<base>/result`.

Facts are from protocols B.1: replies are retained, carry the `correlationId` of their request, and one topic serves
all of them; a request longer than 256 bytes, topic included, vanishes; one of the stick's Modbus calls blocks it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

from pems_core.clock import Clock
from pems_core.domain import NotDelivered
from pems_core.transport.dialogue import Dialogue
from pems_core.transport.lines import MqttLine, MqttMessage, NoAnswer

from .encoding import Argument, packet
from .oig_payload import BadPayload, json_object, shown

ANSWER_WITHIN_S = 10.0
"""Of the wall."""
SPACING_S = 1.0
"""Between two requests, of the clock: the stick serves no MQTT while it speaks to the inverter."""


@dataclass(frozen=True, slots=True)
class Reply:
    command: str
    success: bool
    message: str
    fields: Mapping[str, object]


class Refused(NotDelivered):
    """The gateway answered that it did not do it, or could not read."""


def parse_reply(payload: bytes) -> tuple[str, Reply]:
    """Whose reply it is, and what it says.

    :raises BadPayload: if it is no reply to a request that carried an identity.
    """
    fields = json_object(payload)
    identity, command, success = (fields.get(key) for key in ("correlationId", "command", "success"))
    if not isinstance(identity, str) or not identity:
        raise BadPayload(f"correlationId: found {shown(identity)}; a text is needed")
    if not isinstance(command, str):
        raise BadPayload(f"command: found {shown(command)}; a text is needed")
    if not isinstance(success, bool):
        raise BadPayload(f"success: found {shown(success)}; true or false is needed")
    message = fields.get("message", "")
    return identity, Reply(command, success, message if isinstance(message, str) else shown(message), fields)


class Gateway:
    """Asks one thing at a time, a second apart."""

    def __init__(self, line: MqttLine, clock: Clock, base: str) -> None:
        self._line = line
        self._clock = clock
        self.base = base
        self._dialogue: Dialogue[Reply] = Dialogue()
        self._free_at_s = clock.elapsed_s()

    async def ask(self, name: str, arguments: Mapping[str, Argument] | None = None, identity: str = "") -> Reply:
        """The reply to one request, which is sent once.

        :param identity: by which the reply is known; a new one by default.
        :raises ValueError: if the gateway could not take it in one packet.
        :raises NoAnswer: if there is no reply: nobody can know what became of it.
        :raises NotDelivered: if it could not be sent.
        """
        address = f"{self.base}/command/{name}"
        identity = identity or uuid4().hex[:16]
        payload = packet(address, identity, arguments or {})

        async def say() -> None:
            await self._clock.sleep(self._free_at_s - self._clock.elapsed_s())
            # Never retained: the stick would carry it out again at its next start (protocols E.5, 72).
            await self._line.publish(address, payload, qos=1, retain=False)

        try:
            return await self._dialogue.ask(_key(identity, name), say, ANSWER_WITHIN_S)
        except NoAnswer as lost:
            raise NoAnswer(f"{name}: {lost}") from None
        finally:
            self._free_at_s = self._clock.elapsed_s() + SPACING_S

    async def read(self, name: str, arguments: Mapping[str, Argument] | None = None) -> Mapping[str, object]:
        """The fields of the reply to a request that writes nothing.

        :raises Refused: if the gateway could not read.
        :raises NotDelivered: if it did not answer.
        """
        reply = await self.ask(name, arguments)
        if not reply.success:
            raise Refused(f"{name}: {reply.message or 'success is false'}")
        return reply.fields

    def hear(self, message: MqttMessage) -> None:
        """Take a reply to the one who asked; what the broker kept from earlier answers nobody now.

        :raises BadPayload: if it is no reply.
        """
        if message.retained:
            return
        identity, reply = parse_reply(message.payload)
        self._dialogue.hear(_key(identity, reply.command), reply)

    def asks(self, message: MqttMessage) -> bool:
        """Whether a request that was heard on the line is one's own, which waits for its reply."""
        name = message.topic.removeprefix(f"{self.base}/command/")
        try:
            identity = json_object(message.payload).get("correlationId")
        except BadPayload:
            return False
        return isinstance(identity, str) and self._dialogue.waits(_key(identity, name))


def _key(identity: str, name: str) -> str:
    return f"{identity} {name}"
