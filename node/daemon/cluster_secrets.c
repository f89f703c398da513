#include "node/daemon/cluster_secrets.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "node/base/log.h"
#include "node/config/secrets.h"
#include "node/vault/share.h"
#include "replication/certificate.h"

enum record_state {
    RECORD_FREE,
    RECORD_GIVEN, /* to be sent until it is answered */
    RECORD_KEPT,
    RECORD_STALE,  /* the other one has a later one: not sent again */
    RECORD_REFUSED /* sent again later */
};

struct record {
    enum record_state state;
    uint64_t number;
    char name[VAULT_NAME_SIZE];
    struct ts_hash account;
    struct share_bytes sealed;
    struct ts_time again;
    char text[WIRE_TEXT_MAX + 1]; /* REFUSED: why */
};

struct letter {
    struct post_letter letter; /* must be first */
    struct cluster_secrets *self;
};

struct cluster_secrets {
    struct cluster_secrets_options options;
    struct credential_peer port;
    struct letter wake;    /* CS1: it carries nothing */
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t changed;
    bool closed, waking;
    uint64_t last;
    enum secrets_audience audience;
    char node[WIRE_NAME_MAX + 1], absent[WIRE_NAME_MAX + 1];
    bool link_up, is_active;
    int64_t epoch;
    struct record records[CONFIG_SECRETS_MAX];
};

static void lock(struct cluster_secrets *self)
{
    (void) pthread_mutex_lock(&self->mutex);
}

static void unlock(struct cluster_secrets *self)
{
    (void) pthread_mutex_unlock(&self->mutex);
}

static struct record *find(struct cluster_secrets *self, const char *name)
{
    for (size_t i = 0; i < CONFIG_SECRETS_MAX; i++) {
        struct record *record = &self->records[i];
        if (record->state != RECORD_FREE && strcmp(record->name, name) == 0) {
            return record;
        }
    }
    return NULL;
}

static struct record *find_room(struct cluster_secrets *self)
{
    for (size_t i = 0; i < CONFIG_SECRETS_MAX; i++) {
        if (self->records[i].state == RECORD_FREE) {
            return &self->records[i];
        }
    }
    return NULL;
}

/* ---- the credentials' thread --------------------------------------------- */

static bool holds(void *context)
{
    struct cluster_secrets *self = context;
    lock(self);
    bool active = self->is_active && !self->closed;
    unlock(self);
    return active && self->options.held_ms(self->options.context) > 0;
}

static int64_t epoch_of(void *context)
{
    struct cluster_secrets *self = context;
    lock(self);
    int64_t epoch = self->epoch;
    unlock(self);
    return epoch;
}

static void wake_reactor(struct cluster_secrets *self)
{
    lock(self);
    bool first = !self->waking && !self->closed;
    self->waking = self->waking || first;
    unlock(self);
    if (first) {
        post_send(self->options.post, &self->wake.letter);
    }
}

static enum ts_code seal(const struct cluster_secrets *self,
                         const struct vault_kept *kept,
                         struct share_bytes *sealed, struct ts_err *err)
{
    TS_AUTOSEALKEY struct seal_key key = { { 0 } };
    enum ts_code code =
        pair_key_load(self->options.state_directory, key.bytes, err);
    return code == TS_OK ? share_seal(&key, kept, sealed, err) : code;
}

static enum ts_code give(void *context, const struct vault_kept *kept,
                         const struct ts_hash *account, struct ts_err *err)
{
    struct cluster_secrets *self = context;
    struct share_bytes sealed;
    enum ts_code code = seal(self, kept, &sealed, err);
    if (code != TS_OK) {
        return code;
    }
    lock(self);
    struct record *record = find(self, kept->name);
    record = record == NULL ? find_room(self) : record;
    if (record != NULL) {
        record->state = RECORD_GIVEN;
        record->number = ++self->last;
        record->account = *account;
        record->sealed = sealed;
        record->again = ts_time_now();
        (void) snprintf(record->name, sizeof record->name, "%s", kept->name);
    }
    unlock(self);
    wake_reactor(self);
    return record != NULL ? TS_OK
                          : ts_fail(err, TS_E_LIMIT, 0,
                                    "could not give \"%s\" to the other "
                                    "computer: too many are on their way",
                                    kept->name);
}

/* Can everybody be told who must be? With the lock held. */
static enum ts_code reach(const struct cluster_secrets *self,
                          struct ts_err *err)
{
    if (self->closed) {
        return ts_fail(err, TS_E_CANCELLED, 0, "the daemon is stopping");
    }
    if (self->audience == SECRETS_UNKNOWN) {
        return ts_fail(err, TS_E_UNREACHABLE, 0,
                       "the register, which has the members, could not be "
                       "read yet");
    }
    if (self->absent[0] != '\0' ||
        (self->audience == SECRETS_PEER && !self->link_up)) {
        return ts_fail(err, TS_E_UNREACHABLE, 0,
                       "\"%s\" is away and would be left with the old one; "
                       "start it, or take it out of the pair",
                       self->absent[0] != '\0' ? self->absent : self->node);
    }
    return TS_OK;
}

static enum ts_code ready(void *context, struct ts_err *err)
{
    struct cluster_secrets *self = context;
    lock(self);
    enum ts_code code = reach(self, err);
    unlock(self);
    return code;
}

/* CS3, with the lock held. TS_E_TIMEOUT: not yet. */
static enum ts_code look(struct cluster_secrets *self, const char *name,
                         struct ts_err *err)
{
    const struct record *record = find(self, name);
    enum ts_code code = reach(self, err);
    if (code != TS_OK || self->audience == SECRETS_NOBODY ||
        (record != NULL && record->state == RECORD_KEPT)) {
        return code;
    }
    if (record != NULL &&
        (record->state == RECORD_REFUSED || record->state == RECORD_STALE)) {
        return ts_fail(err, TS_E_REFUSED, 0, "\"%s\" does not keep it: %s",
                       self->node, record->text);
    }
    if (record == NULL) {
        return ts_fail(err, TS_E_CANCELLED, 0,
                       "this node does not hold the lease any more");
    }
    return ts_fail(err, TS_E_TIMEOUT, 0,
                   "\"%s\" did not say in %d s that it keeps it; if its "
                   "release is an older one, upgrade it first",
                   self->node, CLUSTER_SECRETS_WAIT_MS / 1000);
}

static enum ts_code wait_kept(void *context, const char *name,
                              struct ts_err *err)
{
    struct cluster_secrets *self = context;
    struct timespec until;
    (void) clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += CLUSTER_SECRETS_WAIT_MS / 1000;
    lock(self);
    enum ts_code code = look(self, name, err);
    int ended = 0;
    while (code == TS_E_TIMEOUT && ended == 0) {
        ended = pthread_cond_timedwait(&self->changed, &self->mutex, &until);
        code = look(self, name, err);
    }
    unlock(self);
    return code;
}

/* ---- the reactor --------------------------------------------------------- */

/* CS4 */
static void forget(struct cluster_secrets *self)
{
    for (size_t i = 0; i < CONFIG_SECRETS_MAX; i++) {
        self->records[i].state = RECORD_FREE;
    }
}

void cluster_secrets_publish(struct cluster_secrets *self,
                             const struct secrets_view *view)
{
    lock(self);
    bool reaches = view->audience == SECRETS_PEER && view->link_up;
    bool reached = self->audience == SECRETS_PEER && self->link_up;
    bool another = view->node != NULL && strcmp(view->node, self->node) != 0;
    bool lost = self->is_active && !view->is_active;
    bool won = !self->is_active && view->is_active;
    bool offer = reaches && (!reached || another || won || lost);
    bool differs = view->audience != self->audience ||
                   view->link_up != self->link_up || another || lost;
    self->audience = view->audience;
    self->link_up = view->link_up;
    self->is_active = view->is_active;
    self->epoch = view->epoch;
    (void) snprintf(self->node, sizeof self->node, "%s",
                    view->node == NULL ? "" : view->node);
    (void) snprintf(self->absent, sizeof self->absent, "%s",
                    view->absent == NULL ? "" : view->absent);
    if (lost) {
        forget(self);
    }
    if (differs) {
        (void) pthread_cond_broadcast(&self->changed);
    }
    unlock(self);
    if (won) {
        self->options.active(self->options.context);
    }
    if (offer) {
        self->options.offer(self->options.context);
    }
}

void cluster_secrets_answered(struct cluster_secrets *self,
                              const struct wire_secret_kept *answer)
{
    lock(self);
    struct record *record = find(self, answer->name);
    bool is_ours = record != NULL && record->number == answer->number &&
                   record->state != RECORD_KEPT;
    if (is_ours && answer->outcome == WIRE_SECRET_REFUSED) {
        record->state = RECORD_REFUSED;
        record->again = ts_time_after(ts_time_now(), CLUSTER_SECRETS_LATER_MS);
        (void) snprintf(record->text, sizeof record->text, "%s", answer->text);
        ts_log(TS_LOG_WARNING, "secret-not-taken",
               "name=%s node=%s reason=\"%s\"", answer->name, self->node,
               answer->text);
    } else if (is_ours && answer->outcome == WIRE_SECRET_STALE) {
        record->state = RECORD_STALE;
        (void) snprintf(record->text, sizeof record->text, "%s", answer->text);
    } else if (is_ours) {
        record->state = RECORD_KEPT;
    }
    (void) pthread_cond_broadcast(&self->changed);
    unlock(self);
}

static bool is_due(const struct record *record, struct ts_time now)
{
    return (record->state == RECORD_GIVEN || record->state == RECORD_REFUSED) &&
           ts_time_reached(now, record->again);
}

/* CS2 */
void cluster_secrets_step(struct cluster_secrets *self, struct ts_time now)
{
    lock(self);
    bool may = !self->closed && self->audience == SECRETS_PEER && self->link_up;
    for (size_t i = 0; may && i < CONFIG_SECRETS_MAX; i++) {
        struct record *record = &self->records[i];
        if (!is_due(record, now)) {
            continue;
        }
        record->again = ts_time_after(now, record->state == RECORD_GIVEN
                                               ? CLUSTER_SECRETS_AGAIN_MS
                                               : CLUSTER_SECRETS_LATER_MS);
        const struct wire_message message = {
            .kind = WIRE_SECRET,
            .secret = { .number = record->number,
                        .name = record->name,
                        .account = record->account,
                        .sealed = ts_slice(record->sealed.data,
                                           record->sealed.size) },
        };
        self->options.send(self->options.context, &message);
    }
    unlock(self);
}

bool cluster_secrets_owes(struct cluster_secrets *self)
{
    bool owes = false;
    lock(self);
    for (size_t i = 0; i < CONFIG_SECRETS_MAX; i++) {
        owes |= self->records[i].state == RECORD_GIVEN;
    }
    unlock(self);
    return owes;
}

struct ts_time cluster_secrets_deadline(struct cluster_secrets *self)
{
    struct ts_time due = TS_NEVER;
    lock(self);
    bool may = !self->closed && self->audience == SECRETS_PEER && self->link_up;
    for (size_t i = 0; may && i < CONFIG_SECRETS_MAX; i++) {
        const struct record *record = &self->records[i];
        bool waits =
            record->state == RECORD_GIVEN || record->state == RECORD_REFUSED;
        if (waits && record->again.ms < due.ms) {
            due = record->again;
        }
    }
    unlock(self);
    return due;
}

static void deliver(struct post_letter *letter)
{
    struct cluster_secrets *self = ((struct letter *) letter)->self;
    lock(self);
    self->waking = false;
    unlock(self);
    cluster_secrets_step(self, ts_time_now());
}

/* It is part of this. */
static void drop(struct post_letter *letter)
{
    (void) letter;
}

/* ---- life ---------------------------------------------------------------- */

enum ts_code cluster_secrets_new(const struct cluster_secrets_options *options,
                                 struct cluster_secrets **ret_secrets,
                                 struct ts_err *err)
{
    struct cluster_secrets *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not prepare the exchange of secrets");
    }
    pthread_condattr_t clock;
    self->options = *options;
    self->port = (struct credential_peer){ .holds = holds,
                                           .epoch = epoch_of,
                                           .ready = ready,
                                           .give = give,
                                           .wait = wait_kept,
                                           .context = self };
    self->wake = (struct letter){ { .deliver = deliver, .drop = drop }, self };
    (void) pthread_mutex_init(&self->mutex, NULL);
    (void) pthread_condattr_init(&clock);
    (void) pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void) pthread_cond_init(&self->changed, &clock);
    (void) pthread_condattr_destroy(&clock);
    *ret_secrets = self;
    return TS_OK;
}

void cluster_secrets_close(struct cluster_secrets *self)
{
    if (self == NULL) {
        return;
    }
    lock(self);
    self->closed = true;
    (void) pthread_cond_broadcast(&self->changed);
    unlock(self);
}

void cluster_secrets_free(struct cluster_secrets *self)
{
    if (self != NULL) {
        (void) pthread_cond_destroy(&self->changed);
        (void) pthread_mutex_destroy(&self->mutex);
        free(self);
    }
}

const struct credential_peer *cluster_secrets_port(struct cluster_secrets *self)
{
    return &self->port;
}
