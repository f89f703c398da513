/*
 * pair_folder -- the few small files that make a node one of a pair.
 *
 *   STATE/pair/node.cert           this node's public key
 *   STATE/pair/node.cert_secret    and its secret one; never leaves this host
 *   STATE/pair/peers/NAME.cert     public key of the other node
 *   STATE/pair/partner             name of the one it is paired with now
 *   STATE/pair/pair.key            32 bytes that seal what lies in the register
 *   STATE/pair/pair.key.next, .last    see pair_turn.h
 *   STATE/pair/fence               what a fence under way has come to
 *   STATE/pair/minted              credentials that were not published yet
 *   STATE/pair/token               the invitation that is open, if one is
 *
 * Invariants:
 *   F1  a file is there whole or not at all: written beside, synced, renamed,
 *       and the folder synced, before a call returns.
 *   F2  what is secret is readable by its owner only, from its first byte on,
 *       and is read only if it still is.
 *   F3  no name leaves the folder; no link is followed.
 *
 * All calls block on the disk.
 */
#ifndef REPLICATION_PAIR_FOLDER_H
#define REPLICATION_PAIR_FOLDER_H

#include "node/base/err.h"
#include "node/base/slice.h"

#define PAIR_FILE_SIZE_MAX ((size_t) 8192)
#define PAIR_PATH_SIZE     512

enum pair_secrecy {
    PAIR_PUBLIC, /* mode 0644 */
    PAIR_SECRET  /* mode 0600 */
};

/* The path of a file below STATE/pair; `name` may be "peers/NAME.cert".
 * Errors   TS_E_LIMIT. */
TS_MUSTUSE enum ts_code pair_path(const char *state_directory, const char *name,
                                  char path[static PAIR_PATH_SIZE],
                                  struct ts_err *err);

/* Make the folders (0700) if they are missing, and write a file (F1, F2).
 * Errors   TS_E_IO, TS_E_LIMIT. */
TS_MUSTUSE enum ts_code pair_put(const char *state_directory, const char *name,
                                 struct ts_slice content,
                                 enum pair_secrecy secrecy, struct ts_err *err);

/* Read a file of at most `size_max` bytes.
 * Errors   TS_E_NOT_FOUND, TS_E_REFUSED (a secret that others can read, or that
 *          belongs to another user; a link; no file), TS_E_LIMIT, TS_E_IO. */
TS_MUSTUSE enum ts_code pair_get(const char *path, enum pair_secrecy secrecy,
                                 uint8_t *content, size_t size_max,
                                 size_t *ret_size, struct ts_err *err);

/* Gone, durably; also when it was not there.
 * Errors   TS_E_IO, TS_E_LIMIT. */
TS_MUSTUSE enum ts_code pair_remove(const char *state_directory,
                                    const char *name, struct ts_err *err);

#endif
