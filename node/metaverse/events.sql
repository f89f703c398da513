-- The chain of events: who did what, when, each row bound to the one before.
CREATE TABLE event (
    seq    INTEGER NOT NULL PRIMARY KEY,
    at     TEXT NOT NULL,
    name   TEXT NOT NULL,
    actor  TEXT NOT NULL,
    fields TEXT NOT NULL,
    prev   BLOB NOT NULL,
    hash   BLOB NOT NULL
) STRICT;

-- Its two ends: the last event that was dropped (seq 0: none) and the newest.
CREATE TABLE event_end (
    name   TEXT NOT NULL PRIMARY KEY CHECK (name IN ('floor', 'head')),
    seq    INTEGER NOT NULL,
    hash   BLOB NOT NULL
) STRICT;
