/*
 * seal_file -- a sealed secret in a file of its own.
 *
 * The file is replaced as a whole, durable when the call returns, mode 0600;
 * one that others than its owner can read is not believed.
 */
#ifndef NODE_VAULT_SEAL_FILE_H
#define NODE_VAULT_SEAL_FILE_H

#include "node/vault/seal.h"

/* `path` absolute.
 * Errors   of seal_close(), TS_E_IO: the old content stays.
 * Blocks   on the disk. */
TS_MUSTUSE enum ts_code seal_file_put(const char *path,
                                      const struct seal_key *key,
                                      struct ts_slice context,
                                      struct ts_slice plain,
                                      struct ts_err *err);
/* Errors   of ts_secret_open() and seal_open(), TS_E_IO.
 * Blocks   on the disk. */
TS_MUSTUSE enum ts_code seal_file_get(const char *path,
                                      const struct seal_key *key,
                                      struct ts_slice context,
                                      struct seal_room *room,
                                      struct ts_err *err);

#endif
