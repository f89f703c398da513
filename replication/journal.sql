-- The journal of a state file: what happened to its replicated tables, in the
-- same transactions that did it. None of these three tables is replicated.
CREATE TABLE journal (
    seq        INTEGER NOT NULL PRIMARY KEY,
    generation INTEGER NOT NULL,
    epoch      INTEGER NOT NULL,
    level      INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    pre_sum    BLOB NOT NULL CHECK (length(pre_sum) = 32),
    post_sum   BLOB NOT NULL CHECK (length(post_sum) = 32),
    changeset  BLOB NOT NULL CHECK (length(changeset) > 0)
) STRICT;

-- Where each epoch began: a follower may only continue from a row of this line.
CREATE TABLE lineage (
    epoch      INTEGER NOT NULL PRIMARY KEY,
    first_seq  INTEGER NOT NULL,
    pre_sum    BLOB NOT NULL CHECK (length(pre_sum) = 32)
) STRICT;

-- Where we are. No row: the first load has not ended, nothing is captured yet.
CREATE TABLE journal_state (
    one        INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    generation INTEGER NOT NULL,
    epoch      INTEGER NOT NULL,
    level      INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    post_sum   BLOB NOT NULL CHECK (length(post_sum) = 32)
) STRICT;
