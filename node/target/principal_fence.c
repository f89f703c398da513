/* Fencing a client: what fence.h says to do, done over HTTP. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/target/principal_exchange.h"
#include "node/target/registration.h"

/* Acts of one row in one round; a round needs 20. */
#define ACTS_MAX    100
#define READ_PATH   "/Users?startIndex=1&count=1"
#define ACCEPT_SCIM "Accept: application/scim+json, application/json"

static enum ts_code no_memory(struct ts_err *err)
{
    return ts_fail(err, TS_E_NOMEM, 0,
                   "could not ask the authorization server: out of memory");
}

static void slot_free(struct principal_slot *slot)
{
    if (slot->canary != NULL) {
        OPENSSL_cleanse(slot->canary, strlen(slot->canary));
    }
    free(slot->canary);
    principal_done(&slot->old);
    *slot = (struct principal_slot){ .epoch = 0 };
}

static bool is_of(const struct principal_slot *slot,
                  const struct register_principal *row)
{
    return slot->epoch == row->epoch && strcmp(slot->id, row->id) == 0;
}

void principal_oauth_forget(struct principal_keeper *keeper,
                            const struct principal_fencing fencings[],
                            size_t count)
{
    for (size_t i = 0; i < REGISTER_PRINCIPALS_MAX; i++) {
        bool listed = false;
        for (size_t j = 0; j < count; j++) {
            listed |= is_of(&keeper->slots[i], fencings[j].row);
        }
        if (!listed) {
            slot_free(&keeper->slots[i]);
        }
    }
}

/* -- tokens ---------------------------------------------------------------- */

/* Ask for a token of `oauth` unless it has one.
 * Errors   TS_E_CANCELLED; otherwise *ret_answer tells, and *why when not YES.
 */
static enum ts_code take_token(struct principal_keeper *keeper,
                               struct oauth *oauth,
                               enum fence_answer *ret_answer,
                               struct ts_err *why)
{
    if (oauth_state(oauth, ts_time_now()) == OAUTH_ABSENT) {
        oauth_ask(oauth);
    }
    while (oauth_state(oauth, ts_time_now()) == OAUTH_ASKING) {
        (void) ts_http_run(keeper->http, -1, TS_NEVER);
    }
    if (oauth_state(oauth, ts_time_now()) != OAUTH_FAILED) {
        *ret_answer = oauth_header(oauth) != NULL ? FENCE_YES : FENCE_BUSY;
        return TS_OK;
    }
    enum ts_code code = oauth_take_error(oauth, why);
    *ret_answer = oauth_client_refused(oauth) ? FENCE_NO
                  : code == TS_E_UNREACHABLE || code == TS_E_TIMEOUT
                      ? FENCE_BUSY
                      : FENCE_ODD;
    return code == TS_E_CANCELLED ? code : TS_OK;
}

static struct oauth *new_token(const struct principal_keeper *keeper,
                               const struct target_principal *who,
                               struct target_token_hook hook)
{
    const struct oauth_options options = {
        .config = keeper->options.target->oauth,
        .secrets = keeper->options.secrets,
        .principal = who,
        .token = hook,
        .http = keeper->http,
        .timeout_ms =
            (int64_t) keeper->options.target->request_timeout_seconds * 1000,
    };
    return oauth_new(&options);
}

/* Our own token, for the control: recorded like every other. */
static enum ts_code own_token(struct principal_keeper *keeper,
                              const struct principal *own,
                              enum fence_answer *ret_answer, struct ts_err *err)
{
    if (keeper->self_token == NULL || keeper->self.epoch != own->epoch) {
        oauth_free(keeper->self_token);
        keeper->self = *own;
        keeper->self_who =
            (struct target_principal){ .id = keeper->self.id,
                                       .secret = keeper->self.secret };
        keeper->self_token =
            new_token(keeper, &keeper->self_who, keeper->options.token);
    }
    return keeper->self_token == NULL
               ? no_memory(err)
               : take_token(keeper, keeper->self_token, ret_answer, err);
}

/* A token that was granted although the client was to be gone (RFC 7009). It
 * was never used; what becomes of this request is of no consequence. */
static enum ts_code revoke(struct principal_keeper *keeper,
                           const struct principal *old,
                           const struct oauth *token, struct ts_err *err)
{
    const char *url =
        keeper->options.target->oauth->registration->revocation_url;
    TS_AUTOEXCHANGE struct exchange exchange;
    if (url == NULL) {
        return TS_OK;
    }
    exchange_init(&exchange, keeper, TS_HTTP_POST, url);
    const char *text =
        ts_http_escape(&exchange.arena, ts_slice_str(oauth_header(token) +
                                                     strlen(PRINCIPAL_BEARER)));
    const char *form =
        text == NULL ? NULL : exchange_text(&exchange, "token=%s", text);
    exchange.request.headers[1] =
        oauth_basic(old->id, ts_slice_str(old->secret), &exchange.arena);
    exchange.request.headers[2] = PRINCIPAL_FORM_TYPE;
    exchange.request.body = ts_slice_str(form);
    return form == NULL ? no_memory(err) : exchange_run(keeper, &exchange, err);
}

/* -- acts of a fence ------------------------------------------------------- */

/* What one act needs. */
struct scene {
    struct principal_keeper *keeper;
    const struct principal *own;
    struct principal_slot *slot;
    enum fence_answer answer;
    int64_t lifetime_s;
};

static enum ts_code ask_canary(struct scene *scene, struct ts_err *err)
{
    const struct target_token_hook none = { NULL, NULL };
    struct oauth *token = new_token(scene->keeper, &scene->slot->who, none);
    if (token == NULL) {
        return no_memory(err);
    }
    enum ts_code rc = take_token(scene->keeper, token, &scene->answer, err);
    if (rc == TS_OK && scene->answer == FENCE_YES) {
        scene->lifetime_s = oauth_lifetime_s(token);
        scene->slot->canary = strdup(oauth_header(token));
        rc = scene->slot->canary == NULL ? no_memory(err) : TS_OK;
    }
    oauth_free(token);
    return rc;
}

/* The old client once more; whatever it gets is thrown away. */
static enum ts_code ask_again(struct scene *scene, struct ts_err *err)
{
    const struct target_token_hook none = { NULL, NULL };
    struct oauth *token = new_token(scene->keeper, &scene->slot->who, none);
    if (token == NULL) {
        return no_memory(err);
    }
    enum ts_code rc = take_token(scene->keeper, token, &scene->answer, err);
    if (rc == TS_OK && scene->answer == FENCE_YES) {
        rc = revoke(scene->keeper, &scene->slot->old, token, err);
    }
    oauth_free(token);
    return rc;
}

/* A read at the target on a connection of its own. Ours says who we are; the
 * canary's does not: it is nobody's export. */
static enum ts_code try_token(struct scene *scene, const char *header,
                              bool ours, struct ts_err *err)
{
    const struct principal_options *options = &scene->keeper->options;
    TS_AUTOEXCHANGE struct exchange exchange;
    exchange_init(&exchange, scene->keeper, TS_HTTP_GET, NULL);
    struct ts_http_request *request = &exchange.request;
    size_t length = strlen(options->target->url);
    while (length > 0 && options->target->url[length - 1] == '/') {
        length--;
    }
    request->url = exchange_text(&exchange, "%.*s" READ_PATH, (int) length,
                                 options->target->url);
    request->headers[0] = ACCEPT_SCIM;
    request->headers[1] = exchange_text(&exchange, "%s", header);
    request->headers[2] =
        ours ? exchange_text(&exchange, "Twinsync-Op: %s/%s/%llu/%s/0",
                             options->cluster, options->node,
                             (unsigned long long) scene->own->epoch,
                             options->boot_id)
             : NULL;
    request->fresh = true;
    request->replayable = true;
    if (request->url == NULL || (ours && request->headers[2] == NULL)) {
        return no_memory(err);
    }
    enum ts_code rc = exchange_run(scene->keeper, &exchange, err);
    if (rc == TS_OK) {
        scene->answer = registration_answer(exchange.status);
    }
    return rc;
}

static enum ts_code see_token(struct scene *scene, const char *header,
                              struct ts_err *err)
{
    const struct principal *own = scene->own;
    TS_AUTOEXCHANGE struct exchange exchange;
    exchange_init(
        &exchange, scene->keeper, TS_HTTP_POST,
        scene->keeper->options.target->oauth->registration->introspection_url);
    const char *text = ts_http_escape(
        &exchange.arena, ts_slice_str(header + strlen(PRINCIPAL_BEARER)));
    const char *form = text == NULL ? NULL
                                    : exchange_text(&exchange,
                                                    "token=%s&token_type_hint="
                                                    "access_token",
                                                    text);
    if (form == NULL) {
        return no_memory(err);
    }
    exchange.request.fresh = true;
    exchange.request.replayable = true;
    exchange.request.body = ts_slice_str(form);
    exchange.request.headers[1] =
        oauth_basic(own->id, ts_slice_str(own->secret), &exchange.arena);
    exchange.request.headers[2] = PRINCIPAL_FORM_TYPE;
    enum ts_code rc = exchange_run(scene->keeper, &exchange, err);
    if (rc == TS_OK) {
        scene->answer = introspection_parse(exchange.status, exchange.body);
    }
    return rc;
}

/* With our own token; one that is refused is forgotten, the next is new. */
static enum ts_code control(struct scene *scene, enum fence_act act,
                            struct ts_err *err)
{
    enum ts_code rc = own_token(scene->keeper, scene->own, &scene->answer, err);
    if (rc != TS_OK || scene->answer != FENCE_YES) {
        scene->answer = FENCE_BUSY;
        return rc;
    }
    struct oauth *token = scene->keeper->self_token;
    rc = act == FENCE_SEE_OWN
             ? see_token(scene, oauth_header(token), err)
             : try_token(scene, oauth_header(token), true, err);
    if (rc == TS_OK && scene->answer == FENCE_NO) {
        oauth_refused(token, oauth_generation(token));
    }
    return rc;
}

static enum ts_code perform(struct scene *scene, enum fence_act act,
                            struct ts_err *err)
{
    const char *canary = scene->slot->canary;
    switch (act) {
    case FENCE_ASK_CANARY:
        return ask_canary(scene, err);
    case FENCE_TRY_CANARY:
        return try_token(scene, canary, false, err);
    case FENCE_SEE_CANARY:
        return see_token(scene, canary, err);
    case FENCE_DELETE:
        return principal_oauth_delete(scene->keeper, &scene->slot->old,
                                      &scene->answer, err);
    case FENCE_ASK_AGAIN:
        return ask_again(scene, err);
    case FENCE_TRY_OWN:
    case FENCE_SEE_OWN:
        return control(scene, act, err);
    case FENCE_WAIT:
    case FENCE_DONE:
        break;
    }
    return TS_OK;
}

/* -- one row --------------------------------------------------------------- */

static bool had_token(const struct register_principal *row)
{
    static const uint8_t never[REGISTER_HASH_SIZE];
    return memcmp(row->token_hash, never, sizeof never) != 0;
}

/* The slot of a row, begun anew where there is none. */
static enum ts_code slot_of(struct principal_keeper *keeper,
                            const struct register_principal *row,
                            struct principal_slot **ret_slot,
                            struct ts_err *err)
{
    struct principal_slot *slot = NULL;
    for (size_t i = 0; i < REGISTER_PRINCIPALS_MAX; i++) {
        if (is_of(&keeper->slots[i], row)) {
            *ret_slot = &keeper->slots[i];
            return TS_OK;
        }
        if (slot == NULL && keeper->slots[i].epoch == 0) {
            slot = &keeper->slots[i];
        }
    }
    if (slot == NULL) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not fence \"%s\": %d others are being fenced",
                       row->id, REGISTER_PRINCIPALS_MAX);
    }
    const struct fence_options options = {
        .introspection =
            keeper->options.target->oauth->registration->introspection_url !=
            NULL,
        .lifetime_s = had_token(row) ? row->token_lifetime_s : 0,
        .error_percent = keeper->options.clock_error_percent,
    };
    enum ts_code rc = TS_E_CORRUPT;
    const struct seal_key *key;
    for (size_t i = 0;
         rc == TS_E_CORRUPT && (key = principal_key(keeper, i)) != NULL; i++) {
        rc = principal_unseal(key, row, &slot->old, err);
    }
    if (rc == TS_OK) {
        slot->epoch = row->epoch;
        memcpy(slot->id, row->id, sizeof slot->id);
        slot->who = (struct target_principal){ slot->old.id, slot->old.secret };
        fence_init(&slot->fence, &options);
        principal_memory_load(keeper, slot);
        *ret_slot = slot;
    }
    return rc;
}

/* What cannot be had twice is kept before the next act. */
static void tell(struct scene *scene, struct ts_clocks now)
{
    struct fence *fence = &scene->slot->fence;
    bool had = fence->admitted || fence->seen, gone = fence->gone;
    fence_tell(fence, scene->answer, scene->lifetime_s, now);
    if (had != (fence->admitted || fence->seen) || gone != fence->gone) {
        principal_memory_save(scene->keeper);
    }
}

enum ts_code principal_oauth_fence(struct principal_keeper *keeper,
                                   const struct principal *own,
                                   struct principal_fencing *fencing,
                                   struct ts_err *err)
{
    struct scene scene = { .keeper = keeper, .own = own };
    enum ts_code rc = slot_of(keeper, fencing->row, &scene.slot, err);
    if (rc != TS_OK) {
        principal_pending(fencing, FENCE_WAIT_MAX_MS, "%s", err->text);
        return TS_OK;
    }
    struct fence *fence = &scene.slot->fence;
    char text[PRINCIPAL_TEXT_SIZE];
    for (int i = 0; i < ACTS_MAX; i++) {
        enum fence_act act = fence_next(fence, ts_clocks_now());
        if (act == FENCE_WAIT || act == FENCE_DONE) {
            break;
        }
        scene.answer = FENCE_BUSY;
        rc = perform(&scene, act, err);
        if (rc != TS_OK) {
            return rc; /* told nothing: the act is due again */
        }
        tell(&scene, ts_clocks_now());
    }
    struct ts_clocks now = ts_clocks_now();
    fence_text(fence, now, text, sizeof text);
    if (fence_evidence(fence) != FENCE_BY_NOTHING) {
        fencing->state = PRINCIPAL_CONFIRMED;
        fencing->again_ms = 0;
        (void) snprintf(fencing->text, sizeof fencing->text, "%s", text);
    } else {
        principal_pending(fencing, fence_wait_ms(fence, now), "%s", text);
    }
    return TS_OK;
}
