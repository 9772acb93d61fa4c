"""Names of MQTT topics, and filters that match them (MQTT 3.1.1, section 4.7)."""

MOST_BYTES = 65535


def topic_fault(topic: str) -> str:
    """Why nothing can be published to `topic`; empty if it can."""
    if any(mark in topic for mark in "+#"):
        return "found + or #; allowed: a topic without wildcards"
    return _text_fault(topic)


def filter_fault(topic_filter: str) -> str:
    """Why nobody can subscribe to `topic_filter`; empty if one can.

    >>> filter_fault("energy/#"), filter_fault("energy/+/result"), filter_fault("energy#")
    ('', '', 'found # or + beside other characters, or # before the end; allowed: a whole level, # as the last')
    """
    levels = topic_filter.split("/")
    mixed = any(len(level) > 1 and ("+" in level or "#" in level) for level in levels)
    if mixed or "#" in levels[:-1]:
        return "found # or + beside other characters, or # before the end; allowed: a whole level, # as the last"
    return _text_fault(topic_filter)


def _text_fault(name: str) -> str:
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "found text that is not Unicode; allowed: UTF-8"
    if not 1 <= size <= MOST_BYTES:
        return f"found {size} bytes; allowed: 1 to {MOST_BYTES}"
    # Section 1.5.3 forbids U+0000 and lets a broker cut off a client that sends control or non-characters;
    # Mosquitto does so.
    if any(_breaks_off(character) for character in name):
        return "found a control or non-character; allowed: characters that a broker takes"
    return ""


def _breaks_off(character: str) -> bool:
    point = ord(character)
    return point < 0x20 or 0x7F <= point <= 0x9F or 0xFDD0 <= point <= 0xFDEF or point & 0xFFFE == 0xFFFE


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a topic falls under a filter.

    >>> matches("energy/solar/#", "energy/solar"), matches("energy/+", "energy/solar/result"), matches("#", "$SYS/x")
    (True, False, False)
    """
    wanted, levels = topic_filter.split("/"), topic.split("/")
    # What begins with $ is the broker's own, and falls under no wildcard in the first place.
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    if wanted[-1] == "#":
        wanted.pop()
        levels = levels[: len(wanted)]
    return len(wanted) == len(levels) and all(w in ("+", level) for w, level in zip(wanted, levels, strict=True))
