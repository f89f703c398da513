/* URLs and their parts: what libcurl knows about them. */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <string.h>
#include <strings.h>

#include "node/base/http.h"

static bool is_loopback(const char *host)
{
    struct in_addr four;
    return strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
           (inet_pton(AF_INET, host, &four) == 1 &&
            ntohl(four.s_addr) >> 24 == 127);
}

enum ts_code ts_http_check_url(const char *url, bool allow_plaintext,
                               struct ts_err *err)
{
    CURLU *parsed = curl_url();
    char *scheme = NULL, *host = NULL, *user = NULL, *fragment = NULL;
    const char *wrong = NULL;

    if (parsed == NULL || curl_url_set(parsed, CURLUPART_URL, url, 0) != 0 ||
        curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) != 0 ||
        curl_url_get(parsed, CURLUPART_HOST, &host, 0) != 0) {
        wrong = "it is not an absolute https URL";
    } else if (curl_url_get(parsed, CURLUPART_USER, &user, 0) == 0 ||
               curl_url_get(parsed, CURLUPART_FRAGMENT, &fragment, 0) == 0) {
        wrong = "a user name and a fragment have no place in it";
    } else if (strcasecmp(scheme, "http") == 0 &&
               !(allow_plaintext && is_loopback(host))) {
        wrong = "plain http is only for a loopback address, and only with "
                "allow-plaintext-loopback";
    } else if (strcasecmp(scheme, "http") != 0 &&
               strcasecmp(scheme, "https") != 0) {
        wrong = "its scheme is not https";
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    curl_free(fragment);
    curl_url_cleanup(parsed);
    return wrong == NULL ? TS_OK
                         : ts_fail(err, TS_E_CONFIG, 0,
                                   "cannot use the URL \"%s\": %s", url, wrong);
}

/* "scheme://host:port", for curl_free; NULL: not a URL. */
static char *origin_of(const char *url)
{
    CURLU *parsed = curl_url();
    char *origin = NULL;
    if (parsed != NULL && curl_url_set(parsed, CURLUPART_URL, url, 0) == 0 &&
        curl_url_set(parsed, CURLUPART_USER, NULL, 0) == 0 &&
        curl_url_set(parsed, CURLUPART_PASSWORD, NULL, 0) == 0 &&
        curl_url_set(parsed, CURLUPART_PATH, NULL, 0) == 0 &&
        curl_url_set(parsed, CURLUPART_QUERY, NULL, 0) == 0 &&
        curl_url_set(parsed, CURLUPART_FRAGMENT, NULL, 0) == 0) {
        (void) curl_url_get(parsed, CURLUPART_URL, &origin, CURLU_DEFAULT_PORT);
    }
    curl_url_cleanup(parsed);
    return origin;
}

bool ts_http_same_origin(const char *one, const char *other)
{
    char *first = origin_of(one), *second = origin_of(other);
    bool same =
        first != NULL && second != NULL && strcasecmp(first, second) == 0;
    curl_free(first);
    curl_free(second);
    return same;
}

const char *ts_http_escape(struct ts_arena *arena, struct ts_slice bytes)
{
    if (bytes.size == 0) {
        return (const char *) ts_arena_copy(arena, ts_slice_str("")).data;
    }
    char *text =
        curl_easy_escape(NULL, (const char *) bytes.data, (int) bytes.size);
    if (text == NULL) {
        return NULL;
    }
    struct ts_slice copy = ts_arena_copy(arena, ts_slice_str(text));
    curl_free(text);
    return (const char *) copy.data;
}

struct ts_slice ts_http_unescape(struct ts_arena *arena, struct ts_slice text)
{
    int size = 0;
    if (text.size == 0) {
        return TS_SLICE_NONE;
    }
    char *bytes = curl_easy_unescape(NULL, (const char *) text.data,
                                     (int) text.size, &size);
    if (bytes == NULL) {
        return TS_SLICE_NONE;
    }
    struct ts_slice copy = ts_arena_copy(arena, ts_slice(bytes, (size_t) size));
    curl_free(bytes);
    return copy;
}
