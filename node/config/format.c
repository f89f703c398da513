#include "node/config/format.h"

#include <arpa/inet.h>
#include <assert.h>
#include <curl/curl.h>
#include <ldap.h>
#include <stdlib.h>
#include <string.h>

#define NAME_SIZE_MAX 32
#define URI_SIZE_MAX  1024

static bool is_printable(const char *text, const char *also)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (((unsigned char) *c < ' ' || *c == 0x7f) &&
            strchr(also, *c) == NULL) {
            return false;
        }
    }
    return true;
}

static bool is_name(const char *text)
{
    size_t size = strlen(text);
    return size >= 1 && size <= NAME_SIZE_MAX &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == size;
}

/* Absolute, without "." and ".." that would make two spellings of one. */
static bool is_path(const char *text)
{
    size_t size = strlen(text);
    return text[0] == '/' && size > 1 && text[size - 1] != '/' &&
           strstr(text, "//") == NULL && strstr(text, "/./") == NULL &&
           strstr(text, "/../") == NULL && strcmp(text + size - 2, "/.") != 0 &&
           (size < 3 || strcmp(text + size - 3, "/..") != 0) &&
           is_printable(text, "");
}

/* A systemd credential has no slash: see node/base/secret.h. */
static bool is_secret(const char *text)
{
    return is_path(text) ||
           (strchr(text, '/') == NULL && is_printable(text, ""));
}

/* RFC 4512, section 2.5: a name or OID, and options. */
static bool is_attribute(const char *text)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static const char rest[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-;";
    if (text[0] >= '0' && text[0] <= '9') {
        size_t digits = strspn(text, "0123456789.");
        return text[digits] == '\0' || text[digits] == ';';
    }
    return text[0] != '\0' && strchr(letters, text[0]) != NULL &&
           text[strspn(text, rest)] == '\0';
}

static bool is_dn(const char *text)
{
    LDAPDN dn = NULL;
    bool good = ldap_str2dn(text, &dn, LDAP_DN_FORMAT_LDAPV3) == LDAP_SUCCESS &&
                dn != NULL;
    ldap_dnfree(dn);
    return good;
}

/* Brackets balance: values hold none, RFC 4515 has them escaped. The server
 * judges the rest. */
static bool is_filter(const char *text)
{
    int depth = 0;
    if (text[0] != '(' || !is_printable(text, "")) {
        return false;
    }
    for (const char *c = text; *c != '\0'; c++) {
        depth += (*c == '(') - (*c == ')');
        if (depth < 0 || (depth == 0 && c[1] != '\0')) {
            return false;
        }
    }
    return depth == 0 && strcmp(text, "()") != 0;
}

/* A name or an address, IPv6 in brackets, and a port. */
static bool is_endpoint(const char *text)
{
    static const char scheme[] = "tcp://";
    if (strncmp(text, scheme, sizeof scheme - 1) != 0) {
        return false;
    }
    const char *host = text + sizeof scheme - 1;
    const char *port = strrchr(host, ':');
    if (port == NULL || port == host) {
        return false;
    }
    size_t digits = strspn(port + 1, "0123456789");
    long number = strtol(port + 1, NULL, 10);
    size_t size = (size_t) (port - host);
    bool bracketed = host[0] == '[' && host[size - 1] == ']';
    size_t plain =
        strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                     "0123456789.-");
    size_t address =
        bracketed ? strspn(host + 1, "0123456789abcdefABCDEF:.") : 0;
    return digits >= 1 && digits <= 5 && port[1 + digits] == '\0' &&
           number >= 1 && number <= 65535 &&
           (plain == size || (bracketed && address == size - 2 && size > 2));
}

/* ---- URIs --------------------------------------------------------------- */

static bool is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1) {
        return ntohl(v4.s_addr) >> 24 == 127;
    }
    return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

/* The next of `*uris` into `uri`; false at the end or when it is too long. */
static bool next_uri(const char **uris, char uri[static URI_SIZE_MAX])
{
    *uris += strspn(*uris, " ");
    size_t size = strcspn(*uris, " ");
    if (size == 0 || size >= URI_SIZE_MAX) {
        return false;
    }
    memcpy(uri, *uris, size);
    uri[size] = '\0';
    *uris += size;
    return true;
}

/* Only a server: no DN, attributes or filter behind it. */
static bool is_ldap_uri(const char *uri, enum config_exposure *ret_exposure)
{
    LDAPURLDesc *parts = NULL;
    if (ldap_url_parse(uri, &parts) != LDAP_URL_SUCCESS) {
        return false;
    }
    const char *host = parts->lud_host == NULL ? "" : parts->lud_host;
    bool is_ldap = strcmp(parts->lud_scheme, "ldap") == 0;
    bool is_socket = strcmp(parts->lud_scheme, "ldapi") == 0;
    bool good =
        (is_ldap || is_socket || strcmp(parts->lud_scheme, "ldaps") == 0) &&
        (parts->lud_dn == NULL || parts->lud_dn[0] == '\0') &&
        parts->lud_attrs == NULL && parts->lud_filter == NULL &&
        parts->lud_exts == NULL && (is_socket || host[0] != '\0');
    *ret_exposure = !is_ldap            ? CONFIG_PRIVATE
                    : is_loopback(host) ? CONFIG_PLAIN_LOOPBACK
                                        : CONFIG_PLAIN;
    ldap_free_urldesc(parts);
    return good;
}

static bool are_ldap_uris(const char *uris, enum config_exposure *ret_worst)
{
    char uri[URI_SIZE_MAX];
    size_t count = 0;
    *ret_worst = CONFIG_PRIVATE;
    while (next_uri(&uris, uri)) {
        enum config_exposure exposure = CONFIG_PLAIN;
        if (!is_ldap_uri(uri, &exposure)) {
            return false;
        }
        *ret_worst = exposure > *ret_worst ? exposure : *ret_worst;
        count++;
    }
    return count > 0 && *uris == '\0';
}

/* One part of a URL; NULL when there is none. Free with curl_free. */
static char *url_part(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    return curl_url_get(url, part, &text, 0) == CURLUE_OK ? text : NULL;
}

static enum config_exposure exposure_of(CURLU *url, bool *ret_good)
{
    char *scheme = url_part(url, CURLUPART_SCHEME);
    char *host = url_part(url, CURLUPART_HOST);
    char *user = url_part(url, CURLUPART_USER);
    char *fragment = url_part(url, CURLUPART_FRAGMENT);
    bool is_https = scheme != NULL && strcmp(scheme, "https") == 0;
    bool is_http = scheme != NULL && strcmp(scheme, "http") == 0;
    size_t size = host == NULL ? 0 : strlen(host);
    *ret_good =
        (is_https || is_http) && size > 0 && user == NULL && fragment == NULL;
    if (size > 2 && host[0] == '[') { /* an IPv6 address keeps its brackets */
        host[size - 1] = '\0';
    }
    enum config_exposure exposure =
        is_https ? CONFIG_PRIVATE
        : size > 0 && is_loopback(host + (host[0] == '['))
            ? CONFIG_PLAIN_LOOPBACK
            : CONFIG_PLAIN;
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    curl_free(fragment);
    return exposure;
}

static bool is_url(const char *text, enum config_exposure *ret_exposure)
{
    CURLU *url = curl_url();
    bool good = false;
    *ret_exposure = CONFIG_PLAIN;
    if (url != NULL && strchr(text, ' ') == NULL &&
        curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK) {
        *ret_exposure = exposure_of(url, &good);
    }
    curl_url_cleanup(url);
    return good;
}

enum config_exposure config_exposure_ldap(const char *uris)
{
    enum config_exposure worst = CONFIG_PLAIN;
    return are_ldap_uris(uris, &worst) ? worst : CONFIG_PLAIN;
}

enum config_exposure config_exposure_url(const char *url)
{
    enum config_exposure exposure = CONFIG_PLAIN;
    return is_url(url, &exposure) ? exposure : CONFIG_PLAIN;
}

bool config_uris_all(const char *uris, const char *scheme)
{
    char uri[URI_SIZE_MAX];
    size_t size = strlen(scheme);
    while (next_uri(&uris, uri)) {
        if (strncasecmp(uri, scheme, size) != 0 ||
            strncmp(uri + size, "://", 3) != 0) {
            return false;
        }
    }
    return true;
}

/* ---- the formats -------------------------------------------------------- */

static bool matches(enum config_format format, const char *text)
{
    enum config_exposure unused;
    switch (format) {
    case CONFIG_NAME:
        return is_name(text);
    case CONFIG_FOLDER:
    case CONFIG_FILE:
        return is_path(text);
    case CONFIG_SECRET:
        return is_secret(text);
    case CONFIG_LDAP_URIS:
        return is_printable(text, "") && are_ldap_uris(text, &unused);
    case CONFIG_URL:
        return is_printable(text, "") && is_url(text, &unused);
    case CONFIG_ENDPOINT:
        return is_endpoint(text);
    case CONFIG_DN:
        return is_dn(text);
    case CONFIG_FILTER:
        return is_filter(text);
    case CONFIG_ATTRIBUTE:
        return is_attribute(text);
    case CONFIG_EXPRESSION:
        return is_printable(text, "\t\n");
    case CONFIG_ANY:
    case CONFIG_FORMATS:
        break;
    }
    return is_printable(text, "");
}

static const struct {
    const char *must, *text, *pattern;
} formats[CONFIG_FORMATS] = {
    [CONFIG_ANY] = { "must be text without control characters", "text", NULL },
    [CONFIG_NAME] = { "must be 1 to 32 of a-z, 0-9 and -", "name",
                      "^[a-z0-9-]{1,32}$" },
    [CONFIG_FOLDER] = { "must be an absolute path without . and ..",
                        "absolute path", "^/." },
    [CONFIG_FILE] = { "must be an absolute path without . and ..",
                      "absolute path", "^/." },
    [CONFIG_SECRET] = { "must be an absolute path without . and .., or the "
                        "bare name of a systemd credential",
                        "absolute path, or name of a systemd credential",
                        "^(/.|[^/]+$)" },
    [CONFIG_LDAP_URIS] = { "must be LDAP URIs such as "
                           "ldaps://ldap.example.org, separated by spaces",
                           "LDAP URIs", "^[lL][dD][aA][pP][sSiI]?://" },
    [CONFIG_URL] = { "must be an https:// URL without user and fragment", "URL",
                     "^[hH][tT][tT][pP][sS]?://" },
    [CONFIG_ENDPOINT] = { "must be an endpoint such as tcp://10.0.0.1:7400",
                          "endpoint", "^tcp://[^ /]+:[0-9]{1,5}$" },
    [CONFIG_DN] = { "must be a DN such as dc=example,dc=org (RFC 4514)", "DN",
                    NULL },
    [CONFIG_FILTER] = { "must be an LDAP filter in brackets such as "
                        "(objectClass=person) (RFC 4515)",
                        "LDAP filter", "^\\(.*\\)$" },
    [CONFIG_ATTRIBUTE] = { "must be the name of an attribute (RFC 4512)",
                           "attribute",
                           "^([A-Za-z][A-Za-z0-9;-]*|[0-9][0-9.]*(;.*)?)$" },
    [CONFIG_EXPRESSION] = { "must be text without control characters",
                            "SQL expression", NULL },
};

const char *config_format_check(enum config_format format, const char *text)
{
    assert(format < CONFIG_FORMATS);
    return matches(format, text) ? NULL : formats[format].must;
}

const char *config_format_pattern(enum config_format format)
{
    return formats[format].pattern;
}

const char *config_format_text(enum config_format format)
{
    return formats[format].text;
}
