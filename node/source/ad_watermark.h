/*
 * ad_watermark -- how far an Active Directory was read, as bytes.
 *
 *   "AD1" shown invocation USN length DC cookie
 *     3     1       16      8     1   0..255 the rest
 *
 * The cookie alone does not tell where it came from; the rest does:
 *
 *   invocation  the controller's database, which gets another one when it is
 *               restored as it should be
 *   USN         its highest number of then: a controller with the same
 *               invocation and a lower one was set back to an old state
 *   shown       this account is shown what was deleted
 *   DC          its DNS name, for people
 */
#ifndef NODE_SOURCE_AD_WATERMARK_H
#define NODE_SOURCE_AD_WATERMARK_H

#include "node/ldap/dirsync_codec.h"

#define AD_DC_MAX 255

struct ad_watermark {
    bool shown;
    uint8_t invocation[DIRSYNC_GUID_SIZE];
    uint64_t usn;
    char dc[AD_DC_MAX + 1];
    struct ts_slice cookie; /* not empty */
};

#define AD_WATERMARK_MAX (3 + 1 + 16 + 8 + 1 + AD_DC_MAX + DIRSYNC_COOKIE_MAX)

/* Returns the size. */
size_t ad_watermark_print(const struct ad_watermark *watermark,
                          uint8_t text[static AD_WATERMARK_MAX]);
/* The cookie points into `text`. Errors   TS_E_PROTOCOL: not of that form. */
TS_MUSTUSE enum ts_code ad_watermark_parse(struct ts_slice text,
                                           struct ad_watermark *ret_watermark,
                                           struct ts_err *err);

#endif
