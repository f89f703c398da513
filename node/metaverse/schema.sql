-- state.db, schema level 1: everything that both nodes of a pair must have.
-- Every table is STRICT, has an explicit NOT NULL primary key, no trigger, no
-- cascade and no generated column, so that session changesets carry it whole.
-- Indexes are local conveniences: they may differ between levels.

-- Numbers that only grow: the next object id, change number, intent, batch.
CREATE TABLE counter(
  name TEXT NOT NULL PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What decides how state was computed, as bytes: rules fingerprint, run date.
CREATE TABLE setting(
  name TEXT NOT NULL PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- A connected source and how far it was read. Committed with, or after, the
-- last row that the cookie covers.
CREATE TABLE source(
  id INTEGER NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  cookie BLOB NOT NULL,
  fingerprint BLOB NOT NULL,
  object_count INTEGER NOT NULL, -- at the last complete enumeration
  complete_at INTEGER NOT NULL   -- when that was, seconds since 1970; 0: never
) STRICT;

-- Connector space of the sources: what we last saw of each object.
-- The DN is not stored: it is the chain of rdn from parent_key to dn_key.
CREATE TABLE source_object(
  id INTEGER NOT NULL PRIMARY KEY,
  source_id INTEGER NOT NULL,
  anchor TEXT NOT NULL,
  dn_key BLOB NOT NULL,
  parent_key BLOB NOT NULL,
  rdn TEXT NOT NULL,
  packed BLOB NOT NULL, -- proto Entry; references are in source_link
  hash BLOB NOT NULL,   -- of all the above and the links: equal is unchanged
  gone INTEGER NOT NULL, -- 1: the source has lost it, not yet synchronized
  changed INTEGER NOT NULL -- change number: greater than synchronized is due
) STRICT;
CREATE UNIQUE INDEX source_object_anchor ON source_object(source_id, anchor);
CREATE INDEX source_object_dn ON source_object(dn_key);
CREATE INDEX source_object_parent ON source_object(parent_key);
CREATE INDEX source_object_changed ON source_object(changed);

-- One DN-valued reference of a source object. One row a member, so that one
-- changed member of a group of 250,000 costs one row here and in the journal.
CREATE TABLE source_link(
  object_id INTEGER NOT NULL,
  attribute TEXT NOT NULL,
  dn_key BLOB NOT NULL,
  dn TEXT NOT NULL, -- as the source printed it, for people
  PRIMARY KEY(object_id, attribute, dn_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX source_link_dn ON source_link(dn_key);

-- The joined, authoritative picture: one row a person or group.
CREATE TABLE metaverse(
  id INTEGER NOT NULL PRIMARY KEY,
  kind INTEGER NOT NULL,
  anchor TEXT NOT NULL, -- chosen at the first sight, outlives its source object
  presence INTEGER NOT NULL, -- enum object_presence
  packed BLOB NOT NULL, -- flowed values, proto Entry
  once BLOB NOT NULL,   -- values for creation only, proto Entry
  changed INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX metaverse_anchor ON metaverse(anchor, kind);
CREATE INDEX metaverse_changed ON metaverse(changed);

-- Which source objects make up which metaverse object.
CREATE TABLE joined(
  object_id INTEGER NOT NULL PRIMARY KEY,
  metaverse_id INTEGER NOT NULL,
  kind INTEGER NOT NULL, -- of the metaverse object, which never changes it
  source_id INTEGER NOT NULL -- of the source object, likewise
) STRICT;
CREATE INDEX joined_metaverse ON joined(metaverse_id);

-- Values by which a second source finds its metaverse object; only for paths
-- that a rule names in `join`.
CREATE TABLE join_value(
  metaverse_id INTEGER NOT NULL,
  path TEXT NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY(metaverse_id, path, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX join_value_value ON join_value(path, value);

-- owner's reference to member, as wanted by the sources and as held by the
-- target. The two differ: an export is due.
CREATE TABLE reference(
  owner_id INTEGER NOT NULL,
  path TEXT NOT NULL,
  member_id INTEGER NOT NULL,
  wanted INTEGER NOT NULL, -- how many source links say so
  held INTEGER NOT NULL,   -- 1: the target has it
  PRIMARY KEY(owner_id, path, member_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX reference_member ON reference(member_id);
CREATE INDEX reference_due ON reference(owner_id, path, member_id)
  WHERE (wanted > 0) <> held;
CREATE INDEX reference_lost ON reference(owner_id, path, member_id)
  WHERE wanted = 0 AND held = 1;

-- Connector space of the target: what we last saw of each object there.
CREATE TABLE target_object(
  target_id TEXT NOT NULL PRIMARY KEY,
  kind INTEGER NOT NULL,
  anchor TEXT NOT NULL, -- externalId; '' when it carries none
  match_value TEXT NOT NULL, -- folded, of one that is not ours; '' when of no use
  etag TEXT NOT NULL,
  metaverse_id INTEGER, -- NULL: not ours, known for matching
  active INTEGER NOT NULL, -- 0: deactivated by us
  sent BLOB NOT NULL, -- the values last confirmed there, as we wanted them
  seen BLOB -- the same as the target shows them; NULL: not known; 00: as sent
) STRICT;
CREATE UNIQUE INDEX target_object_metaverse ON target_object(metaverse_id)
  WHERE metaverse_id IS NOT NULL;
CREATE INDEX target_object_anchor ON target_object(anchor)
  WHERE anchor <> '' AND metaverse_id IS NULL;
CREATE INDEX target_object_match ON target_object(match_value)
  WHERE match_value <> '' AND metaverse_id IS NULL;

-- What we created, adopted or found at the target: all that we may ever delete.
CREATE TABLE ledger(
  kind INTEGER NOT NULL,
  anchor TEXT NOT NULL,
  target_id TEXT NOT NULL,
  provenance INTEGER NOT NULL, -- enum ledger_provenance
  since INTEGER NOT NULL,
  PRIMARY KEY(kind, anchor)
) STRICT, WITHOUT ROWID;

-- An export that is decided and durable, not yet confirmed.
CREATE TABLE intent(
  id INTEGER NOT NULL PRIMARY KEY,
  phase INTEGER NOT NULL, -- enum intent_phase: the order of writes
  verb INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  metaverse_id INTEGER NOT NULL,
  anchor TEXT NOT NULL,
  target_id TEXT NOT NULL, -- '' for a creation
  before BLOB NOT NULL, -- hash of what the target had
  after BLOB NOT NULL,  -- hash of what it is to have
  batch INTEGER NOT NULL, -- 0: never sent; else in doubt until confirmed
  doubt_since INTEGER NOT NULL -- seconds since 1970, when batch > 0
) STRICT;
CREATE UNIQUE INDEX intent_object ON intent(metaverse_id);
CREATE INDEX intent_due ON intent(phase, id) WHERE batch = 0;
CREATE INDEX intent_doubt ON intent(id) WHERE batch > 0;

-- Objects that could not be brought in step, and why.
CREATE TABLE object_error(
  kind INTEGER NOT NULL,
  anchor TEXT NOT NULL,
  stage TEXT NOT NULL, -- rules | join | export
  path TEXT NOT NULL,
  text TEXT NOT NULL,
  after BLOB NOT NULL, -- export: the wanted state that was refused
  first_at INTEGER NOT NULL,
  retry_at INTEGER NOT NULL,
  PRIMARY KEY(kind, anchor, stage, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX object_error_retry ON object_error(retry_at);

INSERT INTO counter VALUES('object', 0), ('change', 0), ('intent', 0),
  ('batch', 0), ('synchronized', 0), ('compared', 0);
