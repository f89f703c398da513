/*
 * contentsync_codec -- the values of RFC 4533's controls, to and from bytes.
 *
 * Pure: no I/O, no libldap handle. What a server sends is checked against the
 * RFC's ASN.1 and the limits here before anything is believed; slices in the
 * results point into the bytes given.
 *
 *   request  2.2  SEQUENCE { mode ENUM, cookie OCTETS?, reloadHint BOOL = no }
 *   state    2.3  SEQUENCE { state ENUM, entryUUID OCTETS(16), cookie OCTETS? }
 *   done     2.4  SEQUENCE { cookie OCTETS?, refreshDeletes BOOL = no }
 *   info     2.5  CHOICE of [0] newcookie, [1] refreshDelete,
 *                 [2] refreshPresent, [3] syncIdSet
 *
 * slapd's cookie is text, "rid=999[,sid=fff],csn=CSN[;CSN...]". The protocol
 * calls cookies opaque, but slapd answers a cookie that it cannot read as if
 * there had been none, and says so nowhere; so ours are read before they are
 * sent (contentsync_cookie_parse).
 *
 * A set of deletions may hold one id of no bytes (torn): slapd 2.5 makes room
 * for as many ids as its log has when it begins to read it, and when one more
 * write is logged meanwhile, an id is written over another and both are lost.
 */
#ifndef NODE_LDAP_CONTENTSYNC_CODEC_H
#define NODE_LDAP_CONTENTSYNC_CODEC_H

#include "node/base/err.h"
#include "node/base/slice.h"

#define CONTENTSYNC_UUID_SIZE      16
#define CONTENTSYNC_UUID_TEXT_SIZE 37 /* with NUL */
#define CONTENTSYNC_COOKIE_MAX     ((size_t) 4096)
#define CONTENTSYNC_CSNS_MAX       64 /* one per replica that takes writes */

struct contentsync_uuid {
    uint8_t bytes[CONTENTSYNC_UUID_SIZE];
};

/* Lower case with dashes (RFC 4530). */
void contentsync_uuid_text(struct contentsync_uuid uuid,
                           char text[static CONTENTSYNC_UUID_TEXT_SIZE]);

/* --- request (2.2): refreshOnly, no reload hint ----------------------------
 */

#define CONTENTSYNC_REQUEST_MAX (CONTENTSYNC_COOKIE_MAX + 16)
struct contentsync_request {
    size_t size;
    uint8_t bytes[CONTENTSYNC_REQUEST_MAX];
};
/* An empty cookie asks for everything.
 * Errors   TS_E_LIMIT (cookie), TS_E_NOMEM. */
TS_MUSTUSE enum ts_code
contentsync_encode_request(struct ts_slice cookie,
                           struct contentsync_request *ret_request,
                           struct ts_err *err);

/* --- state (2.3) -----------------------------------------------------------
 */

enum contentsync_verb {
    CONTENTSYNC_PRESENT,
    CONTENTSYNC_ADD,
    CONTENTSYNC_MODIFY,
    CONTENTSYNC_DELETE
};
struct contentsync_state {
    enum contentsync_verb verb;
    struct contentsync_uuid uuid;
    struct ts_slice cookie; /* data NULL: none */
};
/* Errors of all decoders: TS_E_PROTOCOL. */
TS_MUSTUSE enum ts_code
contentsync_decode_state(struct ts_slice value,
                         struct contentsync_state *ret_state,
                         struct ts_err *err);

/* --- done (2.4) ------------------------------------------------------------
 */

struct contentsync_done {
    struct ts_slice cookie; /* data NULL: none; may be there and empty */
    bool refresh_deletes;
};
TS_MUSTUSE enum ts_code
contentsync_decode_done(struct ts_slice value,
                        struct contentsync_done *ret_done, struct ts_err *err);

/* --- info (2.5) ------------------------------------------------------------
 */

enum contentsync_info_kind {
    CONTENTSYNC_NEW_COOKIE,
    CONTENTSYNC_REFRESH_DELETE,
    CONTENTSYNC_REFRESH_PRESENT,
    CONTENTSYNC_ID_SET
};
struct contentsync_info {
    enum contentsync_info_kind kind;
    struct ts_slice cookie; /* data NULL: none */
    bool refresh_done;      /* of REFRESH_* */
    bool refresh_deletes;   /* of ID_SET: these are gone, else: still there */
    bool torn; /* of ID_SET: who is gone was overwritten at the server */
    struct ts_slice ids; /* of ID_SET: whole, checked; see _next_id */
    size_t id_count;
};
TS_MUSTUSE enum ts_code
contentsync_decode_info(struct ts_slice value,
                        struct contentsync_info *ret_info, struct ts_err *err);
/* Take the next UUID off the front of `ids`; false at the end. */
bool contentsync_next_id(struct ts_slice *ids,
                         struct contentsync_uuid *ret_uuid);

/* --- slapd's cookie text ----------------------------------------------------
 */

/* "YYYYmmddHHMMSS.ffffffZ#cccccc#sss#mmmmmm": time, count, server id, count.
 * Of one length, so that byte order is time order. */
#define CONTENTSYNC_CSN_SIZE 40
struct contentsync_csn {
    char text[CONTENTSYNC_CSN_SIZE + 1];
    unsigned sid;
};
TS_MUSTUSE enum ts_code contentsync_csn_parse(struct ts_slice text,
                                              struct contentsync_csn *ret_csn);

struct contentsync_cookie {
    size_t count; /* at least 1, server ids ascending, none twice */
    struct contentsync_csn csns[CONTENTSYNC_CSNS_MAX];
};
/* Errors   TS_E_PROTOCOL: not of that form, or with a part (such as delcsn)
 * that must not be kept. */
TS_MUSTUSE enum ts_code
contentsync_cookie_parse(struct ts_slice text,
                         struct contentsync_cookie *ret_cookie,
                         struct ts_err *err);

/* Do both name the same servers? If not, slapd drops the cookie it was given
 * and sends everything. */
bool contentsync_cookie_same_servers(const struct contentsync_cookie *a,
                                     const struct contentsync_cookie *b);
/* Is `csn` covered by `cookie`, so that an answer to it would not send the
 * entry again? */
bool contentsync_cookie_covers(const struct contentsync_cookie *cookie,
                               const struct contentsync_csn *csn);

#endif
