"""Where it is kept what sources have told; imports nothing, so that `pems stop` is not kept waiting."""

FILE = "sources.sqlite3"
