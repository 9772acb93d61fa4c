"""Where the ledger is."""

LEDGER = "ledger.sqlite3"
"""In the state folder."""
