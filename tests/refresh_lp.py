"""`python -m tests.refresh_lp`: write the expected LP texts anew, on purpose; then read what has changed."""

from .lp_cases import CASES, FOLDER, expected, lp_text


def refresh() -> None:
    """Write one text for each case, and remove those of cases that are gone."""
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.lp"):
        if old.stem not in CASES:
            old.unlink()
    for name, case in CASES.items():
        expected(name).write_text(lp_text(case().model()))


if __name__ == "__main__":
    refresh()
