"""How a simulated Modbus device or the gateway before it misbehaves on the wire (protocols E.1)."""

import random
import struct
from dataclasses import dataclass

from pems_core.clock import Clock

from .traps import Traps


@dataclass(frozen=True, slots=True)
class WireTrapTerms:
    """By how much each trap is played; the defaults are those of protocols E.1."""

    replay_share: float = 1 / 3
    """Trap 7: of the reads that are answered with an old frame of 125 registers."""
    wrong_lengths: tuple[int, ...] = (2, 125)
    """Trap 8: how many registers come instead, in turn."""
    late_s: float = 4.0
    """Trap 10: by how much one answer is late [s of the wall, as timeouts are]."""
    behind_s: float = 0.05
    """Trap 10: what comes between the late answer and each that was held up behind it [s of the wall]."""
    idle_s: float = 60.0
    """Trap 12: after how long without a request the gateway forgets a connection [s of the clock]."""
    noise_share: float = 1 / 3
    """Trap 13: of the answers into which the second master talks."""
    least_period_s: float = 0.85
    """Trap 14: a request sooner after another is not answered [s of the clock]."""
    hang_connections: int | None = None
    """Trap 15: after so many new connections the gateway works again; None: only when the trap is cleared."""


class WireTraps:
    """What the traps that play now make of a request and of its answer."""

    def __init__(self, clock: Clock, traps: Traps, terms: WireTrapTerms, seed: int) -> None:
        self.terms = terms
        self._clock = clock
        self._traps = traps
        self._random = random.Random(seed)  # noqa: S311  # repeatable misbehaviour, no secret
        self._old: list[bytes] = []
        self._lengths = 0
        self._late_played = False
        self._hanging_since_connection: int | None = None
        self._last_request_s: float | None = None

    def too_fast(self) -> bool:
        """Trap 14; to be asked at each request."""
        now_s = self._clock.elapsed_s()
        before_s, self._last_request_s = self._last_request_s, now_s
        return "14" in self._traps and before_s is not None and now_s - before_s < self.terms.least_period_s

    def hangs(self, connections: int) -> bool:
        """Trap 15.

        :param connections: how many there have been in all.
        """
        if "15" not in self._traps:
            self._hanging_since_connection = None
            return False
        if self._hanging_since_connection is None:
            self._hanging_since_connection = connections
        allowed = self.terms.hang_connections
        return allowed is None or connections - self._hanging_since_connection < allowed

    def forgot(self, idle_s: float) -> bool:
        """Trap 12."""
        return "12" in self._traps and idle_s > self.terms.idle_s

    def loses_answer(self, *, write: bool) -> bool:
        """Trap 11."""
        return write and "11" in self._traps

    def late_s(self) -> float:
        """Trap 10, once each time that it is set."""
        if "10" not in self._traps:
            self._late_played = False
            return 0.0
        if self._late_played:
            return 0.0
        self._late_played = True
        return self.terms.late_s

    def talks_over(self) -> bool:
        """Trap 13."""
        return "13" in self._traps and self._random.random() < self.terms.noise_share

    def noise(self) -> bytes:
        """What a second master leaves on the bus in place of an answer; nothing if it only damages it."""
        return self._random.randbytes(self._random.choice((0, 7, 40)))

    def read_answer(self, words: bytes) -> bytes:
        """Traps 7 and 8: the registers that are sent instead of these."""
        if "7" in self._traps and self._random.random() < self.terms.replay_share:
            return self._old_frame()
        if "8" in self._traps:
            self._lengths += 1
            count = self.terms.wrong_lengths[self._lengths % len(self.terms.wrong_lengths)]
            return (words * count)[: 2 * count]
        self._old = [*self._old[-24:], words]
        return words

    def write_echo(self, body: bytes) -> bytes:
        """Trap 9: the last word of an echo is of something else."""
        if "9" not in self._traps:
            return body
        (word,) = struct.unpack(">H", body[-2:])
        return body[:-2] + struct.pack(">H", word ^ 1)

    def _old_frame(self) -> bytes:
        """125 registers that were so once."""
        past = b"".join(self._old) or b"\x00\x07"
        return (past * 250)[:250]
