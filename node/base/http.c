#include "node/base/http.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/base/failpoint.h"
#include "node/base/rule.h"

/* A slot keeps a body buffer of this size; larger ones go back. */
#define BODY_KEPT ((size_t) 256 * 1024)
/* Longest sleep of one poll: libcurl's own timers are honoured within it. */
#define POLL_MAX_MS 1000
/* Between the clock that the gate reads and the one that time-outs use. */
#define SLACK_MS 20

/* One easy handle, used again and again. */
struct slot {
    struct ts_http *http;
    CURL *easy;
    struct slot *next; /* in `idle` or `busy` */
    struct ts_http_request *request;
    struct curl_slist headers[TS_HTTP_HEADERS_MAX];
    struct ts_time started, ends;
    uint32_t hook_passes; /* times that bytes were allowed to leave */
    bool stopped, resent, oversize;
    bool too_late; /* there was no time left at its start */
    uint8_t *body;
    size_t body_size, body_room;
    char why[CURL_ERROR_SIZE];
};

struct ts_http {
    struct ts_http_options options;
    CURLM *multi;
    struct slot *idle, *busy;
    size_t busy_count;
    size_t ended;
    atomic_bool cancelled;
};

/* -- libcurl's callbacks ------------------------------------------------- */

static int64_t remaining_ms(const struct ts_http *http)
{
    const struct ts_http_gate *gate = &http->options.gate;
    return gate->remaining_ms == NULL ? INT64_MAX
                                      : gate->remaining_ms(gate->context);
}

static bool may_leave(const struct slot *slot)
{
    const struct ts_http *http = slot->http;
    const struct ts_http_gate *gate = &http->options.gate;
    if (atomic_load(&http->cancelled) || slot->too_late ||
        remaining_ms(http) <= 0) {
        return false;
    }
    return !slot->request->gated || gate->may_send == NULL ||
           gate->may_send(gate->context, slot->ends);
}

bool ts_http_may_pass(uint32_t passes, bool replayable)
{
    return passes == 0 || replayable || !TS_RULE(NO_SILENT_RESEND);
}

/* Called when the request is about to be written to its connection. */
static int before_request(void *context, char *remote, char *local,
                          int remote_port, int local_port)
{
    struct slot *slot = context;
    (void) remote, (void) local, (void) remote_port, (void) local_port;

    if (!ts_http_may_pass(slot->hook_passes, slot->request->replayable)) {
        slot->resent = true;
        return CURL_PREREQFUNC_ABORT;
    }
    if (!may_leave(slot)) {
        slot->stopped = true;
        return CURL_PREREQFUNC_ABORT;
    }
    if (slot->request->gated) {
        TS_FAILPOINT(SEND_CHECKED);
    }
    slot->hook_passes++;
    slot->body_size = 0;
    return CURL_PREREQFUNC_OK;
}

static curl_socket_t open_socket(void *context, curlsocktype purpose,
                                 struct curl_sockaddr *address)
{
    (void) context, (void) purpose;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC,
                    address->protocol);
    const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
    if (fd >= 0 &&
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) != 0) {
        (void) close(fd);
        return CURL_SOCKET_BAD;
    }
    return fd;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
    struct slot *slot = context;
    size_t more = size * count;

    if (more > slot->request->answer_max ||
        slot->body_size > slot->request->answer_max - more) {
        slot->oversize = true;
        return 0;
    }
    if (slot->body_size + more > slot->body_room) {
        size_t room = slot->body_room == 0 ? 4096 : slot->body_room;
        while (room < slot->body_size + more) {
            room *= 2;
        }
        uint8_t *grown = realloc(slot->body, room);
        if (grown == NULL) {
            return 0;
        }
        slot->body = grown;
        slot->body_room = room;
    }
    memcpy(slot->body + slot->body_size, bytes, more);
    slot->body_size += more;
    return more;
}

/* -- slots ---------------------------------------------------------------- */

static void slot_free(struct slot *slot)
{
    curl_easy_cleanup(slot->easy);
    free(slot->body);
    free(slot);
}

/* Options that hold for every request of this client. */
static bool slot_set_up(struct slot *slot)
{
    const struct ts_http_options *options = &slot->http->options;
    CURL *easy = slot->easy;
    const char *protocols = options->allow_plaintext ? "http,https" : "https";

#define SET(option, value)                                   \
    if (curl_easy_setopt(easy, option, value) != CURLE_OK) { \
        return false;                                        \
    }
    SET(CURLOPT_NOSIGNAL, 1L)
    /* A name server that is silent does not hold up the end of a request. */
    SET(CURLOPT_QUICK_EXIT, 1L)
    SET(CURLOPT_PROTOCOLS_STR, protocols)
    SET(CURLOPT_FOLLOWLOCATION, 0L)
    SET(CURLOPT_PROXY, "")
    SET(CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2)
    SET(CURLOPT_SSL_VERIFYPEER, 1L)
    SET(CURLOPT_SSL_VERIFYHOST, 2L)
    if (options->ca_file != NULL) {
        /* Without the second line Debian's trust store would count too. */
        SET(CURLOPT_CAINFO, options->ca_file)
        SET(CURLOPT_CAPATH, NULL)
    }
    if (options->certificate_file != NULL) {
        SET(CURLOPT_SSLCERT, options->certificate_file)
        SET(CURLOPT_SSLKEY, options->key_file)
    }
    SET(CURLOPT_USERAGENT, options->user_agent)
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long) TS_HTTP_CONNECT_TIMEOUT_MS)
    SET(CURLOPT_PREREQFUNCTION, before_request)
    SET(CURLOPT_PREREQDATA, slot)
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket)
    SET(CURLOPT_WRITEFUNCTION, take_body)
    SET(CURLOPT_WRITEDATA, slot)
    SET(CURLOPT_ERRORBUFFER, slot->why)
    SET(CURLOPT_PRIVATE, slot)
#undef SET
    return true;
}

static struct slot *slot_take(struct ts_http *http)
{
    struct slot *slot = http->idle;
    if (slot != NULL) {
        http->idle = slot->next;
        return slot;
    }
    slot = calloc(1, sizeof *slot);
    if (slot == NULL) {
        return NULL;
    }
    slot->http = http;
    slot->easy = curl_easy_init();
    if (slot->easy == NULL || !slot_set_up(slot)) {
        slot_free(slot);
        return NULL;
    }
    return slot;
}

static void slot_give_back(struct slot *slot)
{
    struct ts_http *http = slot->http;
    slot->request = NULL;
    slot->body_size = 0;
    if (slot->body_room > BODY_KEPT) {
        free(slot->body);
        slot->body = NULL;
        slot->body_room = 0;
    }
    slot->next = http->idle;
    http->idle = slot;
}

/* The nodes live in the slot: a request costs no list allocation. */
static struct curl_slist *link_headers(struct slot *slot)
{
    struct curl_slist *first = NULL;
    for (size_t i = TS_HTTP_HEADERS_MAX; i-- > 0;) {
        if (slot->request->headers[i] != NULL) {
            /* libcurl only reads it; the field lacks const. */
            union {
                const char *in;
                char *out;
            } text = { .in = slot->request->headers[i] };
            slot->headers[i].data = text.out;
            slot->headers[i].next = first;
            first = &slot->headers[i];
        }
    }
    return first;
}

/* The configured time-out, or what is left; too little is none. */
static int64_t timeout_of(struct slot *slot)
{
    int64_t configured = slot->request->timeout_ms;
    int64_t left = remaining_ms(slot->http);
    slot->too_late = left < TS_HTTP_USEFUL_MS;
    return slot->too_late || left - SLACK_MS > configured ? configured
                                                          : left - SLACK_MS;
}

static bool slot_prepare(struct slot *slot)
{
    static const char *const verb[TS_HTTP_METHODS] = { NULL, NULL, "PUT",
                                                       "PATCH", "DELETE" };
    const struct ts_http_request *request = slot->request;
    CURL *easy = slot->easy;
    bool body =
        request->method != TS_HTTP_GET && request->method != TS_HTTP_DELETE;

    slot->hook_passes = 0;
    slot->stopped = slot->resent = slot->oversize = false;
    slot->body_size = 0;
    slot->why[0] = '\0';
    slot->started = ts_time_now();
    int64_t timeout_ms = timeout_of(slot);
    slot->ends = ts_time_after(slot->started, timeout_ms);

    CURLcode rc = curl_easy_setopt(easy, CURLOPT_URL, request->url);
    rc |= body ? curl_easy_setopt(easy, CURLOPT_POST, 1L)
               : curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    if (body) {
        rc |= curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                               (curl_off_t) request->body.size);
        rc |= curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
                               request->body.size == 0
                                   ? (const void *) ""
                                   : (const void *) request->body.data);
    }
    rc |= curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, verb[request->method]);
    rc |= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, link_headers(slot));
    rc |= curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long) timeout_ms);
    rc |= curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, (long) request->fresh);
    rc |= curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, (long) request->fresh);
    return rc == CURLE_OK;
}

/* -- ends ------------------------------------------------------------------ */

static enum ts_code code_of(CURLcode rc)
{
    if (rc == CURLE_OPERATION_TIMEDOUT) {
        return TS_E_TIMEOUT;
    }
    if (rc == CURLE_PEER_FAILED_VERIFICATION || rc == CURLE_SSL_CERTPROBLEM ||
        rc == CURLE_SSL_CACERT_BADFILE) {
        return TS_E_AUTH;
    }
    if (rc == CURLE_OUT_OF_MEMORY) {
        return TS_E_NOMEM;
    }
    return rc == CURLE_WEIRD_SERVER_REPLY || rc == CURLE_HTTP2 ||
                   rc == CURLE_HTTP2_STREAM ||
                   rc == CURLE_UNSUPPORTED_PROTOCOL ||
                   rc == CURLE_BAD_CONTENT_ENCODING
               ? TS_E_PROTOCOL
               : TS_E_UNREACHABLE;
}

/* Which kind of end, and its sentence. */
static void judge(const struct slot *slot, CURLcode rc,
                  struct ts_http_answer *answer)
{
    assert(slot->request != NULL);
    const char *url = slot->request->url;
    const char *why = slot->why[0] != '\0' ? slot->why : curl_easy_strerror(rc);

    if (rc == CURLE_OK) {
        answer->end = TS_HTTP_ANSWERED;
    } else if (slot->oversize) {
        answer->end = TS_HTTP_OVERSIZE;
        (void) ts_fail(&answer->err, TS_E_LIMIT, 0,
                       "could not use the answer of %s: it is larger than the "
                       "%zu bytes allowed",
                       url, slot->request->answer_max);
    } else if (slot->hook_passes > 0) {
        answer->end = TS_HTTP_LOST;
        (void) ts_fail(&answer->err, code_of(rc), 0,
                       "could not read the answer of %s: %s", url,
                       slot->resent ? "the connection closed before it came, "
                                      "and the request is not sent again"
                                    : why);
    } else if (slot->stopped || rc == CURLE_ABORTED_BY_CALLBACK) {
        answer->end = TS_HTTP_STOPPED;
        (void) ts_fail(&answer->err, TS_E_CANCELLED, 0,
                       "could not send to %s: this node may not export now",
                       url);
    } else {
        answer->end = TS_HTTP_UNSENT;
        (void) ts_fail(&answer->err, code_of(rc), 0, "could not reach %s: %s",
                       url, why);
    }
}

static const char *header(CURL *easy, const char *name)
{
    struct curl_header *found;
    return curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &found) ==
                   CURLHE_OK
               ? found->value
               : NULL;
}

static void slot_end(struct slot *slot, CURLcode rc)
{
    struct ts_http *http = slot->http;
    struct ts_http_request *request = slot->request;
    struct ts_http_answer answer = { .elapsed_ms =
                                         ts_time_now().ms - slot->started.ms };

    judge(slot, rc, &answer);
    if (answer.end == TS_HTTP_ANSWERED || answer.end == TS_HTTP_OVERSIZE) {
        long status = 0;
        (void) curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &status);
        answer.status = (int) status;
        answer.content_type = header(slot->easy, "content-type");
        answer.retry_after = header(slot->easy, "retry-after");
        answer.etag = header(slot->easy, "etag");
        answer.date = header(slot->easy, "date");
    }
    if (answer.end == TS_HTTP_ANSWERED) {
        answer.body = ts_slice(slot->body, slot->body_size);
    }

    struct slot **at = &http->busy;
    while (*at != slot) {
        at = &(*at)->next;
    }
    *at = slot->next;
    http->busy_count--;
    http->ended++;
    (void) curl_multi_remove_handle(http->multi, slot->easy);
    request->done(request, &answer);
    slot_give_back(slot);
}

static void end_all(struct ts_http *http)
{
    while (http->busy != NULL) {
        slot_end(http->busy, CURLE_ABORTED_BY_CALLBACK);
    }
}

/* -- public ---------------------------------------------------------------- */

static void global_init(void)
{
    (void) curl_global_init(CURL_GLOBAL_DEFAULT);
}

enum ts_code ts_http_new(const struct ts_http_options *options,
                         struct ts_http **ret_http, struct ts_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void) pthread_once(&once, global_init);

    const char *const files[] = { options->ca_file, options->certificate_file,
                                  options->key_file };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (files[i] != NULL && access(files[i], R_OK) != 0) {
            return ts_fail(err, TS_E_CONFIG, errno, "could not read \"%s\"",
                           files[i]);
        }
    }
    struct ts_http *http = calloc(1, sizeof *http);
    CURLM *multi = http == NULL ? NULL : curl_multi_init();
    if (multi == NULL) {
        free(http);
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not set up HTTP: out of memory");
    }
    http->options = *options;
    http->multi = multi;
    long kept = (long) options->connections_max + TS_HTTP_SPARE;
    (void) curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, kept);
    *ret_http = http;
    return TS_OK;
}

void ts_http_free(struct ts_http *http)
{
    if (http == NULL) {
        return;
    }
    end_all(http);
    while (http->idle != NULL) {
        struct slot *slot = http->idle;
        http->idle = slot->next;
        slot_free(slot);
    }
    (void) curl_multi_cleanup(http->multi);
    free(http);
}

enum ts_code ts_http_start(struct ts_http *http,
                           struct ts_http_request *request, struct ts_err *err)
{
    assert(request->done != NULL && request->timeout_ms > 0);
    if (http->busy_count >= http->options.connections_max + TS_HTTP_SPARE) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not send to %s: %zu requests are under way",
                       request->url, http->busy_count);
    }
    struct slot *slot = slot_take(http);
    if (slot == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not send to %s: out of memory", request->url);
    }
    slot->request = request;
    if (!slot_prepare(slot) ||
        curl_multi_add_handle(http->multi, slot->easy) != CURLM_OK) {
        slot_give_back(slot);
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not send to %s: libcurl refused it",
                       request->url);
    }
    slot->next = http->busy;
    http->busy = slot;
    http->busy_count++;
    return TS_OK;
}

size_t ts_http_running(const struct ts_http *http)
{
    return http->busy_count;
}

static void collect(struct ts_http *http)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
        void *slot = NULL;
        (void) curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &slot);
        slot_end(slot, message->data.result);
    }
}

size_t ts_http_run(struct ts_http *http, int wake_fd, struct ts_time deadline)
{
    struct curl_waitfd wake = { .fd = wake_fd, .events = CURL_WAIT_POLLIN };
    http->ended = 0;
    for (;;) {
        if (atomic_load(&http->cancelled)) {
            end_all(http);
            return http->ended;
        }
        const struct ts_http_gate *gate = &http->options.gate;
        int running = 0;
        if (gate->tick != NULL) {
            gate->tick(gate->context);
        }
        (void) curl_multi_perform(http->multi, &running);
        collect(http);
        int64_t left = ts_time_left(deadline);
        if (http->ended > 0 || wake.revents != 0 || left == 0) {
            return http->ended;
        }
        int most = gate->tick != NULL ? TS_HTTP_TICK_MS : POLL_MAX_MS;
        int wait = left > most ? most : (int) left;
        if (curl_multi_poll(http->multi, wake_fd < 0 ? NULL : &wake,
                            wake_fd < 0 ? 0 : 1, wait, NULL) != CURLM_OK) {
            return http->ended;
        }
    }
}

void ts_http_cancel(struct ts_http *http)
{
    atomic_store(&http->cancelled, true);
    (void) curl_multi_wakeup(http->multi);
}

void ts_http_resume(struct ts_http *http)
{
    atomic_store(&http->cancelled, false);
}

bool ts_http_cancelled(const struct ts_http *http)
{
    return atomic_load(&http->cancelled);
}
