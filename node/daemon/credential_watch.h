/*
 * credential_watch -- what of the secrets nobody asks for.
 *
 * A file that was changed after its secret was taken into the vault is an
 * operator's correction: it is tried at its server, and adopted if that accepts
 * it. One that is as it was is ignored, which is said once a start. What an
 * operator should know of without asking becomes a problem of `status`: a
 * secret that expires within 30 days, a change whose outcome is not known, a
 * file that was refused, a record that cannot be read.
 *
 * Invariants:
 *   CW1  nothing is adopted that its server was not seen to accept.
 *   CW2  one content of a file is offered until its server has answered, and
 *        never again after a refusal: tries in a row may lock an account.
 *
 * All calls block on disks, _adopt on networks; one thread at a time.
 */
#ifndef NODE_DAEMON_CREDENTIAL_WATCH_H
#define NODE_DAEMON_CREDENTIAL_WATCH_H

#include "node/daemon/credential_work.h"

#define CREDENTIAL_WATCH_MS    5000
#define CREDENTIAL_WARN_DAYS   30
#define CREDENTIAL_DAY_SECONDS 86400

/* Zeroed at first. */
struct credential_watch {
    bool has_noticed;
    struct {
        bool is_known;
        uint8_t hash[VAULT_HASH_SIZE];
    } refused[CONFIG_SECRETS_MAX];
};

/* Returns the names of those that were adopted, a JSON list. Owns: the result.
 */
json_t *credential_adopt(const struct credential_world *world,
                         struct credential_watch *watch);
/* As `status` shows them. Owns: the result. */
json_t *credential_problems(const struct credential_world *world,
                            const struct credential_watch *watch);

#endif
