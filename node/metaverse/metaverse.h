/*
 * metaverse -- the store of everything that both nodes must know.
 *
 * One SQLite file (schema.sql) with, in the order in which data flows:
 *
 *   source_object, source_link   connector space: what a source showed us
 *   metaverse, joined            the joined picture, by anchor
 *   reference                    who refers to whom: wanted and held
 *   target_object                connector space: what the target showed us
 *   ledger                       what we may ever delete there
 *   intent                       decided, durable, not yet confirmed
 *   claim                        values that the target allows once
 *   hold, hold_item, hold_list   what the guard keeps back, and what was shown
 *   approval, decision           what operators released, and who said so
 *   spent, extent                the guard's sliding windows
 *   plan, plan_item              previews that may be carried out as shown
 *   lost_attribute               what objects lost, too many at once
 *   stranger, nesting            unknown members; groups below groups
 *   appointment                  objects to look at when their time has come
 *   object_error                 what could not be done, and why
 *
 * One header a table group: connector.h, object.h, reference.h, claim.h,
 * target_space.h, intent.h, hold.h, approval.h, appointment.h, problem.h. None
 * of them decides anything: the rules of synchronization are in node/engine.
 *
 * Every writing function is called within a transaction of the caller
 * (replication/journal.h, or db_begin for a generation that is being built).
 * A store belongs to one thread, the only one that writes.
 */
#ifndef NODE_METAVERSE_METAVERSE_H
#define NODE_METAVERSE_METAVERSE_H

#include "node/base/hash.h"
#include "node/db/db.h"

#define METAVERSE_STATEMENTS_MAX 512

/* Which source attribute becomes which reference path, per kind of owner. */
struct metaverse_reference_path {
    int kind;
    const char *attribute; /* compared without regard to case */
    const char *path;
    bool flatten;       /* `nested: flatten`: nesting.h; one path only */
    bool omit_groups;   /* `nested: omit`: members of kind group do not count */
    bool single_valued; /* at the target: a new one replaces the old one */
    bool additive;      /* what somebody else added there is left alone */
    bool reported;      /* `foreign-edits: report`: it is only told */
};

/* A path of which the target allows every value once, per kind; claim.h. */
struct metaverse_unique_path {
    int kind;
    const char *path;
    bool case_exact; /* else values are compared without regard to case */
    bool required;   /* no object of the kind can be without it */
};

/* Which links may be told to the target while only a plan may be carried out:
 * the SQL function link_allowed(owner_id, path, member_id, add) of reference.c
 * asks it; without one, all may. */
struct metaverse_link_filter {
    bool (*allows)(void *context, int64_t owner, struct ts_slice path,
                   int64_t member, bool add);
    bool (*allows_stranger)(void *context, int64_t owner, struct ts_slice path,
                            struct ts_slice target_id); /* stranger.h */
    void *context;
};

/* A prepared statement, found again by the address of its text. */
struct metaverse_statement {
    const char *sql;
    sqlite3_stmt *stmt;
};

/* An index that indexes_drop() took away; see indexes.h. */
struct metaverse_index {
    char name[64], table[64], sql[256];
};

struct metaverse {
    struct db db;
    size_t index_count;
    struct metaverse_index indexes[64];
    /* Set by the engine before the first write; borrowed. */
    const struct metaverse_reference_path *reference_paths;
    size_t reference_path_count;
    const struct metaverse_unique_path *unique_paths;
    size_t unique_path_count;
    bool claims_later; /* claims are counted at once, when all is loaded */
    int64_t *change;   /* where change numbers are drawn; NULL: none are */
    int group_kind;
    const struct metaverse_link_filter *link_filter; /* NULL: none */
    struct ts_slice dummies; /* DN keys, one behind the other: never members */
    size_t statement_count;
    struct metaverse_statement statements[METAVERSE_STATEMENTS_MAX];
};

/* The SQL that brings an empty file to schema level 1, then to 2. Whoever opens
 * the file adds its own tables. */
#define METAVERSE_LEVELS 2
extern const char *const metaverse_sql[METAVERSE_LEVELS];
/* Every table that is replicated, and so captured by the journal; ends in
 * NULL. */
extern const char *const metaverse_tables[];

/* Open the file; see db_open for errors. _kept: at the level that it has, of
 * which METAVERSE_LEVEL_LEAST is the oldest that this program reads and writes.
 */
#define METAVERSE_LEVEL_LEAST 2
TS_MUSTUSE enum ts_code metaverse_open(const char *path, enum db_mode mode,
                                       const struct db_schema *schema,
                                       struct metaverse **ret_mv,
                                       struct ts_err *err);
TS_MUSTUSE enum ts_code metaverse_open_kept(const char *path, enum db_mode mode,
                                            const struct db_schema *schema,
                                            struct metaverse **ret_mv,
                                            struct ts_err *err);
/* NULL is fine. */
void metaverse_close(struct metaverse *mv);

/* The statement for `sql`, prepared on first use, with its parameters bound.
 * `sql` must be a string constant of the program: its address is the key. Do
 * not finalize. What the values point to must stay until the next reset. */
TS_MUSTUSE enum ts_code metaverse_query(struct metaverse *mv, const char *sql,
                                        struct db_values values,
                                        sqlite3_stmt **ret_stmt,
                                        struct ts_err *err);
/* A statement without rows. */
TS_MUSTUSE enum ts_code metaverse_run(struct metaverse *mv, const char *sql,
                                      struct db_values values,
                                      struct ts_err *err);
/* The first row, or *ret_stmt = NULL when there is none. The caller resets it
 * with db_reset when the columns have been read. */
TS_MUSTUSE enum ts_code metaverse_row(struct metaverse *mv, const char *sql,
                                      struct db_values values,
                                      sqlite3_stmt **ret_stmt,
                                      struct ts_err *err);

/* Numbers that only grow; names are those of schema.sql's first insert. */
TS_MUSTUSE enum ts_code metaverse_counter(struct metaverse *mv,
                                          const char *name, int64_t *ret_value,
                                          struct ts_err *err);
TS_MUSTUSE enum ts_code metaverse_set_counter(struct metaverse *mv,
                                              const char *name, int64_t value,
                                              struct ts_err *err);

/* Small facts by name; TS_E_NOT_FOUND when never set. Copied into `ret_value`,
 * which holds `size_max` bytes; *ret_size tells how many. */
TS_MUSTUSE enum ts_code metaverse_setting(struct metaverse *mv,
                                          const char *name, void *ret_value,
                                          size_t size_max, size_t *ret_size,
                                          struct ts_err *err);
TS_MUSTUSE enum ts_code metaverse_set_setting(struct metaverse *mv,
                                              const char *name,
                                              struct ts_slice value,
                                              struct ts_err *err);

#endif
