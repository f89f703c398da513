#include "replication/zap.h"

#include <czmq.h>

#include "node/base/zeromq.h"

#define ENDPOINT "inproc://zeromq.zap.01"

/* Frames of a question with CURVE: version, request, domain, address,
 * identity, mechanism, key. */
enum {
    FRAME_VERSION,
    FRAME_REQUEST,
    FRAME_DOMAIN,
    FRAME_ADDRESS,
    FRAME_IDENTITY,
    FRAME_MECHANISM,
    FRAME_KEY,
    FRAMES
};

struct zap {
    zsock_t *socket;
    const char *domains[ZAP_DOMAINS_MAX]; /* NULL: free */
    struct zap_judge judges[ZAP_DOMAINS_MAX];
};

enum ts_code zap_new(struct zap **ret_zap, struct ts_err *err)
{
    ts_zeromq_start();
    struct zap *zap = calloc(1, sizeof *zap);
    zsock_t *socket = zap == NULL ? NULL : zsock_new(ZMQ_REP);
    if (socket == NULL) {
        free(zap);
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not make the handler of ZeroMQ's authentication");
    }
    zsock_set_linger(socket, 0);
    zap->socket = socket;
    if (zmq_bind(zsock_resolve(socket), ENDPOINT) != 0) {
        zap_free(zap);
        return ts_fail(err, TS_E_CONFLICT, 0,
                       "cannot handle ZeroMQ's authentication: this process "
                       "has another handler");
    }
    *ret_zap = zap;
    return TS_OK;
}

void zap_free(struct zap *zap)
{
    if (zap != NULL) {
        /* Destroying alone frees the name some time later. */
        (void) zmq_unbind(zsock_resolve(zap->socket), ENDPOINT);
        zsock_destroy(&zap->socket);
        free(zap);
    }
}

static size_t find(const struct zap *zap, const char *domain)
{
    size_t i = 0;
    while (i < ZAP_DOMAINS_MAX &&
           (zap->domains[i] == NULL || strcmp(zap->domains[i], domain) != 0)) {
        i++;
    }
    return i;
}

enum ts_code zap_join(struct zap *zap, const char *domain,
                      const struct zap_judge *judge, struct ts_err *err)
{
    for (size_t i = 0; i < ZAP_DOMAINS_MAX; i++) {
        if (zap->domains[i] == NULL) {
            zap->domains[i] = domain;
            zap->judges[i] = *judge;
            return TS_OK;
        }
    }
    return ts_fail(err, TS_E_LIMIT, 0,
                   "cannot authenticate for \"%s\": %d others do", domain,
                   ZAP_DOMAINS_MAX);
}

void zap_leave(struct zap *zap, const char *domain)
{
    size_t i = find(zap, domain);
    if (i < ZAP_DOMAINS_MAX) {
        zap->domains[i] = NULL;
    }
}

int zap_fd(const struct zap *zap)
{
    return zsock_fd(zap->socket);
}

/* ---- one question -------------------------------------------------------- */

/* As text; what does not fit or has a NUL is "". */
static void copy_frame(zframe_t *frame, char *text, size_t size)
{
    size_t length = zframe_size(frame);
    bool fits = length > 0 && length < size &&
                memchr(zframe_data(frame), '\0', length) == NULL;
    (void) snprintf(text, size, "%.*s", fits ? (int) length : 0,
                    (const char *) zframe_data(frame));
}

static bool judged(const struct zap *zap, zframe_t *const frames[static FRAMES],
                   char user[static ZAP_USER_SIZE])
{
    char domain[64];
    struct zap_question question;
    copy_frame(frames[FRAME_DOMAIN], domain, sizeof domain);
    copy_frame(frames[FRAME_ADDRESS], question.address,
               sizeof question.address);
    if (!zframe_streq(frames[FRAME_VERSION], "1.0") ||
        !zframe_streq(frames[FRAME_MECHANISM], "CURVE") ||
        zframe_size(frames[FRAME_KEY]) != CERTIFICATE_KEY_SIZE) {
        return false;
    }
    certificate_key_text(zframe_data(frames[FRAME_KEY]), question.key);
    size_t i = find(zap, domain);
    return i < ZAP_DOMAINS_MAX &&
           zap->judges[i].admits(zap->judges[i].context, &question, user);
}

static void answer(struct zap *zap, zmsg_t *question)
{
    zframe_t *frames[FRAMES] = { NULL };
    size_t count = 0;
    for (zframe_t *frame = zmsg_first(question); frame != NULL;
         frame = zmsg_next(question)) {
        if (count < FRAMES) {
            frames[count] = frame;
        }
        count++;
    }
    char user[ZAP_USER_SIZE] = "";
    bool is_admitted = count == FRAMES && judged(zap, frames, user);
    zmsg_t *reply = zmsg_new();
    (void) zmsg_addstr(reply, "1.0");
    (void) zmsg_addmem(
        reply,
        count > FRAME_REQUEST ? zframe_data(frames[FRAME_REQUEST]) : NULL,
        count > FRAME_REQUEST ? zframe_size(frames[FRAME_REQUEST]) : 0);
    (void) zmsg_addstr(reply, is_admitted ? "200" : "400");
    (void) zmsg_addstr(reply, is_admitted ? "OK" : "not of this pair");
    (void) zmsg_addstr(reply, is_admitted ? user : "");
    (void) zmsg_addmem(reply, NULL, 0); /* no metadata */
    (void) zmsg_send(&reply, zap->socket);
    zmsg_destroy(&reply);
}

bool zap_step(struct zap *zap)
{
    for (int i = 0; i < ZAP_STEP_MAX; i++) {
        if ((zsock_events(zap->socket) & ZMQ_POLLIN) == 0) {
            return false;
        }
        zmsg_t *question = zmsg_recv(zap->socket);
        if (question != NULL) {
            answer(zap, question);
            zmsg_destroy(&question);
        }
    }
    return true;
}
