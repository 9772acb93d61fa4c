"""`python -m grafana [CURRENCY [ZONE]]` writes the files; `python -m grafana pictures` draws them from a week."""

import sys
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .boards import CURRENCY, FOLDER, ZONE, files


def main(words: list[str]) -> None:
    if words == ["pictures"]:
        from .pictures import draw_all

        draw_all(Path(__file__).parents[1] / "docs" / "images" / "grafana")
        return
    currency, zone = (words + [CURRENCY, ZONE][len(words) :])[:2]
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        sys.exit(f"time zone: found {zone!r}; allowed: a name such as {ZONE}, as [site] timezone has it")
    for name, text in files(currency, zone).items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
