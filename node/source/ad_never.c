#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "node/ldap/rdn.h"
#include "node/source/ad.h"

/*
 * What is never synchronized, whatever the rules say: the accounts and groups
 * that the directory itself, Exchange and synchronizers like this one are made
 * of. As Microsoft's own tools have it.
 */

#define RECIPIENT_SYSTEM \
    0x21C07000                    /* arbitration, discovery, monitoring, ... */
#define RECIPIENT_ROLE 0x40000000 /* an Exchange role group */
#define GROUP_BUILTIN  0x1

enum kind {
    NEITHER,
    USER,
    COMPUTER,
    GROUP,
    CONTACT
};

static bool is(struct ts_slice value, const char *text)
{
    return value.size == strlen(text) &&
           strncasecmp((const char *) value.data, text, value.size) == 0;
}

static bool begins(struct ts_slice value, const char *text)
{
    return value.size >= strlen(text) &&
           strncasecmp((const char *) value.data, text, strlen(text)) == 0;
}

/* A computer is a user, too: the last that is found says more. */
static enum kind kind_of(const struct ad *ad)
{
    static const struct {
        const char *name;
        enum kind kind;
    } classes[] = {
        { "user", USER },
        { "computer", COMPUTER },
        { "group", GROUP },
        { "contact", CONTACT },
    };
    struct source_values values = source_rows_extra(ad->rows, AD_CLASS);
    enum kind kind = NEITHER;
    for (size_t c = 0; c < sizeof classes / sizeof classes[0]; c++) {
        for (size_t i = 0; i < values.count; i++) {
            kind =
                is(values.items[i], classes[c].name) ? classes[c].kind : kind;
        }
    }
    return kind;
}

static struct ts_slice first(const struct ad *ad, enum ad_extra extra)
{
    struct source_values values = source_rows_extra(ad->rows, extra);
    return values.count == 0 ? TS_SLICE_NONE : values.items[0];
}

static int64_t number(const struct ad *ad, enum ad_extra extra)
{
    char text[24] = "";
    struct ts_slice value = first(ad, extra);
    if (value.size > 0 && value.size < sizeof text) {
        memcpy(text, value.data, value.size);
    }
    return strtoll(text, NULL, 10);
}

static bool is_ourselves(const struct ad *ad)
{
    struct ts_slice guid = first(ad, AD_GUID);
    return ad->server.account_known && guid.size == DIRSYNC_GUID_SIZE &&
           memcmp(guid.data, ad->server.account.bytes, guid.size) == 0;
}

/* Two controllers made it at the same time: this is the one that was renamed.
 */
static bool is_conflict(struct ts_slice dn)
{
    static const char mark[] = "\\0ACNF:";
    struct dirsync_name name;
    struct ldap_rdn_cut cut;
    return dirsync_name_parse(dn, &name, NULL) == TS_OK &&
           ldap_rdn_cut_first(name.dn, &cut, NULL) == TS_OK &&
           cut.rdn.size > 0 &&
           memmem(cut.rdn.data, cut.rdn.size, mark, sizeof mark - 1) != NULL;
}

static const char *never_user(const struct ad *ad)
{
    struct ts_slice account = first(ad, AD_ACCOUNT);
    return account.size == 0  ? "it has no sAMAccountName"
           : is_ourselves(ad) ? "it is the account that reads this source"
           : begins(account, "AAD_") || begins(account, "MSOL_")
               ? "it is the account of a synchronizer"
           : is(account, "SUPPORT_388945a0") ? "it is a support account"
           : begins(account, "CAS_") ||
                   begins(first(ad, AD_NICKNAME), "SystemMailbox{") ||
                   begins(first(ad, AD_NICKNAME), "CAS_") ||
                   (number(ad, AD_RECIPIENT) & RECIPIENT_SYSTEM) != 0
               ? "it is an Exchange system mailbox"
               : NULL;
}

static const char *never_group(const struct ad *ad)
{
    return (number(ad, AD_RECIPIENT) & RECIPIENT_ROLE) != 0
               ? "it is an Exchange role group"
           : (number(ad, AD_GROUP_TYPE) & GROUP_BUILTIN) != 0
               ? "it is a builtin group"
               : NULL;
}

static const char *never_of_kind(const struct ad *ad)
{
    switch (kind_of(ad)) {
    case USER:
        return never_user(ad);
    case COMPUTER:
        return first(ad, AD_CERTIFICATE).size == 0
                   ? "it is a computer without a certificate"
                   : never_user(ad);
    case GROUP:
        return never_group(ad);
    case CONTACT:
        return first(ad, AD_MAIL).size == 0 && first(ad, AD_PROXIES).size == 0
                   ? "it is a contact without mail"
                   : NULL;
    case NEITHER:
        break;
    }
    return NULL;
}

struct ts_slice ad_never(const struct ad *ad, struct ts_slice dn)
{
    const char *why = is(first(ad, AD_CRITICAL), "TRUE")
                          ? "it is a critical system object"
                      : is_conflict(dn) ? "it is the loser of a conflict"
                                        : never_of_kind(ad);
    return why == NULL ? TS_SLICE_NONE : ts_slice_str(why);
}
