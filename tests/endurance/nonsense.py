"""Payloads and registers that nobody should send, from a seed."""

import json
import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

LONG = 3000
DEEP = 400
NUMBERS = (math.nan, math.inf, -math.inf, 1e308, -1e308, -1.0, 0.0, 1e12, 5e-324, 2**63, -(2**31))
VALUES: Sequence[Any] = (*NUMBERS, None, True, False, "", "on", "NaN", "-", "21,5", "\x00", "x" * LONG, [], {}, [[]])
REGISTERS = (0, 1, 2, 255, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF)


class Nonsense:
    """An endless supply; the same seed gives the same."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 (no secret)

    def payload(self, like: Mapping[str, Any] | None = None) -> bytes:
        """Something that is no message: broken text, or an object whose values are not what they should be.

        :param like: the keys of a good message.
        """
        makers = (self._bytes, self._broken_json, self._deep, self._plain, lambda: self._object(like or {}))
        return self.chance.choice(makers)()

    def registers(self, count: int) -> list[int]:
        """Words as a broken device gives them: all alike, extremes, or anything."""
        kind = self.chance.randrange(3)
        if kind == 0:
            return [self.chance.choice(REGISTERS)] * count
        if kind == 1:
            return [self.chance.choice(REGISTERS) for _ in range(count)]
        return [self.chance.randrange(0x10000) for _ in range(count)]

    def _bytes(self) -> bytes:
        return self.chance.randbytes(self.chance.choice((0, 1, 7, 60, 1000)))

    def _broken_json(self) -> bytes:
        text = json.dumps({"device": "inverter", "value": [1, 2], "temperature": 21.0, "success": True})
        return text[: self.chance.randrange(1, len(text) - 1)].encode()

    def _deep(self) -> bytes:
        return b"[" * self.chance.randrange(2, DEEP) + b"]" * self.chance.randrange(DEEP)

    def _plain(self) -> bytes:
        return json.dumps(self.chance.choice(VALUES)).encode()

    def _object(self, like: Mapping[str, Any]) -> bytes:
        keys = [*like, "extra", ""]
        found = {**like, **{self.chance.choice(keys): self.chance.choice(VALUES) for _ in range(3)}}
        for key in self.chance.sample(keys, k=min(len(keys), 2)):
            found.pop(key, None)
        return json.dumps(found).encode()

    def faulty(self, good: Mapping[str, Any], needed: Sequence[str], wrong: Mapping[str, Sequence[Any]]) -> bytes:
        """A message with at least one fault that makes it one to refuse, and perhaps more.

        :param needed: keys without which it says nothing.
        :param wrong: by key, values that are not allowed.
        """
        kind = self.chance.randrange(5)
        if kind == 0:
            return self.payload()
        found = dict(good)
        if kind == 1:
            del found[self.chance.choice(list(needed))]
        elif kind == 2:
            found[f"k{self.chance.randrange(1000)}"] = self.chance.choice(VALUES)
        else:
            key = self.chance.choice(list(wrong))
            found[key] = self.chance.choice(list(wrong[key]))
        return json.dumps(found).encode()
