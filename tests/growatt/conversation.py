"""The wire as text: a Modbus line whose conversation is written down beforehand."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from pems_core.domain import NotDelivered
from pems_core.transport.lines import Space

Exchange = tuple[str, Sequence[int] | NotDelivered | None]
"""What is asked, such as "read holding 1070 39" or "write 1100 = 3075 3330 1", and the answer or what goes wrong."""


class Conversation:
    """A `ModbusLine` that hears these requests, all of them, in this order."""

    def __init__(self, *expected: Exchange) -> None:
        self._expected = list(expected)

    async def read(self, space: Space, address: int, count: int) -> tuple[int, ...]:
        answer = self._answer(f"read {space} {address} {count}")
        assert answer is not None
        assert len(answer) == count, f"{address}: the answer that is written down has {len(answer)} words, not {count}"
        return tuple(answer)

    async def write(self, address: int, values: Sequence[int], *, single: bool = False) -> None:
        function = "write one" if single else "write"
        self._answer(f"{function} {address} = {' '.join(map(str, values))}")

    def _answer(self, request: str) -> Sequence[int] | None:
        assert self._expected, f"{request!r} was not expected any more"
        expected, answer = self._expected.pop(0)
        assert request == expected
        if isinstance(answer, NotDelivered):
            raise answer
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            assert not self._expected, f"never asked: {self._expected}"
