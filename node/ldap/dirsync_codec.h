/*
 * dirsync_codec -- the values of Active Directory's controls and names, to and
 * from bytes.
 *
 * Pure: no I/O, no libldap handle. Slices in the results point into the bytes
 * given. What a server sends is checked here before anything is believed.
 *
 *   DirSync request   SEQUENCE { flags INTEGER, maxBytes INTEGER,
 *                                cookie OCTETS }           [MS-ADTS]
 *   DirSync response  SEQUENCE { more INTEGER, unused INTEGER,
 *                                cookie OCTETS }           3.1.1.3.4.1.3
 *   extended DN       <GUID=dashed>;<SID=S-1-...>;DN       3.1.1.3.4.1.5
 *
 * A cookie is opaque: it is kept and sent back, never read.
 *
 * Flags are a 32-bit INTEGER with a sign: a server refuses 0x80000000 that is
 * sent as a positive number of five bytes.
 */
#ifndef NODE_LDAP_DIRSYNC_CODEC_H
#define NODE_LDAP_DIRSYNC_CODEC_H

#include "node/base/err.h"
#include "node/base/slice.h"

#define DIRSYNC_OID              "1.2.840.113556.1.4.841"
#define DIRSYNC_EXTENDED_DN_OID  "1.2.840.113556.1.4.529"
#define DIRSYNC_SHOW_DELETED_OID "1.2.840.113556.1.4.417"
#define DIRSYNC_DOMAIN_SCOPE_OID "1.2.840.113556.1.4.1339"

/* A cookie grows by 24 bytes with each controller that ever took a change. */
#define DIRSYNC_COOKIE_MAX ((size_t) 32 * 1024)
#define DIRSYNC_BYTES_MAX  0x100000 /* of one answer; servers take no less */

#define DIRSYNC_OBJECT_SECURITY    0x1U        /* only what we may read */
#define DIRSYNC_ANCESTORS_FIRST    0x800U      /* parents before children */
#define DIRSYNC_INCREMENTAL_VALUES 0x80000000U /* of links: what changed */

#define DIRSYNC_REQUEST_MAX (DIRSYNC_COOKIE_MAX + 32)
struct dirsync_request {
    size_t size;
    uint8_t bytes[DIRSYNC_REQUEST_MAX];
};
/* An empty cookie asks for everything.
 * Errors   TS_E_LIMIT (cookie), TS_E_NOMEM. */
TS_MUSTUSE enum ts_code
dirsync_encode_request(uint32_t flags, struct ts_slice cookie,
                       struct dirsync_request *ret_request, struct ts_err *err);

struct dirsync_response {
    bool more; /* ask again at once, with the cookie */
    struct ts_slice cookie;
};
/* Errors   TS_E_PROTOCOL. */
TS_MUSTUSE enum ts_code
dirsync_decode_response(struct ts_slice value,
                        struct dirsync_response *ret_response,
                        struct ts_err *err);

#define DIRSYNC_GUID_SIZE        16
#define DIRSYNC_GUID_TEXT_SIZE   37 /* with NUL */
#define DIRSYNC_GUID_ANCHOR_SIZE 25 /* with NUL */
#define DIRSYNC_GUID_FILTER_SIZE 49 /* with NUL */

/* As the directory stores it: the first three parts are little-endian. */
struct dirsync_guid {
    uint8_t bytes[DIRSYNC_GUID_SIZE];
};
/* "5ddda9a4-2cf2-4bf8-8a6c-a844950ff7ca" */
void dirsync_guid_text(struct dirsync_guid guid,
                       char text[static DIRSYNC_GUID_TEXT_SIZE]);
/* Base64 of the raw bytes, as Microsoft's services know an object. */
void dirsync_guid_anchor(struct dirsync_guid guid,
                         char text[static DIRSYNC_GUID_ANCHOR_SIZE]);
/* "\a4\a9...", for a filter. */
void dirsync_guid_filter(struct dirsync_guid guid,
                         char text[static DIRSYNC_GUID_FILTER_SIZE]);

struct dirsync_name {
    struct dirsync_guid guid;
    struct ts_slice dn; /* may be empty */
};
/* Take an extended DN (string form) apart. Errors   TS_E_PROTOCOL. */
TS_MUSTUSE enum ts_code dirsync_name_parse(struct ts_slice text,
                                           struct dirsync_name *ret_name,
                                           struct ts_err *err);

#endif
