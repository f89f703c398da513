/*
 * Functions that read what directories store in their own forms.
 *
 *   guid     16 bytes, mixed-endian (MS-DTYP §2.3.4.2), to dashed text
 *   sid      binary SID (MS-DTYP §2.4.2.2) to S-1-...
 *   ad_time  100 ns since 1601-01-01 UTC to "YYYY-MM-DDThh:mm:ssZ"; 0 and
 *            2^63-1 mean "never" and give NULL
 *   rdn      the leftmost RDN of a DN, as text or the value of one type in it
 */
#include <inttypes.h>
#include <ldap.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

#include "node/rules/functions.h"

#define GUID_SIZE           16
#define SID_AUTHORITIES_MAX 15
#define SID_HEAD_SIZE       8
/* Seconds from 1601-01-01 to 1970-01-01. */
#define AD_EPOCH_SECONDS INT64_C(11644473600)
#define AD_TICKS         INT64_C(10000000)
/* The last second of the year 9999. */
#define SECONDS_MAX       INT64_C(253402300799)
#define RULES_DN_SIZE_MAX ((size_t) 64 * 1024)

static void call_guid(sqlite3_context *context, int count,
                      sqlite3_value **values)
{
    (void) count;
    if (sqlite3_value_type(values[0]) == SQLITE_NULL) {
        return;
    }
    struct ts_slice b = rules_value_bytes(values[0]);
    if (b.size != GUID_SIZE) {
        rules_function_fail(context, "guid", "takes 16 bytes");
        return;
    }
    const uint8_t *d = b.data;
    char text[40];
    int size = snprintf(text, sizeof text,
                        "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
                        "%02x%02x%02x%02x%02x%02x",
                        d[3], d[2], d[1], d[0], d[5], d[4], d[7], d[6], d[8],
                        d[9], d[10], d[11], d[12], d[13], d[14], d[15]);
    sqlite3_result_text(context, text, size, SQLITE_TRANSIENT);
}

static void call_sid(sqlite3_context *context, int count,
                     sqlite3_value **values)
{
    (void) count;
    if (sqlite3_value_type(values[0]) == SQLITE_NULL) {
        return;
    }
    struct ts_slice b = rules_value_bytes(values[0]);
    if (b.size < SID_HEAD_SIZE || b.data[0] != 1 ||
        b.data[1] > SID_AUTHORITIES_MAX ||
        b.size != SID_HEAD_SIZE + 4 * (size_t) b.data[1]) {
        rules_function_fail(context, "sid", "takes a binary SID");
        return;
    }
    uint64_t authority = 0; /* 48 bits, big-endian */
    for (size_t i = 2; i < SID_HEAD_SIZE; i++) {
        authority = authority << 8 | b.data[i];
    }
    char text[32 + SID_AUTHORITIES_MAX * 11];
    /* MS-DTYP §2.4.2.1: hexadecimal from 2^32 on. */
    int size = snprintf(text, sizeof text,
                        authority < (UINT64_C(1) << 32) ? "S-1-%" PRIu64
                                                        : "S-1-0x%" PRIX64,
                        authority);
    for (size_t i = SID_HEAD_SIZE; i < b.size; i += 4) {
        const uint8_t *p = b.data + i;
        uint32_t part = (uint32_t) p[0] | (uint32_t) p[1] << 8 |
                        (uint32_t) p[2] << 16 | (uint32_t) p[3] << 24;
        size += snprintf(text + size, sizeof text - (size_t) size, "-%" PRIu32,
                         part);
    }
    sqlite3_result_text(context, text, size, SQLITE_TRANSIENT);
}

static void call_ad_time(sqlite3_context *context, int count,
                         sqlite3_value **values)
{
    (void) count;
    if (sqlite3_value_type(values[0]) == SQLITE_NULL) {
        return;
    }
    int64_t ticks = sqlite3_value_int64(values[0]);
    bool valid = sqlite3_value_type(values[0]) == SQLITE_INTEGER ||
                 (sqlite3_value_type(values[0]) == SQLITE_TEXT &&
                  rules_parse_integer(rules_value_text(values[0]), &ticks));
    if (valid && (ticks == 0 || ticks == INT64_MAX)) {
        return; /* never */
    }
    int64_t seconds = ticks / AD_TICKS - AD_EPOCH_SECONDS;
    time_t when = (time_t) seconds;
    struct tm parts;
    if (!valid || ticks < 0 || seconds > SECONDS_MAX ||
        gmtime_r(&when, &parts) == NULL) {
        rules_function_fail(context, "ad_time",
                            "takes a count of 100 ns since 1601");
        return;
    }
    char text[32];
    size_t size = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    sqlite3_result_text(context, text, (int) size, SQLITE_TRANSIENT);
}

/* ---- rdn --------------------------------------------------------------- */

/* The value of `type` in an RDN (it may have several parts), or NULL. */
static const struct berval *rdn_value(LDAPRDN rdn, struct ts_slice type)
{
    for (int i = 0; rdn[i] != NULL; i++) {
        const LDAPAVA *ava = rdn[i];
        if (ava->la_attr.bv_len == type.size &&
            strncasecmp(ava->la_attr.bv_val, (const char *) type.data,
                        type.size) == 0) {
            return &ava->la_value;
        }
    }
    return NULL;
}

static void result_rdn(sqlite3_context *context, LDAPDN dn, int count,
                       sqlite3_value **values)
{
    if (dn == NULL || dn[0] == NULL) {
        return; /* the empty DN has none: NULL */
    }
    if (count == 2) {
        const struct berval *value =
            rdn_value(dn[0], rules_value_text(values[1]));
        if (value == NULL) {
            return;
        }
        struct ts_slice bytes = ts_slice(value->bv_val, value->bv_len);
        if (ts_kind_of_bytes(bytes) == TS_KIND_TEXT) {
            sqlite3_result_text64(context, value->bv_val, bytes.size,
                                  SQLITE_TRANSIENT, SQLITE_UTF8);
        } else {
            sqlite3_result_blob64(context, value->bv_val, bytes.size,
                                  SQLITE_TRANSIENT);
        }
        return;
    }
    char *text = NULL;
    if (ldap_rdn2str(dn[0], &text, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS) {
        rules_function_fail(context, "rdn", "could not print this RDN");
        return;
    }
    sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
    ldap_memfree(text);
}

static void call_rdn(sqlite3_context *context, int count,
                     sqlite3_value **values)
{
    for (int i = 0; i < count; i++) {
        if (sqlite3_value_type(values[i]) == SQLITE_NULL) {
            return;
        }
        if (!rules_value_is_text(context, "rdn", values[i])) {
            return;
        }
    }
    struct ts_slice text = rules_value_text(values[0]);
    struct berval bytes = {
        .bv_len = text.size,
        .bv_val = (char *) (uintptr_t) text.data, /* ldap_bv2dn only reads */
    };
    LDAPDN dn = NULL;
    if (text.size > RULES_DN_SIZE_MAX ||
        ldap_bv2dn(&bytes, &dn, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS) {
        rules_function_fail(context, "rdn", "takes a distinguished name");
        return;
    }
    result_rdn(context, dn, count, values);
    ldap_dnfree(dn);
}

int rules_functions_directory_register(struct rules_sandbox *sandbox)
{
    static const struct rules_function FUNCTIONS[] = {
        { "guid", 1, call_guid },       { "sid", 1, call_sid },
        { "ad_time", 1, call_ad_time }, { "rdn", 1, call_rdn },
        { "rdn", 2, call_rdn },
    };
    return rules_functions_add(sandbox, FUNCTIONS,
                               sizeof FUNCTIONS / sizeof FUNCTIONS[0]);
}
