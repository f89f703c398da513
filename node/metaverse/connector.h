/*
 * connector -- the connector space of the sources: what we last saw.
 *
 * Import puts rows in; synchronize reads those that are due. An object that
 * the source has lost stays, marked gone, until synchronize has drawn the
 * consequences, so that a crash in between forgets nothing.
 *
 * Invariants:
 *   C1  a row whose hash is unchanged is not written.
 *   C2  links are diffed: one changed member of a group costs one row.
 *   C3  the keys of descendants follow when an ancestor is renamed, although
 *       the directory does not re-send them.
 *   C4  every change of a link or of an object's DN is passed on to the
 *       references (reference.h) in the same transaction; what an object loses
 *       is noted (loss.h) likewise.
 *   C5  what is below an entry that comes, goes or is renamed is due, where
 *       rules ask for its place (ancestry.h).
 *   C6  an object whose links were changed by connector_unlink() or by a
 *       partial row has no hash: whatever the source says of it next is looked
 * at.
 */
#ifndef NODE_METAVERSE_CONNECTOR_H
#define NODE_METAVERSE_CONNECTOR_H

#include "node/base/arena.h"
#include "node/metaverse/anchors.h"
#include "node/metaverse/loss.h"
#include "node/metaverse/metaverse.h"

#define CONNECTOR_KEY_SIZE 16

struct connector_link {
    struct ts_slice attribute, key, dn;
    bool gone; /* of a partial attribute: it is no more */
};

/* What a source says of one object. All borrowed. */
struct connector_row {
    struct ts_slice anchor, key, parent, rdn, packed, hash;
    const struct connector_link *links; /* by attribute, then key; none twice */
    size_t link_count;
    struct ts_slice partial; /* an attribute of which the links say only what
                                has changed (then there is no hash), or empty */
};

/* What is stored of one object. */
struct connector_object {
    int64_t id, source_id;
    struct ts_slice anchor, key, parent, rdn, packed;
    bool gone;
    int64_t changed;
};

/* The key of the child called `rdn` under the DN that `parent` names. */
typedef enum ts_code
connector_child_key_fn(void *context, struct ts_slice rdn,
                       const uint8_t parent[CONNECTOR_KEY_SIZE],
                       uint8_t ret_key[CONNECTOR_KEY_SIZE], struct ts_err *err);

/* A new object has the DN that `other`, of anchor `was`, has or had. All lives
 * during the call. */
typedef void connector_same_dn_fn(void *context, int64_t other,
                                  struct ts_slice was, struct ts_slice is);

/* Import's working state for one source and run. */
struct connector_writer {
    struct metaverse *mv;
    int64_t source_id;
    int64_t next_id;     /* counter "object" + 1 */
    int64_t next_change; /* counter "change" + 1 */
    connector_child_key_fn *child_key;
    void *child_key_context;
    struct anchors *anchors; /* a first load: instead of the index; else NULL */
    bool places;             /* rules ask where objects are: see ancestry.h */
    connector_same_dn_fn *on_same_dn; /* or NULL */
    void *same_dn_context;
    struct loss_watch *watch; /* for attributes that are lost; NULL: do not */
};

enum connector_change {
    CONNECTOR_SAME,
    CONNECTOR_NEW,
    CONNECTOR_CHANGED
};

/* Store what the source says (a partial row only of an object that is known);
 * numbers are drawn from the writer. *ret_id is
 * the object's id in every case. */
TS_MUSTUSE enum ts_code connector_put(struct connector_writer *writer,
                                      const struct connector_row *row,
                                      int64_t *ret_id,
                                      enum connector_change *ret_change,
                                      struct ts_err *err);
/* The id of an anchor, or 0. */
TS_MUSTUSE enum ts_code connector_find(struct connector_writer *writer,
                                       struct ts_slice anchor, int64_t *ret_id,
                                       struct ts_err *err);
/* The object of that key is gone, of a source whose keys are identities; and
 * with it, without another word from the source, whatever refers to it.
 * *ret_known: there was one. */
TS_MUSTUSE enum ts_code connector_lose(struct connector_writer *writer,
                                       struct ts_slice key, bool *ret_known,
                                       struct ts_err *err);
/* The latter alone: it was gone, and is there again. */
TS_MUSTUSE enum ts_code connector_unlink(struct connector_writer *writer,
                                         struct ts_slice key,
                                         struct ts_err *err);
/* Mark an object gone; 0 and unknown ids are no error. */
TS_MUSTUSE enum ts_code connector_mark_gone(struct connector_writer *writer,
                                            int64_t id, struct ts_err *err);

/* Objects whose change number is above `after`, in its order: at most *count
 * of them, and *count tells how many. All that is returned lives in `arena`. */
TS_MUSTUSE enum ts_code connector_due(struct metaverse *mv, int64_t after,
                                      struct ts_arena *arena,
                                      struct connector_object *objects,
                                      size_t *count, struct ts_err *err);
/* One object by id; TS_E_NOT_FOUND. */
TS_MUSTUSE enum ts_code connector_get(struct metaverse *mv, int64_t id,
                                      struct ts_arena *arena,
                                      struct connector_object *ret_object,
                                      struct ts_err *err);
/* Remove a gone object and its links, for good. */
TS_MUSTUSE enum ts_code connector_remove(struct metaverse *mv, int64_t id,
                                         struct ts_err *err);
/* One entry above another. */
struct connector_ancestor {
    struct ts_slice anchor, key, parent, rdn;
};
#define CONNECTOR_DEPTH_MAX 128

/* The entries above `object`, its parent first, as far as they are known and
 * not gone: at most *count, and *count tells how many. Copies are in `arena`.
 */
TS_MUSTUSE enum ts_code connector_above(struct metaverse *mv,
                                        const struct connector_object *object,
                                        struct ts_arena *arena,
                                        struct connector_ancestor *above,
                                        size_t *count, struct ts_err *err);

#endif
