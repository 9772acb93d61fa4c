"""What a house's history teaches."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Learned:
    """What a learner hands over."""

    content: Mapping[str, Any]
    """Plain data, which only the learner understands."""
    learned_from: datetime
    learned_until: datetime
    metrics: Mapping[str, float]
    """Errors on days that it was not learned from; names end in the unit."""
