-- local.db: what belongs to this node alone. Never replicated, never in a
-- snapshot: a copy of it on another node would be a lie.
CREATE TABLE identity (
    one        INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    cluster    TEXT NOT NULL,
    node       TEXT NOT NULL,
    machine    TEXT NOT NULL, -- '' when the host has no machine id
    boot       TEXT NOT NULL, -- a new random id for every start
    starts     INTEGER NOT NULL,
    epoch      INTEGER NOT NULL, -- the highest that was ever seen
    generation INTEGER NOT NULL  -- likewise
) STRICT;

CREATE TABLE run (
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    kind        TEXT NOT NULL,
    started     TEXT NOT NULL,
    finished    TEXT,
    duration_ms INTEGER,
    result      TEXT,
    counts      TEXT NOT NULL
) STRICT;

CREATE TABLE setting (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
