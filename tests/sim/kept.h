/*
 * kept -- what SQLite has compiled outlives a simulated process.
 *
 * Most of a seed's time went into parsing the same SQL and the same schema
 * again: at each start of a node, and within SQLite's session extension at each
 * transaction. Here the calls of SQLite that open, close, prepare, run and
 * finalize stand in front of the library's own (its internal calls come by,
 * too, since the library is a shared one), and hand out again what is idle:
 *
 *   a statement   when its text is prepared again on the same connection. It
 *                 was reset and its bindings cleared, which is all that
 *                 finalize and prepare would have done to what it answers;
 *                 SQLite itself compiles it anew when the schema has changed.
 *   a connection  when its path is opened again after its process died. Its
 *                 files are the new process's, its shared memory is zeroed as
 *                 the first opener of a real one finds it: so SQLite recovers
 *                 the log and drops every page that it knew.
 *
 * The product's code sees no difference: it opens, checks and prepares as ever.
 *
 * Invariants:
 *   P1  a connection is kept only when it was idle, all of its statements were
 *       finalized, and no call on its files has failed.
 *   P2  one that is the last on a living file is really closed: SQLite then
 *       writes the log back and deletes it.
 *   P3  what a seed does is the same with kept connections and without:
 *       simulate --twice.
 */
#ifndef TESTS_SIM_KEPT_H
#define TESTS_SIM_KEPT_H

#include <stdbool.h>

struct kept_figures {
    unsigned long opened, revived;    /* connections */
    unsigned long prepared, repeated; /* statements */
};
struct kept_figures kept_figures(void);
/* Really close what is idle. */
void kept_drop(void);

#endif
