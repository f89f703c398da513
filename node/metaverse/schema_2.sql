-- state.db, schema level 2: staging, guard, holds, plans, policies. Brings a
-- store of level 1 (schema.sql) here; a new one is made by both in turn.

-- When and why an object ceased to be in scope or at any source.
ALTER TABLE metaverse ADD COLUMN left_at INTEGER NOT NULL DEFAULT 0; -- 0: in
ALTER TABLE metaverse ADD COLUMN left_by TEXT NOT NULL DEFAULT '';
  -- out of scope: the term of `when` that became false

-- May it be sent? Nothing leaves before the guard has seen it.
ALTER TABLE intent ADD COLUMN classes INTEGER NOT NULL DEFAULT 0;
  -- bits of enum intent_class: what the guard counts it as
ALTER TABLE intent ADD COLUMN clearance INTEGER NOT NULL DEFAULT 0;
  -- enum intent_clearance
DROP INDEX intent_due;
CREATE INDEX intent_due ON intent(phase, id) WHERE batch = 0 AND clearance = 1;
CREATE INDEX intent_unchecked ON intent(id) WHERE batch = 0 AND clearance = 0;
CREATE INDEX intent_kept ON intent(id) WHERE batch = 0 AND clearance > 1;
CREATE INDEX intent_adoption ON intent(target_id) WHERE verb = 5; -- adopt

ALTER TABLE target_object ADD COLUMN created TEXT NOT NULL DEFAULT '';
  -- when, as the target says
ALTER TABLE target_object ADD COLUMN inactive_since INTEGER NOT NULL DEFAULT 0;
  -- we deactivated it then; 0: we did not
ALTER TABLE target_object ADD COLUMN shielded INTEGER NOT NULL DEFAULT 0;
  -- 1: administrator, service identity, ourselves: never matched
ALTER TABLE target_object ADD COLUMN disowned INTEGER NOT NULL DEFAULT 0;
  -- 1: an operator said that it is not ours
ALTER TABLE target_object ADD COLUMN keeps_strangers INTEGER NOT NULL DEFAULT 0;
  -- enum stranger_policy: 1: an adopted group whose unknown members stay

-- What the guard keeps back: one row a reason, until it is decided.
CREATE TABLE hold(
  id INTEGER NOT NULL PRIMARY KEY,
  class INTEGER NOT NULL, -- enum hold_class
  kind INTEGER NOT NULL,
  detail TEXT NOT NULL, -- term, attribute; '' where there is none
  text TEXT NOT NULL,   -- one sentence: why
  since INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX hold_reason ON hold(class, kind, detail);

-- What it keeps back, in the order in which it came.
CREATE TABLE hold_item(
  hold_id INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  anchor TEXT NOT NULL,
  verb INTEGER NOT NULL, -- enum intent_verb
  amount INTEGER NOT NULL, -- of writes: members that a group loses; else 1
  seq INTEGER NOT NULL,  -- counter "item"
  since INTEGER NOT NULL,
  PRIMARY KEY(hold_id, kind, anchor)
) STRICT, WITHOUT ROWID;
CREATE INDEX hold_item_object ON hold_item(kind, anchor);

-- Lists that were shown: an approval names one, and so exactly its items.
CREATE TABLE hold_list(
  hash TEXT NOT NULL PRIMARY KEY,
  hold_id INTEGER NOT NULL,
  last_seq INTEGER NOT NULL, -- items up to here
  items INTEGER NOT NULL,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What an operator released or the guard has counted: it passes until it is
-- carried out, or expires.
CREATE TABLE approval(
  kind INTEGER NOT NULL,
  anchor TEXT NOT NULL,
  verb INTEGER NOT NULL,
  hold_class INTEGER NOT NULL,
  amount INTEGER NOT NULL, -- as of hold_item
  expires_at INTEGER NOT NULL,
  PRIMARY KEY(kind, anchor, hold_class)
) STRICT, WITHOUT ROWID;

-- What operators decided, who and why.
CREATE TABLE decision(
  id INTEGER NOT NULL PRIMARY KEY,
  at INTEGER NOT NULL,
  what TEXT NOT NULL, -- approve | reject | plan | reanchor | adopt-members...
  subject TEXT NOT NULL, -- hash or object
  items INTEGER NOT NULL,
  actor TEXT NOT NULL,
  reason TEXT NOT NULL
) STRICT;

-- Writes that passed the guard, by hour: the sliding window.
CREATE TABLE spent(
  hour INTEGER NOT NULL, -- since 1970
  class INTEGER NOT NULL, -- enum hold_class
  kind INTEGER NOT NULL,
  subject TEXT NOT NULL, -- a group's anchor for its members; '' otherwise
  amount INTEGER NOT NULL,
  PRIMARY KEY(hour, class, kind, subject)
) STRICT, WITHOUT ROWID;
-- How much there was when an hour began, for percentages.
CREATE TABLE extent(
  hour INTEGER NOT NULL,
  class INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  subject TEXT NOT NULL,
  amount INTEGER NOT NULL,
  PRIMARY KEY(hour, class, kind, subject)
) STRICT, WITHOUT ROWID;

-- A preview that may be carried out as it was shown.
CREATE TABLE plan(
  id INTEGER NOT NULL PRIMARY KEY,
  hash TEXT NOT NULL,
  effect BLOB NOT NULL, -- fingerprint of the configuration that it follows
  at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX plan_hash ON plan(hash);
CREATE TABLE plan_item(
  plan_id INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  anchor TEXT NOT NULL,
  verb INTEGER NOT NULL,
  content BLOB NOT NULL, -- hash of what is to be written
  links BLOB NOT NULL,   -- sorted 8-byte hashes of the links that change
  state INTEGER NOT NULL, -- enum plan_item_state
  PRIMARY KEY(plan_id, kind, anchor)
) STRICT, WITHOUT ROWID;

-- Source attributes that objects have lost in the present run, or, confirmed,
-- in one that lost too many at once. Goes when the value comes back.
CREATE TABLE lost_attribute(
  object_id INTEGER NOT NULL, -- source_object
  attribute TEXT NOT NULL,
  metaverse_id INTEGER NOT NULL, -- what it was joined to
  confirmed INTEGER NOT NULL,
  PRIMARY KEY(object_id, attribute)
) STRICT, WITHOUT ROWID;
CREATE INDEX lost_attribute_metaverse ON lost_attribute(metaverse_id);

-- Values that the target allows once: who wants them, who has them there.
CREATE TABLE claim(
  value BLOB NOT NULL, -- 16-byte hash of name space and folded value
  metaverse_id INTEGER NOT NULL,
  path TEXT NOT NULL,
  wanted INTEGER NOT NULL,
  held INTEGER NOT NULL,
  PRIMARY KEY(value, metaverse_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX claim_metaverse ON claim(metaverse_id);

-- Members that the target shows and nobody here knows of.
CREATE TABLE stranger(
  owner_id INTEGER NOT NULL,
  path TEXT NOT NULL,
  target_id TEXT NOT NULL,
  PRIMARY KEY(owner_id, path, target_id)
) STRICT, WITHOUT ROWID;

-- `nested: flatten`: which group is below another; see nesting.h.
CREATE TABLE nesting(
  owner_id INTEGER NOT NULL,
  group_id INTEGER NOT NULL,
  direct INTEGER NOT NULL,  -- how many links lead there at once
  ignored INTEGER NOT NULL, -- 1: these links would close a loop
  ways INTEGER NOT NULL,    -- how many lead there by links that count
  PRIMARY KEY(owner_id, group_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX nesting_group ON nesting(group_id);
CREATE INDEX nesting_ignored ON nesting(owner_id, group_id) WHERE ignored = 1;
CREATE INDEX nesting_void ON nesting(owner_id, group_id)
  WHERE direct = 0 AND ways = 0;
CREATE INDEX reference_void ON reference(owner_id, path, member_id)
  WHERE wanted = 0 AND held = 0;

-- Objects to look at again when their time has come: delays of deprovision.
CREATE TABLE appointment(
  metaverse_id INTEGER NOT NULL PRIMARY KEY,
  at INTEGER NOT NULL
) STRICT;
CREATE INDEX appointment_at ON appointment(at);

ALTER TABLE object_error ADD COLUMN attempts INTEGER NOT NULL DEFAULT 1;
-- Who else contends for an object of the target.
CREATE INDEX object_error_match ON object_error(after) WHERE stage = 'match';

-- A store that has exported is not staged for its first export; see staging.h.
INSERT INTO setting SELECT 'staging', x'00' WHERE EXISTS(SELECT 1 FROM ledger);

INSERT INTO counter VALUES('hold', 0), ('item', 0), ('plan', 0),
  ('decision', 0);

-- An added column is not in the rows that are there, and a changeset would take
-- it for NULL instead of its default: write them anew.
UPDATE metaverse SET left_by = left_by;
UPDATE intent SET clearance = clearance;
UPDATE target_object SET keeps_strangers = keeps_strangers;
UPDATE object_error SET attempts = attempts;
