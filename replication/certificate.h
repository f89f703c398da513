/*
 * certificate -- the CURVE keys of a node, and whom it knows.
 *
 * Each node makes its own key pair, on its own disk; only the public half ever
 * leaves it. Files are in CZMQ's format (zcert(3)), so that whoever opens a
 * ZeroMQ socket may also hand the path to CZMQ.
 *
 * Keys are text: Z85 of 32 bytes, 40 characters (RFC 32/Z85 of ZeroMQ).
 */
#ifndef REPLICATION_CERTIFICATE_H
#define REPLICATION_CERTIFICATE_H

#include <stdbool.h>
#include <stdint.h>

#include "node/base/err.h"

#define CERTIFICATE_KEY_SIZE  32 /* bytes */
#define CERTIFICATE_TEXT_SIZE 41 /* as text, with its NUL */
#define CERTIFICATE_NAME_SIZE 64

struct certificate {
    char name[CERTIFICATE_NAME_SIZE]; /* of the node */
    char public_key[CERTIFICATE_TEXT_SIZE];
    char secret_key[CERTIFICATE_TEXT_SIZE]; /* "": only the public one */
};

/* A fresh pair, in memory only.
 * Errors   TS_E_IO (no CURVE in this libzmq). */
TS_MUSTUSE enum ts_code certificate_draw(const char *name,
                                         struct certificate *ret_certificate,
                                         struct ts_err *err);
/* Wipes; NULL is fine. */
void certificate_done(struct certificate *certificate);
#define TS_AUTOCERTIFICATE __attribute__((unused, cleanup(certificate_done)))

/* The node's own (STATE/pair/node.cert): made when there is none yet.
 * Errors   TS_E_CONFLICT (it is of a node of another name), and as _load. */
TS_MUSTUSE enum ts_code certificate_own(const char *state_directory,
                                        const char *name,
                                        struct certificate *ret_certificate,
                                        struct ts_err *err);
/* The same, but only if it is there already: TS_E_NOT_FOUND. */
TS_MUSTUSE enum ts_code
certificate_load_own(const char *state_directory,
                     struct certificate *ret_certificate, struct ts_err *err);

/* A public certificate.
 * Errors   TS_E_NOT_FOUND, TS_E_REFUSED (others can change the file),
 *          TS_E_CORRUPT, TS_E_IO. */
TS_MUSTUSE enum ts_code certificate_load(const char *path,
                                         struct certificate *ret_certificate,
                                         struct ts_err *err);

/* Remember a peer (STATE/pair/peers/NAME.cert): name and public key.
 * Errors   TS_E_CONFIG (the name is no name of a node), TS_E_IO. */
TS_MUSTUSE enum ts_code certificate_store_peer(const char *state_directory,
                                               const struct certificate *peer,
                                               struct ts_err *err);
/* Its path. Errors: as above, TS_E_LIMIT. */
TS_MUSTUSE enum ts_code certificate_peer_path(const char *state_directory,
                                              const char *name, char *path,
                                              struct ts_err *err);

/* Is `text` the text of a key? */
bool certificate_is_key(const char *text);
/* Between text and bytes. `text` is one of a key. */
void certificate_key_bytes(const char *text,
                           uint8_t bytes[static CERTIFICATE_KEY_SIZE]);
void certificate_key_text(const uint8_t bytes[static CERTIFICATE_KEY_SIZE],
                          char text[static CERTIFICATE_TEXT_SIZE]);

/* May a node be called this? 1 to 63 of a-z, 0-9, "-" and "."; it becomes a
 * file's name. */
bool certificate_is_name(const char *name);

/* ---- whom this node is paired with --------------------------------------- */

/* STATE/pair/partner: of all whose certificates are kept, the one that joined
 * last, or through which this node did. The name is one of a node.
 * Errors   TS_E_IO. */
TS_MUSTUSE enum ts_code pair_partner_store(const char *state_directory,
                                           const char *name,
                                           struct ts_err *err);
/* Errors   TS_E_NOT_FOUND, TS_E_CORRUPT, TS_E_REFUSED, TS_E_IO. */
TS_MUSTUSE enum ts_code
pair_partner_load(const char *state_directory,
                  char name[static CERTIFICATE_NAME_SIZE], struct ts_err *err);

/* ---- the pair's key ------------------------------------------------------ */

#define PAIR_KEY_SIZE 32

/* STATE/pair/pair.key: made when there is none.
 * Errors   TS_E_IO (also: no random bytes), TS_E_CORRUPT, TS_E_REFUSED. */
TS_MUSTUSE enum ts_code pair_key_own(const char *state_directory,
                                     uint8_t key[static PAIR_KEY_SIZE],
                                     struct ts_err *err);
/* Only if it is there. Errors: TS_E_NOT_FOUND besides. */
TS_MUSTUSE enum ts_code pair_key_load(const char *state_directory,
                                      uint8_t key[static PAIR_KEY_SIZE],
                                      struct ts_err *err);
TS_MUSTUSE enum ts_code pair_key_store(const char *state_directory,
                                       const uint8_t key[static PAIR_KEY_SIZE],
                                       struct ts_err *err);

#endif
