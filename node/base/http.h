/*
 * http -- the only place that knows libcurl.
 *
 * Requests are started and end later, on the same thread, inside
 * ts_http_run(); connections are kept and used again. What matters to a caller
 * that writes is one question, and every end answers it: can the request have
 * had an effect at the other side?
 *
 *   start --> [connect] --> gate? --> bytes leave --> answer
 *      |          |           |            |            +--> ANSWERED, OVERSIZE
 *      |          |           |            +--> LOST      (perhaps)
 *      |          |           +--> STOPPED               (no)
 *      +----------+--> UNSENT, STOPPED                   (no)
 *
 * Invariants:
 *   H1  `done` is called exactly once for every started request, also when the
 *       client is freed.
 *   H2  UNSENT and STOPPED are told only when the pre-request hook was never
 *       passed: not one byte of the request was handed to a connection.
 *   H3  a request that is not replayable passes the hook at most once. libcurl
 *       repeats a request by itself when a kept connection closes before the
 *       first byte of an answer, although the service may have acted on it;
 *       the second time through the hook ends such a request as LOST.
 *   H4  the gate of a gated request is asked in the hook, so after connecting
 *       and waiting, in the last moment before its bytes leave.
 *   H5  no request, gated or not, begins or lasts when remaining_ms() is over:
 *       its connection is reset at that moment.
 *   H6  an answer's body never grows past the request's answer_max.
 *   H7  a killed process's unsent bytes are not delivered: sockets are closed
 *       with a reset (SO_LINGER {1, 0}) and never inherited (O_CLOEXEC).
 *
 * Redirects are not followed, cookies not kept, proxies of the environment not
 * used, content encodings not asked for. Not thread-safe, but for
 * ts_http_cancel().
 */
#ifndef NODE_BASE_HTTP_H
#define NODE_BASE_HTTP_H

#include "node/base/arena.h"
#include "node/base/err.h"
#include "node/base/time.h"

#define TS_HTTP_HEADERS_MAX        8
#define TS_HTTP_CONNECT_TIMEOUT_MS 10000
/* Requests under way at once beyond connections_max (for the token). */
#define TS_HTTP_SPARE 2

/* Who may send, and for how long. None of these may block; each may be NULL.
 *   may_send      asked for gated requests before their bytes leave: may one
 *                 that ends by `deadline` be sent?
 *   remaining_ms  how long any request may last now. A request's time-out is no
 *                 longer than that, and none leaves when it is over.
 *   tick          called at each turn of ts_http_run, at least every
 *                 TS_HTTP_TICK_MS: the thread lives, though it waits. */
struct ts_http_gate {
    bool (*may_send)(void *context, struct ts_time deadline);
    int64_t (*remaining_ms)(void *context);
    void (*tick)(void *context);
    void *context;
};
#define TS_HTTP_TICK_MS 100
/* With less time than this a request is not worth sending: it would only be
 * one whose outcome is not known. */
#define TS_HTTP_USEFUL_MS 250

struct ts_http_options {
    const char *ca_file; /* NULL: the system's trust store */
    const char *certificate_file, *key_file; /* or NULL */
    const char *user_agent;
    bool allow_plaintext; /* http besides https: loopback only, see check_url */
    uint32_t connections_max;
    struct ts_http_gate gate;
};

enum ts_http_method {
    TS_HTTP_GET,
    TS_HTTP_POST,
    TS_HTTP_PUT,
    TS_HTTP_PATCH,
    TS_HTTP_DELETE,
    TS_HTTP_METHODS
};

enum ts_http_end {
    TS_HTTP_ANSWERED, /* a complete answer, whatever its status */
    TS_HTTP_OVERSIZE, /* an answer, cut off at answer_max: only the status */
    TS_HTTP_LOST,     /* sent, at least in part, and no complete answer */
    TS_HTTP_UNSENT,   /* no connection: certainly no effect */
    TS_HTTP_STOPPED   /* gate closed or cancelled before any byte left */
};

struct ts_http_answer {
    enum ts_http_end end;
    int status;               /* 0 unless ANSWERED or OVERSIZE */
    struct ts_slice body;     /* ANSWERED; may be empty */
    const char *content_type; /* these four: NULL when not sent */
    const char *retry_after;
    const char *etag;
    const char *date;
    int64_t elapsed_ms;
    struct ts_err err; /* why, unless ANSWERED */
};

/* The caller's until `done`. An answer and its texts live until it returns. */
struct ts_http_request {
    enum ts_http_method method;
    const char *url;
    const char *headers[TS_HTTP_HEADERS_MAX]; /* "Name: value", NULL ends */
    struct ts_slice body;                     /* not for GET and DELETE */
    bool gated;                               /* ask the gate (H4) */
    bool replayable;                          /* harmless to send twice (H3) */
    bool fresh;         /* a connection of its own, that nothing else uses */
    int64_t timeout_ms; /* from start to the answer's last byte */
    size_t answer_max;
    void (*done)(struct ts_http_request *request,
                 const struct ts_http_answer *answer);
    void *owner; /* the caller's */
};

/* May it be written to a connection, having been so `passes` times? (H3) */
bool ts_http_may_pass(uint32_t passes, bool replayable);

struct ts_http;

/* Borrows the options' strings until _free.
 * Errors   TS_E_NOMEM, TS_E_CONFIG (a certificate file cannot be read). */
TS_MUSTUSE enum ts_code ts_http_new(const struct ts_http_options *options,
                                    struct ts_http **ret_http,
                                    struct ts_err *err);
/* Ends what runs (H1); `done` must not start anything. NULL is fine. */
void ts_http_free(struct ts_http *http);

/* Begin; `done` is not called from here.
 * Errors   TS_E_NOMEM, TS_E_LIMIT (connections_max + TS_HTTP_SPARE are under
 *          way); then `done` will not be called. */
TS_MUSTUSE enum ts_code ts_http_start(struct ts_http *http,
                                      struct ts_http_request *request,
                                      struct ts_err *err);
size_t ts_http_running(const struct ts_http *http);

/* Send and receive until a request has ended, `wake_fd` is readable (-1: none;
 * it is not read from), cancelled, or `deadline` has come. With nothing under
 * way it waits for the other three. Answers how many requests ended. */
size_t ts_http_run(struct ts_http *http, int wake_fd, struct ts_time deadline);

/* From any thread: end what runs and whatever is started, inside _run, until
 * _resume. */
void ts_http_cancel(struct ts_http *http);
void ts_http_resume(struct ts_http *http);
bool ts_http_cancelled(const struct ts_http *http);

/* Is `url` absolute, without user and fragment, https, or http to a loopback
 * host where that is allowed?
 * Errors   TS_E_CONFIG. */
TS_MUSTUSE enum ts_code ts_http_check_url(const char *url, bool allow_plaintext,
                                          struct ts_err *err);

/* Do both have one scheme, host and port? False when either is no URL. */
bool ts_http_same_origin(const char *one, const char *other);

/* `bytes` percent-encoded (RFC 3986, unreserved characters stay) as a C string.
 * Errors   NULL: out of memory. */
const char *ts_http_escape(struct ts_arena *arena, struct ts_slice bytes);
/* The reverse. Errors: an empty slice: out of memory. */
struct ts_slice ts_http_unescape(struct ts_arena *arena, struct ts_slice text);

#endif
