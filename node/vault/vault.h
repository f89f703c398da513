/*
 * vault -- the secrets that were changed since their files were written.
 *
 * The configuration names each secret by a file, which an operator wrote once.
 * Passwords are changed later, by a handover or by `twinsync credentials`, and
 * a program must not write into its configuration: what a secret is *now* lies
 * here, one sealed file a credential (node/vault/seal_file.h), below
 * STATE/vault/.
 *
 *   STATE/vault/key          what seals: made at the first change, 0600; or
 *                            the systemd credential "twinsync.vault" instead
 *   STATE/vault/source.corp  the credential "source/corp"
 *
 * Invariants:
 *   V1  a record is replaced as a whole and durable when the call returns:
 *       after a crash it is the old one or the new one.
 *   V2  a record opens only under its own name, and with this computer's key.
 *   V3  nothing here is journaled or exported; what the other member of a pair
 *       has to know is given to it sealed (node/vault/share.h).
 *
 * Calls from several threads and processes are fine: a reader sees a whole
 * record. Two writers of one record are kept apart by their caller (the
 * daemon, which holds the lock of the state directory).
 */
#ifndef NODE_VAULT_VAULT_H
#define NODE_VAULT_VAULT_H

#include "proto/vault_codec.h"

struct vault;

/* `state_directory` absolute. Touches nothing on the disk yet.
 * Owns     free with vault_free. Errors: TS_E_NOMEM, TS_E_LIMIT (path). */
TS_MUSTUSE enum ts_code vault_new(const char *state_directory,
                                  struct vault **ret_vault, struct ts_err *err);
void vault_free(struct vault *vault); /* NULL is fine */

/* What is kept of the credential `name`. Wipe it with vault_kept_done().
 * Errors   TS_E_NOT_FOUND: nothing, its file rules. TS_E_REFUSED (others can
 *          read key or record), TS_E_CORRUPT (altered, or another key),
 *          TS_E_VERSION, TS_E_IO.
 * Blocks   on the disk, as all below. */
TS_MUSTUSE enum ts_code vault_get(const struct vault *vault, const char *name,
                                  struct vault_kept *ret, struct ts_err *err);
/* Errors   TS_E_IO, TS_E_REFUSED, TS_E_PROTOCOL (vault_pack): the old record
 *          stays. */
TS_MUSTUSE enum ts_code vault_put(const struct vault *vault,
                                  const struct vault_kept *kept,
                                  struct ts_err *err);
/* Its file rules again. None there is fine. Errors: TS_E_IO. */
TS_MUSTUSE enum ts_code vault_drop(const struct vault *vault, const char *name,
                                   struct ts_err *err);

#endif
