/* principal_private.h -- what the kinds of principal share; see principal.h. */
#ifndef NODE_TARGET_PRINCIPAL_PRIVATE_H
#define NODE_TARGET_PRINCIPAL_PRIVATE_H

#include "node/base/http.h"
#include "node/target/fence.h"
#include "node/target/oauth.h"
#include "node/target/principal.h"

/* One kind; the members have the contracts of their namesakes. */
struct principal_kind_row {
    enum ts_code (*probe)(struct principal_keeper *keeper, struct ts_err *err);
    enum ts_code (*mint)(struct principal_keeper *keeper,
                         struct principal *principal, struct ts_err *err);
    enum ts_code (*unmint)(struct principal_keeper *keeper,
                           const struct principal *principal,
                           struct ts_err *err);
    /* One round for one row. `own` as in principal_fence(). */
    enum ts_code (*fence)(struct principal_keeper *keeper,
                          const struct principal *own,
                          struct principal_fencing *fencing,
                          struct ts_err *err);
};
extern const struct principal_kind_row principal_kind_none,
    principal_kind_oauth, principal_kind_exec;

/* A fence that was begun: kept between the rounds. */
struct principal_slot {
    uint64_t epoch; /* 0: free */
    char id[REGISTER_CLIENT_SIZE];
    struct fence fence;
    struct principal old;
    struct target_principal who; /* points into `old` */
    char *canary;                /* its token's header field, once it has one */
};

struct principal_keeper {
    struct principal_options options;
    struct seal_key key;                              /* seals, and opens */
    struct seal_key others[PRINCIPAL_KEYS_OTHER + 1]; /* open */
    size_t others_count;
    struct ts_http *http; /* NULL where nothing is asked over HTTP */
    int wake_fd;          /* an eventfd, readable when cancelled */

    struct principal self; /* ours, for the control */
    struct target_principal self_who;
    struct oauth *self_token;
    struct principal_slot slots[REGISTER_PRINCIPALS_MAX];
};

/* -- principal_oauth.c, principal_fence.c ---------------------------------- */

enum ts_code principal_oauth_open(struct principal_keeper *keeper,
                                  struct ts_err *err);
void principal_oauth_close(struct principal_keeper *keeper);
/* Drop what was begun for rows that are no longer listed. */
void principal_oauth_forget(struct principal_keeper *keeper,
                            const struct principal_fencing fencings[],
                            size_t count);

/* DELETE by the client's own management token (RFC 7592).
 * Errors   TS_E_CANCELLED, TS_E_NOMEM; otherwise *ret_answer tells. */
enum ts_code principal_oauth_delete(struct principal_keeper *keeper,
                                    const struct principal *principal,
                                    enum fence_answer *ret_answer,
                                    struct ts_err *err);
enum ts_code principal_oauth_fence(struct principal_keeper *keeper,
                                   const struct principal *own,
                                   struct principal_fencing *fencing,
                                   struct ts_err *err);

/* -- principal_memory.c -----------------------------------------------------
 */

/* Keep what the slots have come to in options.memory_file, sealed, for the next
 * process of this boot. A failure costs time at the next crash, nothing else.
 */
void principal_memory_save(const struct principal_keeper *keeper);
/* What was kept for the slot's principal, if anything was. */
void principal_memory_load(const struct principal_keeper *keeper,
                           struct principal_slot *slot);

/* The key that may open what the `tried`th did not; NULL: there is none. */
const struct seal_key *principal_key(const struct principal_keeper *keeper,
                                     size_t tried);

/* seal_file_get() by whichever key opens it. */
enum ts_code principal_file_get(const struct principal_keeper *keeper,
                                const char *path, struct ts_slice context,
                                struct seal_room *room, struct ts_err *err);

/* Tell a row that it waits. */
void principal_pending(struct principal_fencing *fencing, int64_t again_ms,
                       const char *fmt, ...) TS_PRINTF(3, 4);

#endif
