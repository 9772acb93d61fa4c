"""Values of one or more registers: big-endian, the high word at the lower address (protocols A.1 "Word order")."""

from collections.abc import Sequence

WORD = 0x10000


def unsigned_value(words: Sequence[int]) -> int:
    """
    >>> unsigned_value([1, 2])
    65538
    """
    value = 0
    for word in words:
        value = value * WORD + word
    return value


def signed_value(words: Sequence[int]) -> int:
    """As two's complement; what a document calls unsigned often is not (protocols A.1 "Data conventions", trap 20).

    >>> signed_value([0xFFFF, 0xFFFB])
    -5
    """
    value, full = unsigned_value(words), WORD ** len(words)
    return value - full if value >= full // 2 else value


def to_words(value: int, count: int = 1) -> tuple[int, ...]:
    """The registers that hold a value; a negative one as two's complement.

    :raises ValueError: if it needs more registers.

    >>> to_words(-5, 2)
    (65535, 65531)
    """
    if not -(WORD**count) // 2 <= value < WORD**count:
        raise ValueError(f"found {value}; it does not fit into {count} registers")
    return tuple((value // WORD**place) % WORD for place in reversed(range(count)))
