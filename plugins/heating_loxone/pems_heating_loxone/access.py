"""Getting in at the Miniserver over HTTP: its answers, and when it must be left alone (protocols C.1)."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pems_core.clock import Clock
from pems_core.domain import NotDelivered
from pems_core.transport.lines import HttpAnswer, HttpLine

OK, BAD_LOGIN, BLOCKED, UNKNOWN, LOCKED, BAD_TOKEN, NOT_READY = 200, 401, 403, 404, 423, 477, 503
BLOCKED_S = 300.0
"""How long a block lasts that does not say so itself."""
SPARE_S = 5.0
LONGEST_BLOCK_S = 24 * 3600.0
FIRST_RETRY_S = 10.0
"""After a login that has worked is refused: a token may have ended, or the Miniserver may have been saved anew (75)."""
RETRY_S = 60.0
LONGEST_RETRY_S = 3600.0
"""Between refused logins: a few in a row get this machine blocked (trap 73)."""


@dataclass(frozen=True, slots=True)
class LoxAnswer:
    """What the Miniserver says."""

    code: int
    value: object = ""
    outputs: Mapping[str, object] = field(default_factory=dict)
    """By name: all outputs of a control, if they were asked for."""
    body: str = ""


def parse_answer(answer: HttpAnswer) -> LoxAnswer:
    """The answer `{"LL": {"control", "value", "Code"}}`; `code` is written so too, and both as number or text (88).

    Anything else has the code of its HTTP status and its body as value.
    """
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError):
        said = None
    inner = said.get("LL") if isinstance(said, dict) else None
    if not isinstance(inner, dict):
        return LoxAnswer(answer.status, answer.body, body=answer.body)
    code = _code(inner.get("Code", inner.get("code")), answer.status)
    outputs = {
        str(value["name"]): value["value"]
        for key, value in inner.items()
        if key.startswith("output") and isinstance(value, dict) and {"name", "value"} <= value.keys()
    }
    return LoxAnswer(code, inner.get("value", ""), outputs, answer.body)


def _code(said: object, status: int) -> int:
    text = str(said)
    inner = int(text) if re.fullmatch(r"[1-9]\d\d", text, re.ASCII) else status
    return inner if status == OK else status


class Access:
    """Asks one thing after the other, and nothing while the Miniserver wants no question."""

    def __init__(self, line: HttpLine, clock: Clock) -> None:
        self._line = line
        self._clock = clock
        self._closed_until_s = 0.0
        self._why = ""
        self._refusals = 0
        self._was_in = False
        self._was_away = False

    @property
    def trouble(self) -> str:
        """Why nobody gets in now; empty if it went well the last time."""
        return self._why

    def require_open(self) -> None:
        """
        :raises NotDelivered: if the Miniserver must be left alone now.
        """
        left_s = self._closed_until_s - self._clock.elapsed_s()
        if left_s > 0:
            raise NotDelivered(f"{self._why}; next try in {left_s:.0f} s")

    async def ask(self, path: str) -> LoxAnswer:
        """
        :raises NotDelivered: if there is no answer, or the answer is that the Miniserver is not to be had.
        """
        self.require_open()
        try:
            answer = parse_answer(await self._line.get(path))
        except NotDelivered as failed:
            self._away(str(failed))
            raise
        self._let_in(answer)
        return answer

    def _let_in(self, answer: LoxAnswer) -> None:
        if answer.code in (BAD_LOGIN, BAD_TOKEN):
            self._refused(answer.code)
        if answer.code == BLOCKED:
            self._close(remaining_s(answer.body) + SPARE_S, "the Miniserver blocks this machine for refused logins")
        if answer.code == NOT_READY:
            self._away("the Miniserver is starting")
            raise NotDelivered(self._why)
        self._why, self._refusals, self._was_in = "", 0, True

    def _refused(self, code: int) -> None:
        first = self._was_in and self._refusals == 0
        wait_s = FIRST_RETRY_S if first else min(LONGEST_RETRY_S, RETRY_S * 2.0 ** min(self._refusals, 10))
        self._refusals += 1
        self._close(wait_s, f"the Miniserver refuses the login (code {code})")

    def _close(self, seconds: float, why: str) -> None:
        self._closed_until_s = self._clock.elapsed_s() + seconds
        self._why = why
        raise NotDelivered(f"{why}; next try in {seconds:.0f} s")

    def _away(self, why: str) -> None:
        self._why, self._was_away = why, True

    def came_back(self) -> bool:
        """Whether it was away and is back; true once."""
        back = self._was_away and not self._why
        self._was_away = self._was_away and not back
        return back


def remaining_s(body: str) -> float:
    """How long a block still lasts, from the text of its answer [s].

    >>> remaining_s('{"LL": {"value": "Blocked, 240 seconds remaining", "Code": "403"}}')
    240.0
    """
    before_unit = re.search(r"(\d{1,6})\s*s(?:ec|\b)", body, re.ASCII | re.IGNORECASE)
    numbers = [int(text) for text in re.findall(r"\d{1,6}", body, re.ASCII) if int(text) != BLOCKED]
    found = int(before_unit[1]) if before_unit else numbers[0] if len(numbers) == 1 else 0
    return min(float(found), LONGEST_BLOCK_S) or BLOCKED_S
