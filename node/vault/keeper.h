/*
 * keeper -- which secret is meant when the configuration names a file.
 *
 *   nothing kept            -> the file's content
 *   kept, file as it was    -> what is kept; the file is ignored
 *   kept, file changed      -> still what is kept: an operator's correction is
 *                              tried first, and then adopted (the daemon does,
 *                              keeper_file_changed() says when)
 *   change under way        -> what is known to be accepted: the old one until
 *                              the directory was seen to accept the new one
 *
 * Two credentials that name the same file are one secret to the keeper: it has
 * the name that comes first.
 */
#ifndef NODE_VAULT_KEEPER_H
#define NODE_VAULT_KEEPER_H

#include "node/base/secret.h"
#include "node/config/secrets.h"
#include "node/vault/vault.h"

struct keeper;

/* For the secrets of `config`, which is borrowed until _free; the vault is the
 * one in its state directory. Touches nothing on the disk.
 * Owns     free with keeper_free. Errors: TS_E_NOMEM, TS_E_LIMIT. */
TS_MUSTUSE enum ts_code keeper_new(const struct config *config,
                                   struct keeper **ret_keeper,
                                   struct ts_err *err);
void keeper_free(struct keeper *keeper); /* NULL is fine */

/* What options of sources, targets and registers take; lives until _free. */
const struct ts_secret_keeper *keeper_port(const struct keeper *keeper);
const struct vault *keeper_vault(const struct keeper *keeper);
/* The credentials; *ret_count of them. */
const struct config_secret *keeper_secrets(const struct keeper *keeper,
                                           size_t *ret_count);

/* The hash by which a file's content is known again. */
void keeper_hash(const struct ts_secret *secret,
                 uint8_t hash[static VAULT_HASH_SIZE]);
/* Is another secret kept for this one, and has its file changed since that was
 * taken? A file that cannot be read has not. Blocks on the disk. */
bool keeper_file_changed(const struct keeper *keeper,
                         const struct config_secret *secret);

#endif
