"""The decision ledger: what was known, decided and done, kept in one SQLite file."""
