CREATE TABLE houses (
    id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE, sections BLOB NOT NULL
);
CREATE TABLE cycles (
    number INTEGER PRIMARY KEY, at INTEGER NOT NULL, house INTEGER NOT NULL, rung TEXT NOT NULL, cost REAL NOT NULL,
    bound REAL, executed_cost REAL, solve_s REAL NOT NULL, lengths TEXT NOT NULL, told BLOB NOT NULL,
    inputs BLOB, plan BLOB
);
CREATE INDEX cycles_at ON cycles (at);
CREATE TABLE forecasts (
    id INTEGER PRIMARY KEY, cycle INTEGER NOT NULL, at INTEGER NOT NULL, series TEXT NOT NULL, source TEXT NOT NULL,
    issued INTEGER NOT NULL, means BLOB NOT NULL, quantiles BLOB
);
CREATE INDEX forecasts_series ON forecasts (series, at);
CREATE INDEX forecasts_cycle ON forecasts (cycle);
CREATE TABLE names (id INTEGER PRIMARY KEY, names TEXT NOT NULL UNIQUE);
CREATE TABLE telemetry (
    start INTEGER PRIMARY KEY, length INTEGER NOT NULL, names INTEGER NOT NULL, means BLOB NOT NULL
);
CREATE TABLE changes (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, point TEXT NOT NULL, value TEXT NOT NULL);
CREATE INDEX changes_at ON changes (at);
CREATE TABLE commands (
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL, device TEXT NOT NULL, control TEXT NOT NULL, command TEXT NOT NULL,
    stage TEXT NOT NULL, transport TEXT NOT NULL, address TEXT NOT NULL, payload TEXT NOT NULL, reason TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX commands_at ON commands (at);
CREATE TABLE events (
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, content TEXT NOT NULL
);
CREATE INDEX events_at ON events (at);
CREATE TABLE days (day TEXT PRIMARY KEY, made_at INTEGER NOT NULL, content TEXT NOT NULL)
