"""`python -m grafana [CURRENCY]` writes the files; `python -m grafana pictures` draws them from a simulated week."""

import sys
from pathlib import Path

from .boards import CURRENCY, FOLDER, files


def main(words: list[str]) -> None:
    if words == ["pictures"]:
        from .pictures import draw_all

        draw_all(Path(__file__).parents[1] / "docs" / "images" / "grafana")
        return
    for name, text in files(*words[:1] or [CURRENCY]).items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
