/*
 * secret -- a password, key or token from its file, wiped when done.
 *
 * The configuration names secrets by file and never holds them. A file is only
 * taken when nobody but its owner can read it, and the owner is root or
 * us: a password that others can read is no secret, and using it silently would
 * hide that for years.
 *
 * `path` is an absolute path, or a bare name without a slash: a systemd
 * credential (LoadCredential=, SetCredentialEncrypted=), looked for in
 * $CREDENTIALS_DIRECTORY.
 *
 * Invariants:
 *   S1  what was read is wiped before its memory is given back, on every path.
 *   S2  no error text holds any part of a secret.
 */
#ifndef NODE_BASE_SECRET_H
#define NODE_BASE_SECRET_H

#include <stddef.h>

#include "node/base/err.h"

#define TS_SECRET_SIZE_MAX ((size_t) 64 * 1024)

struct ts_secret {
    char *text;  /* ends in NUL; holds no other one */
    size_t size; /* without the NUL */
};

/* Read `path`; one newline at the end ("\n" or "\r\n") is not part of the
 * secret.
 * Owns     wipe with ts_secret_done.
 * Errors   TS_E_NOT_FOUND, TS_E_REFUSED (others can read it, foreign owner, not
 *          a regular file), TS_E_CONFIG (empty, NUL inside, no such place),
 *          TS_E_LIMIT, TS_E_IO, TS_E_NOMEM. *ret_secret is untouched then.
 * Blocks   on the disk. */
TS_MUSTUSE enum ts_code ts_secret_read(const char *path,
                                       struct ts_secret *ret_secret,
                                       struct ts_err *err);
/* The file, checked as above and not read: for what is no text.
 * Owns     *ret_fd: close it.
 * Errors   as above, but those about the content.
 * Blocks   on the disk. */
TS_MUSTUSE enum ts_code ts_secret_open(const char *path, int *ret_fd,
                                       struct ts_err *err);
/* Would ts_secret_read succeed? Same errors; nothing is kept. */
TS_MUSTUSE enum ts_code ts_secret_check(const char *path, struct ts_err *err);

/*
 * Who is asked for a secret in place of its file: node/vault, which knows what
 * was rotated since the file was written. Everything that the configuration
 * gives a secret's file to takes one of these too, and NULL stands for nobody:
 * the files rule. Called from any thread.
 * Errors   those of ts_secret_read, and the keeper's own. Blocks on the disk.
 */
struct ts_secret_keeper {
    enum ts_code (*read)(const struct ts_secret_keeper *keeper,
                         const char *path, struct ts_secret *ret_secret,
                         struct ts_err *err);
};
/* Ask `keeper`, or read `path` when there is none. As ts_secret_read. */
TS_MUSTUSE enum ts_code ts_secret_ask(const struct ts_secret_keeper *keeper,
                                      const char *path,
                                      struct ts_secret *ret_secret,
                                      struct ts_err *err);

/* A keeper that has one answer whatever the file: how a secret is tried before
 * it is believed. `text` is borrowed. Give &given.port. */
struct ts_secret_given {
    struct ts_secret_keeper port; /* must be first */
    const char *text;
};
struct ts_secret_given ts_secret_give(const char *text);

/* A copy of `size` bytes of text without a NUL.
 * Errors   TS_E_NOMEM. */
TS_MUSTUSE enum ts_code ts_secret_copy(const char *text, size_t size,
                                       struct ts_secret *ret_secret,
                                       struct ts_err *err);

/* Wipe and free; NULL and a zeroed secret are fine. */
void ts_secret_done(struct ts_secret *secret);

#define TS_AUTOSECRET __attribute__((cleanup(ts_secret_done)))

#endif
