#include "node/daemon/credential_work.h"

#include <stdio.h>
#include <string.h>

#include "node/base/failpoint.h"
#include "node/base/log.h"
#include "node/base/time.h"
#include "node/daemon/credential.h"
#include "node/vault/share.h"

/* A directory that counts failed tries forgets them within this; a change
 * whose answer was lost has taken effect, or never will, after that. */
static const struct rotation_terms terms = { .lockout_ms = 15 * 60 * 1000,
                                             .settle_ms = 10 * 1000,
                                             .pause_ms = 2000 };

#define LOOK_MS  1000  /* between two looks at the lease */
#define SOON_MS  10000 /* between two tries to find out what rules */
#define LATER_MS 60000

const struct config_secret *
credential_find(const struct credential_world *world, const char *name)
{
    size_t count = 0;
    const struct config_secret *all = keeper_secrets(world->keeper, &count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(all[i].name, name) == 0) {
            return &all[i];
        }
    }
    return NULL;
}

/* ---- whose it is to do ----------------------------------------------------
 */

bool credential_drives(const struct credential_world *world,
                       const struct config_secret *secret)
{
    return world->peer == NULL || secret->kind == CONFIG_SECRET_REGISTER ||
           world->peer->holds(world->peer->context);
}

static enum ts_code must_drive(const struct credential_world *world,
                               const struct config_secret *secret,
                               struct ts_err *err)
{
    return credential_drives(world, secret)
               ? TS_OK
               : ts_fail(err, TS_E_REFUSED, 0,
                         "cannot change \"%s\" here: this node does not hold "
                         "the lease; run it on the one that does, which "
                         "twinsync status names",
                         secret->name);
}

/* Here and, as soon as it may be, there. */
static enum ts_code put(const struct credential_world *world,
                        const struct config_secret *secret,
                        struct vault_kept *kept, struct ts_err *err)
{
    const struct credential_peer *peer = world->peer;
    share_stamp(kept, peer == NULL ? 0 : peer->epoch(peer->context));
    enum ts_code code = vault_put(keeper_vault(world->keeper), kept, err);
    if (code == TS_OK && peer != NULL) {
        struct ts_err why;
        struct ts_hash account = credential_account(world->config, secret);
        if (peer->give(peer->context, kept, &account, &why) != TS_OK) {
            ts_log(TS_LOG_WARNING, "secret-not-given", "name=%s reason=\"%s\"",
                   secret->name, why.text);
        }
    }
    return code;
}

/* ---- what a rotation asks for -------------------------------------------- */

struct changing {
    const struct credential_world *world;
    const struct config_secret *secret;
};

/* Alone, there is nobody to tell. */
static enum ts_code share(void *context, const struct vault_kept *kept,
                          struct ts_err *err)
{
    const struct changing *changing = context;
    const struct credential_peer *peer = changing->world->peer;
    if (peer == NULL) {
        return TS_OK;
    }
    struct ts_hash account =
        credential_account(changing->world->config, changing->secret);
    enum ts_code code = peer->give(peer->context, kept, &account, err);
    if (code == TS_OK) {
        code = peer->wait(peer->context, kept->name, err);
    }
    TS_FAILPOINT(CREDENTIAL_SHARED);
    return code;
}

static enum ts_code keep(void *context, struct vault_kept *kept,
                         struct ts_err *err)
{
    const struct changing *changing = context;
    enum ts_code code = must_drive(changing->world, changing->secret, err);
    if (code == TS_OK) {
        code = put(changing->world, changing->secret, kept, err);
    }
    TS_FAILPOINT(CREDENTIAL_KEPT);
    return code;
}

static enum rotation_answer answer_of(enum ts_code code)
{
    return code == TS_OK          ? ROTATION_YES
           : code == TS_E_REFUSED ? ROTATION_NO
                                  : ROTATION_UNKNOWN;
}

/* Whoever has lost the lease asks nobody: the next holder goes on. */
static enum rotation_answer ask(void *context, const struct vault_kept *kept,
                                struct ts_err *err)
{
    const struct changing *changing = context;
    TS_FAILPOINT(CREDENTIAL_BEFORE_ASK);
    if (must_drive(changing->world, changing->secret, err) != TS_OK) {
        return ROTATION_UNKNOWN;
    }
    enum ts_code code =
        credential_change(changing->world->config, changing->secret,
                          kept->current, kept->candidate, err);
    TS_FAILPOINT(CREDENTIAL_ASKED);
    return answer_of(code);
}

static enum rotation_answer try_secret(void *context, const char *secret,
                                       struct ts_err *err)
{
    const struct changing *changing = context;
    if (must_drive(changing->world, changing->secret, err) != TS_OK) {
        return ROTATION_UNKNOWN;
    }
    return answer_of(
        credential_try(changing->world->config, changing->secret, secret, err));
}

/* As long as it is this node's to do. */
static bool wait_for(void *context, int64_t ms)
{
    const struct changing *changing = context;
    const struct credential_world *world = changing->world;
    bool goes_on = credential_drives(world, changing->secret);
    while (goes_on && ms > 0) {
        int64_t part = ms < LOOK_MS ? ms : LOOK_MS;
        goes_on = world->wait(world->context, part) &&
                  credential_drives(world, changing->secret);
        ms -= part;
    }
    return goes_on;
}

static int64_t now(void *context)
{
    (void) context;
    return ts_wall_seconds();
}

/* Of a pair: a request of the holder before may be under way until it has given
 * it up. */
static struct rotation_terms terms_for(const struct credential_world *world,
                                       const struct config_secret *secret,
                                       enum vault_phase phase)
{
    struct rotation_terms found = terms;
    bool is_source = secret->kind == CONFIG_SECRET_SOURCE;
    if (world->peer != NULL && phase == VAULT_ASKED && is_source) {
        const struct config_source *source =
            &world->config->sources[secret->source];
        found.settle_ms = 2000 + 1000LL * (source->connect_timeout_seconds +
                                           source->operation_timeout_seconds);
    }
    return found;
}

static enum ts_code run(const struct credential_world *world,
                        const struct config_secret *secret,
                        struct vault_kept *kept, enum rotation_end *ret_end,
                        struct ts_err *err)
{
    struct changing changing = { world, secret };
    const struct rotation_terms in_force =
        terms_for(world, secret, kept->phase);
    const struct rotation_ops ops = { .share = share,
                                      .keep = keep,
                                      .ask = ask,
                                      .try = try_secret,
                                      .wait = wait_for,
                                      .now = now,
                                      .context = &changing };
    return rotation_run(kept, &in_force, &ops, ret_end, err);
}

/* ---- rotate -------------------------------------------------------------- */

/* What rules now, as a record: the vault's, or the file's taken over. */
static enum ts_code load(const struct credential_world *world,
                         const struct config_secret *secret,
                         struct vault_kept *kept, struct ts_err *err)
{
    enum ts_code code =
        vault_get(keeper_vault(world->keeper), secret->name, kept, err);
    if (code != TS_E_NOT_FOUND) {
        return code;
    }
    TS_AUTOSECRET struct ts_secret file = { 0 };
    code = ts_secret_read(secret->file, &file, err);
    if (code == TS_OK && file.size >= sizeof kept->current) {
        code = ts_fail(err, TS_E_LIMIT, 0,
                       "cannot keep the secret of \"%s\": it has over %zu "
                       "bytes",
                       secret->name, sizeof kept->current - 1);
    }
    if (code == TS_OK) {
        *kept = (struct vault_kept){ .has_file = true };
        (void) snprintf(kept->name, sizeof kept->name, "%s", secret->name);
        memcpy(kept->current, file.text, file.size + 1);
        keeper_hash(&file, kept->file_hash);
    }
    return code;
}

const char *credential_end_text(enum rotation_end end)
{
    static const char *const words[] = {
        [ROTATION_PROVED] = "proved",
        [ROTATION_PENDING] = "pending",
        [ROTATION_GIVEN_UP] = "not-changed",
        [ROTATION_IN_DOUBT] = "in-doubt",
    };
    return words[end];
}

/* A candidate, durable here before anybody hears of it. */
static enum ts_code draw(const struct credential_world *world,
                         const struct config_secret *secret,
                         const struct credential_actor *actor,
                         struct vault_kept *kept, struct ts_err *err)
{
    enum ts_code code = TS_OK;
    if (world->peer != NULL) {
        code = world->peer->ready(world->peer->context, err);
        if (code != TS_OK) {
            ts_err_wrap(err, "could not change \"%s\"", secret->name);
            return code;
        }
    }
    kept->phase = VAULT_DRAWN;
    (void) snprintf(kept->by, sizeof kept->by, "%s", actor->who);
    (void) snprintf(kept->cause, sizeof kept->cause, "%s", actor->cause);
    code = rotation_draw(kept->candidate, err);
    if (code == TS_OK) {
        struct changing changing = { world, secret };
        code = keep(&changing, kept, err);
    }
    return code;
}

enum ts_code credential_rotate(const struct credential_world *world,
                               const struct config_secret *secret,
                               const struct credential_actor *actor,
                               enum rotation_end *ret_end, struct ts_err *err)
{
    TS_AUTOKEPT struct vault_kept kept = { .name = "" };
    enum ts_code code = must_drive(world, secret, err);
    if (code == TS_OK) {
        code = load(world, secret, &kept, err);
    }
    if (code == TS_OK && kept.phase == VAULT_SETTLED) {
        code = draw(world, secret, actor, &kept, err);
    }
    return code == TS_OK ? run(world, secret, &kept, ret_end, err) : code;
}

/* Who may not change it finds out at least which one rules: without that a
 * standby could not read the source, and would never be fit to take over. True:
 * that is still not known. */
static bool look(const struct credential_world *world,
                 const struct config_secret *secret, struct vault_kept *kept)
{
    struct ts_err err = { .text = "" };
    if (kept->phase != VAULT_ASKED ||
        credential_try(world->config, secret, kept->candidate, &err) != TS_OK) {
        return kept->phase == VAULT_ASKED;
    }
    kept->phase = VAULT_CHANGED; /* seen to be accepted: no other record */
    enum ts_code code = vault_put(keeper_vault(world->keeper), kept, &err);
    ts_log(TS_LOG_WARNING, "credential-found", "name=%s reason=\"%s\"",
           secret->name,
           code == TS_OK ? "the new one is accepted: it rules from now on"
                         : err.text);
    return code != TS_OK;
}

static bool go_on(const struct credential_world *world,
                  const struct config_secret *secret, struct vault_kept *kept,
                  bool *ret_is_refused)
{
    enum rotation_end end = ROTATION_IN_DOUBT;
    struct ts_err err = { .text = "" };
    enum ts_code code = run(world, secret, kept, &end, &err);
    ts_log(TS_LOG_WARNING, "credential-resumed",
           "name=%s outcome=%s reason=\"%s\"", secret->name,
           code == TS_OK ? credential_end_text(end) : "failed",
           code == TS_OK && end == ROTATION_PROVED ? "" : err.text);
    *ret_is_refused |= err.code == TS_E_REFUSED;
    return code != TS_OK || end == ROTATION_IN_DOUBT;
}

int64_t credential_resume(const struct credential_world *world, uint32_t times)
{
    size_t count = 0;
    const struct config_secret *all = keeper_secrets(world->keeper, &count);
    bool in_doubt = false, is_refused = false;
    for (size_t i = 0; i < count; i++) {
        TS_AUTOKEPT struct vault_kept kept = { .name = "" };
        if (vault_get(keeper_vault(world->keeper), all[i].name, &kept, NULL) !=
                TS_OK ||
            kept.phase == VAULT_SETTLED) {
            continue;
        }
        in_doubt |= credential_drives(world, &all[i])
                        ? go_on(world, &all[i], &kept, &is_refused)
                        : look(world, &all[i], &kept);
    }
    return !in_doubt    ? 0
           : is_refused ? terms.lockout_ms /* R4 */
           : times == 0 ? SOON_MS
                        : LATER_MS;
}

/* ---- reset ----------------------------------------------------------------
 */

const char *credential_state_text(enum credential_state state)
{
    static const char *const words[] = {
        [CREDENTIAL_PROVED] = "proved",
        [CREDENTIAL_PENDING] = "pending",
        [CREDENTIAL_FAILED] = "failed",
        [CREDENTIAL_UNTOUCHED] = "untouched",
    };
    return words[state];
}

static void tell(struct credential_outcome *outcome,
                 enum credential_state state, const char *text)
{
    outcome->state = state;
    outcome->at = ts_wall_seconds();
    (void) snprintf(outcome->text, sizeof outcome->text, "%s", text);
}

/* Was it changed for this cause, by this node or by the holder before it? */
static bool tell_done(const struct credential_world *world,
                      const struct config_secret *secret,
                      const struct credential_actor *actor,
                      struct credential_outcome *outcome)
{
    TS_AUTOKEPT struct vault_kept kept = { .name = "" };
    bool done = actor->cause[0] != '\0' &&
                vault_get(keeper_vault(world->keeper), secret->name, &kept,
                          NULL) == TS_OK &&
                kept.phase == VAULT_SETTLED &&
                strcmp(kept.cause, actor->cause) == 0;
    if (done && kept.proved > 0) {
        tell(outcome, CREDENTIAL_PROVED, CREDENTIAL_EVIDENCE);
    } else if (done) {
        tell(outcome, CREDENTIAL_PENDING,
             "changed; that the old one is refused was not seen");
    }
    if (done) {
        outcome->at = kept.changed;
    }
    return done;
}

void credential_reset_one(const struct credential_world *world,
                          const struct config_secret *secret,
                          const struct credential_actor *actor,
                          struct credential_outcome *ret_outcome)
{
    struct ts_err err = { .text = "" };
    enum rotation_end end = ROTATION_IN_DOUBT;
    const char *why = credential_fixed_because(secret);
    (void) snprintf(ret_outcome->name, sizeof ret_outcome->name, "%s",
                    secret->name);
    if (why != NULL) {
        tell(ret_outcome, CREDENTIAL_UNTOUCHED, why);
        return;
    }
    if (tell_done(world, secret, actor, ret_outcome)) {
        return;
    }
    enum ts_code code = credential_rotate(world, secret, actor, &end, &err);
    bool changed =
        code == TS_OK && (end == ROTATION_PROVED || end == ROTATION_PENDING);
    /* etcd lets its administrators change passwords only. */
    bool may_not = code == TS_OK && end == ROTATION_GIVEN_UP &&
                   err.code == TS_E_REFUSED &&
                   secret->kind == CONFIG_SECRET_REGISTER &&
                   world->config->reg->type == CONFIG_REGISTER_ETCD;
    tell(ret_outcome,
         may_not                  ? CREDENTIAL_UNTOUCHED
         : !changed               ? CREDENTIAL_FAILED
         : end == ROTATION_PROVED ? CREDENTIAL_PROVED
                                  : CREDENTIAL_PENDING,
         changed && end == ROTATION_PROVED ? CREDENTIAL_EVIDENCE : err.text);
}

/* ---- set ----------------------------------------------------------------- */

/* How a record of before goes on: its order, and what its file was. */
static void go_on_from(const struct credential_world *world,
                       const struct config_secret *secret,
                       struct vault_kept *kept)
{
    TS_AUTOKEPT struct vault_kept before = { .name = "" };
    TS_AUTOSECRET struct ts_secret file = { 0 };
    if (vault_get(keeper_vault(world->keeper), secret->name, &before, NULL) ==
        TS_OK) {
        kept->epoch = before.epoch;
        kept->serial = before.serial;
    }
    if (ts_secret_read(secret->file, &file, NULL) == TS_OK) {
        kept->has_file = true;
        keeper_hash(&file, kept->file_hash);
    }
}

enum ts_code credential_set(const struct credential_world *world,
                            const struct config_secret *secret,
                            const struct credential_new *fresh,
                            const struct credential_actor *actor,
                            bool *ret_is_shared, struct ts_err *err)
{
    TS_AUTOKEPT struct vault_kept kept = { .name = "" };
    enum ts_code code = must_drive(world, secret, err);
    if (code == TS_OK) {
        code = credential_try(world->config, secret, fresh->text, err);
    }
    if (code != TS_OK) {
        ts_err_wrap(err, "the secret of \"%s\" was not changed", secret->name);
        return code;
    }
    go_on_from(world, secret, &kept);
    (void) snprintf(kept.name, sizeof kept.name, "%s", secret->name);
    (void) snprintf(kept.by, sizeof kept.by, "%s", actor->who);
    (void) snprintf(kept.current, sizeof kept.current, "%s", fresh->text);
    kept.expires = fresh->expires;
    kept.changed = ts_wall_seconds();
    code = put(world, secret, &kept, err);
    *ret_is_shared =
        code == TS_OK &&
        (world->peer == NULL ||
         world->peer->wait(world->peer->context, secret->name, err) == TS_OK);
    return code;
}
