/*
 * state -- the witness's folder.
 *
 *   witness.cert, witness.cert_secret   its CURVE key pair, made at first use
 *   identity                            16 random bytes in hex: this state
 *   clients/CLUSTER.FINGERPRINT         who may speak for which cluster
 *   cells/CLUSTER.cell                  the value of each cluster
 *   repairs.log                         when, which, why
 *   lock                                held by the process that serves
 *
 * Everything is readable by the owner alone. Errors are sentences for an
 * operator; nothing here logs. Blocks on the disk.
 */
#ifndef TOOLS_WITNESS_STATE_H
#define TOOLS_WITNESS_STATE_H

#include <stdio.h>

#include <czmq.h>

#include "node/base/err.h"
#include "proto/witness_codec.h"

#define WITNESS_PATH_MAX     ((size_t) 3500)
#define WITNESS_CLIENTS_MAX  64
#define WITNESS_CLUSTERS_MAX 32

struct witness_state {
    char folder[WITNESS_PATH_MAX + 1];
    char clients[WITNESS_PATH_MAX + 16];
    uint8_t identity[WITNESS_IDENTITY_SIZE];
    zcert_t *certificate;
    int lock_fd;
};

/* Make the folder's contents if they are not there, and read them.
 * Owns     witness_state_done(), on success.
 * Errors   TS_E_IO, TS_E_REFUSED (the secret key is readable by others),
 *          TS_E_CORRUPT. */
TS_MUSTUSE enum ts_code witness_state_open(const char *folder,
                                           struct witness_state *ret_state,
                                           struct ts_err *err);
void witness_state_done(struct witness_state *state);

/* Serve alone: until _done.
 * Errors   TS_E_CONFLICT: another witness serves from this folder. */
TS_MUSTUSE enum ts_code witness_state_lock(struct witness_state *state,
                                           struct ts_err *err);

/* Let the node whose public certificate is `file` speak for `cluster`; the
 * server notices by itself. Again is fine.
 * Errors   TS_E_CONFIG (no certificate, no cluster's name), TS_E_LIMIT,
 *          TS_E_CONFLICT (it speaks for another cluster). */
TS_MUSTUSE enum ts_code witness_state_admit(const struct witness_state *state,
                                            const char *file,
                                            const char *cluster,
                                            struct ts_err *err);
/* The reverse. Errors: TS_E_NOT_FOUND as well. */
TS_MUSTUSE enum ts_code witness_state_expel(const struct witness_state *state,
                                            const char *file,
                                            struct ts_err *err);

/* Path of a cluster's cell. */
void witness_state_cell(const struct witness_state *state, const char *cluster,
                        char path[static WITNESS_PATH_MAX + 100]);

/* Put a damaged value aside and note why.
 * Errors   register_cell_repair's, TS_E_CONFIG. */
TS_MUSTUSE enum ts_code witness_state_repair(const struct witness_state *state,
                                             const char *cluster,
                                             const char *reason,
                                             struct ts_err *err);

#endif
