#include "node/source/ad.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "node/base/time.h"
#include "node/ldap/dn.h"
#include "node/source/account.h"
#include "node/source/driver.h"
#include "node/source/schema.h"

#define DAY_SECONDS 86400

static const char because_fingerprint[] =
    "base, filter, attributes, anchor or identity are not those of the last "
    "import";
static const char because_watermark[] =
    "the watermark is not one of this kind of source";
static const char because_refused[] =
    "the domain controller does not know the watermark's cookie";
static const char because_restored[] =
    "the domain controller's state is older than what it told before, as after "
    "a restore";
static const char because_blind[] =
    "the account is not shown what was deleted: let it list CN=Deleted Objects "
    "of the domain (dsacls /G ACCOUNT:LCRP)";
static const char because_old[] =
    "the last complete import was too long ago: half of the time for which the "
    "domain remembers what was deleted";
static const char keep_told[] =
    "the domain remembers what was deleted, and they are not among it: the "
    "account may have lost a right, or the domain controller not know them yet";
static const char keep_elsewhere[] =
    "another domain controller showed them, and this one may not know them yet";

const char *const ad_extras[AD_EXTRAS + 1] = {
    [AD_GUID] = "objectGUID",
    [AD_PARENT] = "parentGUID",
    [AD_CONSISTENCY] = "mS-DS-ConsistencyGuid",
    [AD_CLASS] = "objectClass",
    [AD_ACCOUNT] = "sAMAccountName",
    [AD_CRITICAL] = "isCriticalSystemObject",
    [AD_NICKNAME] = "mailNickname",
    [AD_RECIPIENT] = "msExchRecipientTypeDetails",
    [AD_MAIL] = "mail",
    [AD_PROXIES] = "proxyAddresses",
    [AD_CERTIFICATE] = "userCertificate",
    [AD_GROUP_TYPE] = "groupType",
    [AD_NAME] = "name",
    [AD_DELETED] = "isDeleted",
};

/* --- life ------------------------------------------------------------------
 */

static void driver_close(void *state)
{
    struct ad *ad = state;
    if (ad != NULL) {
        ldap_session_free(ad->session);
        source_rows_free(ad->rows);
        free(ad->attributes);
        free(ad);
    }
}

static enum ts_code base_key(struct ad *ad, struct ts_err *err)
{
    struct ldap_dn dn;
    struct ldap_dn_keys *keys = ldap_dn_keys_new();
    enum ts_code rc =
        keys == NULL
            ? ts_fail(err, TS_E_NOMEM, 0, "could not read a base")
            : ldap_dn_key(keys, ts_slice_str(ad->config->base), &dn, err);
    ldap_dn_keys_free(keys);
    if (rc == TS_OK) {
        memcpy(ad->base_key.bytes, dn.key.bytes, sizeof ad->base_key.bytes);
    }
    return rc;
}

static enum ts_code list_attributes(struct ad *ad, struct ts_err *err)
{
    const char *const *names = source_rows_attributes(ad->rows);
    size_t count = 0;
    while (names[count] != NULL) {
        count++;
    }
    ad->attributes = calloc(count + 1, sizeof *ad->attributes);
    for (size_t i = 0; ad->attributes != NULL && i < count; i++) {
        ad->attributes[i] =
            strcasecmp(names[i], AD_RANGED) == 0 ? AD_RANGE : names[i];
    }
    return ad->attributes != NULL
               ? TS_OK
               : ts_fail(err, TS_E_NOMEM, 0, "could not prepare source \"%s\"",
                         ad->config->name);
}

static enum ts_code driver_open(const struct source_options *options,
                                void **ret_state, struct ts_err *err)
{
    const struct config_source *config = options->config;
    struct ad *ad = calloc(1, sizeof *ad);
    if (ad == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not prepare source \"%s\"",
                       config->name);
    }
    ad->options = *options;
    ad->config = config;
    ad->kind = (struct source_rows_kind){ .extras = ad_extras,
                                          .ranges = true,
                                          .place = ad_place,
                                          .link = ad_link,
                                          .context = ad };
    const struct ldap_session_options session =
        source_session_options(config, options->secrets);
    enum ts_code rc = ldap_session_new(&session, &ad->session, err);
    if (rc == TS_OK) {
        rc = source_rows_new(options, &ad->kind, &ad->rows, err);
    }
    if (rc == TS_OK) {
        rc = list_attributes(ad, err);
    }
    if (rc == TS_OK) {
        rc = base_key(ad, err);
    }
    if (rc != TS_OK) {
        driver_close(ad);
        return rc;
    }
    *ret_state = ad;
    return TS_OK;
}

static void driver_cancel(void *state)
{
    struct ad *ad = state;
    ldap_session_cancel(ad->session);
}

/* --- import ----------------------------------------------------------------
 */

/* One import under way. */
struct run {
    struct ad *ad;
    const struct source_watermark *from;
    struct ad_watermark before; /* what `from` says; cookie empty: of no use */
    struct source_builder builder;
    struct ad_changes changes;
    struct source_result result;
    bool shown; /* this account is shown what was deleted */
    bool told;  /* an answer named somebody */
};

/* Is there a watermark to go on from? Else say why not. */
static const char *accept_watermark(struct run *run)
{
    const struct ad_server *server = &run->ad->server;
    const struct source_watermark *from = run->from;
    struct ad_watermark before;
    if (from == NULL || from->cookie.size == 0) {
        return NULL; /* a full import was asked for */
    }
    if (ad_watermark_parse(from->cookie, &before, NULL) != TS_OK) {
        return because_watermark;
    }
    run->before = before;
    run->before.cookie = TS_SLICE_NONE;
    if (!ts_hash_equal(from->fingerprint, run->result.fingerprint)) {
        return because_fingerprint;
    }
    if (memcmp(before.invocation, server->invocation,
               sizeof before.invocation) == 0 &&
        server->usn < before.usn) {
        return because_restored; /* A4 */
    }
    run->before.cookie = before.cookie;
    return NULL;
}

/* What has changed since the cookie, as it is now. */
static enum ts_code read_changes(struct run *run, struct ts_slice cookie,
                                 struct ts_err *err)
{
    struct ad_changes *changes = &run->changes;
    ad_changes_done(changes);
    enum ts_code rc =
        ad_changes_read(run->ad, cookie, "(objectClass=*)", changes, err);
    if (rc != TS_OK || changes->refused) {
        return rc;
    }
    run->told = run->told || changes->changed.count + changes->gone.count > 0;
    for (size_t i = 0; rc == TS_OK && i < changes->gone.count; i++) {
        rc = ad_objects_delete(run->ad, changes->gone.items[i], &run->builder,
                               err);
    }
    if (rc == TS_OK) {
        rc = ad_objects_read(run->ad, changes, &run->builder, err);
    }
    for (size_t i = 0; rc == TS_OK && i < changes->restored.count; i++) {
        rc = ad_objects_read_owners(run->ad, changes->restored.items[i],
                                    &run->builder, err);
    }
    return rc;
}

/* Everything that was deleted and is still remembered, and a new cookie. */
static enum ts_code read_tombstones(struct run *run, struct ts_err *err)
{
    struct ad_changes *changes = &run->changes;
    ad_changes_done(changes);
    enum ts_code rc = ad_changes_read(run->ad, TS_SLICE_NONE,
                                      "(isDeleted=TRUE)", changes, err);
    /* The container of the tombstones is one itself: there always is one. */
    run->shown = changes->gone.count > 0;
    bool known = run->from != NULL && run->from->complete_at > 0;
    for (size_t i = 0; rc == TS_OK && known && i < changes->gone.count; i++) {
        rc = ad_objects_delete(run->ad, changes->gone.items[i], &run->builder,
                               err);
    }
    return rc;
}

/* A2, A3: of what a complete reading does not show. */
static const char *keep_because(const struct run *run)
{
    int64_t complete = run->from == NULL ? 0 : run->from->complete_at;
    int64_t lifetime = (int64_t) run->ad->server.tombstone_days * DAY_SECONDS;
    bool same = memcmp(run->before.invocation, run->ad->server.invocation,
                       sizeof run->before.invocation) == 0;
    if (complete == 0) {
        return NULL; /* nothing was shown before */
    }
    if (ts_wall_seconds() - complete > lifetime) {
        return NULL; /* nobody remembers */
    }
    return run->shown ? keep_told : same ? NULL : keep_elsewhere;
}

static enum ts_code read_everything(struct run *run, struct ts_err *err)
{
    static uint8_t none;
    run->result.extent = SOURCE_COMPLETE;
    run->told = true;
    enum ts_code rc = read_tombstones(run, err);
    struct ts_slice cookie = ts_slice(&none, 0);
    if (rc == TS_OK) {
        rc = ad_objects_read_all(run->ad, &run->builder, err);
    }
    if (rc == TS_OK) {
        cookie = ts_slice(run->changes.cookie, run->changes.cookie_size);
        rc = read_changes(run, cookie, err);
    }
    if (rc == TS_OK && run->changes.refused) {
        rc = ts_fail(err, TS_E_PROTOCOL, 0,
                     "cannot read the changes of \"%.200s\": %s refuses the "
                     "cookie that it has just given",
                     run->ad->config->base, ldap_session_uri(run->ad->session));
    }
    run->result.keep_because = keep_because(run);
    return rc;
}

/* Whether what was told since the watermark is enough. */
static const char *whole_because(const struct run *run)
{
    int64_t half = (int64_t) run->ad->server.tombstone_days * DAY_SECONDS / 2;
    return !run->before.shown                                  ? because_blind
           : ts_wall_seconds() - run->from->complete_at > half ? because_old
                                                               : NULL;
}

static enum ts_code import_connected(struct run *run, struct ts_err *err)
{
    enum ts_code rc = ad_meet(run->ad, err);
    if (rc != TS_OK) {
        return rc;
    }
    run->result.fingerprint = ad_fingerprint(run->ad);
    run->result.full_because = accept_watermark(run);
    run->result.extent = SOURCE_INCREMENTAL;
    run->shown = run->before.shown;
    bool whole =
        run->from == NULL || run->from->whole || run->before.cookie.size == 0;
    if (run->before.cookie.size > 0) {
        rc = read_changes(run, run->before.cookie, err);
        if (rc == TS_OK && run->changes.refused) {
            run->changes.refused = false;
            run->result.full_because = because_refused;
            whole = true;
        } else if (!whole) {
            run->result.full_because = whole_because(run);
            whole = run->result.full_because != NULL;
        }
    }
    if (rc == TS_OK && whole) {
        rc = read_everything(run, err);
    }
    return rc == TS_OK ? source_builder_flush(&run->builder, err) : rc;
}

/* A5 */
static enum ts_code keep_watermark(const struct run *run,
                                   struct ts_arena *arena,
                                   struct ts_slice *ret_cookie,
                                   struct ts_err *err)
{
    const struct ad_server *server = &run->ad->server;
    struct ad_watermark watermark = {
        .shown = run->shown,
        .usn = server->usn,
        .cookie = ts_slice(run->changes.cookie, run->changes.cookie_size),
    };
    uint8_t *text = ts_arena_take(arena, AD_WATERMARK_MAX);
    if (text == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not keep the watermark");
    }
    bool same = memcmp(run->before.invocation, server->invocation,
                       sizeof server->invocation) == 0;
    if (!run->told && same) {
        memcpy(text, run->from->cookie.data, run->from->cookie.size);
        *ret_cookie = ts_slice(text, run->from->cookie.size);
        return TS_OK;
    }
    memcpy(watermark.invocation, server->invocation,
           sizeof watermark.invocation);
    memcpy(watermark.dc, server->dc, sizeof watermark.dc);
    *ret_cookie = ts_slice(text, ad_watermark_print(&watermark, text));
    return TS_OK;
}

static enum ts_code run_import(struct run *run,
                               const struct source_import_call *call,
                               struct ts_err *err)
{
    struct ad *ad = run->ad;
    enum ts_code rc = ldap_session_connect(ad->session, err);
    if (rc == TS_OK) {
        rc = import_connected(run, err);
    }
    source_builder_drop(&run->builder);
    ad_changes_done(&run->changes);
    ldap_session_disconnect(ad->session);
    if (rc == TS_OK) {
        rc = keep_watermark(run, call->arena, &run->result.cookie, err);
    }
    if (rc != TS_OK) {
        ts_err_wrap(err, "importing source \"%s\"", ad->config->name);
        return rc;
    }
    run->result.put_count = run->builder.put_count;
    run->result.present_count = run->builder.present_count;
    run->result.delete_count = run->builder.delete_count;
    *call->ret_result = run->result;
    return TS_OK;
}

static enum ts_code driver_import(void *state,
                                  const struct source_import_call *call,
                                  struct ts_err *err)
{
    struct run *run = calloc(1, sizeof *run); /* a cookie is large */
    if (run == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not import");
    }
    run->ad = state;
    run->from = call->from;
    run->builder.sink = call->sink;
    run->builder.context = call->context;
    ad_changes_init(&run->changes);
    enum ts_code rc = run_import(run, call, err);
    free(run);
    return rc;
}

/* --- schema and check ------------------------------------------------------
 */

static enum ts_code driver_schema(void *state, struct ts_arena *arena,
                                  struct source_attribute **ret_attributes,
                                  size_t *ret_count, struct ts_err *err)
{
    struct ad *ad = state;
    struct source_schema schema = { NULL, 0 };
    enum ts_code rc = ldap_session_connect(ad->session, err);
    if (rc == TS_OK) {
        rc = ad_meet(ad, err);
    }
    if (rc == TS_OK) {
        rc = source_schema_read(ad->session, ad->server.subschema,
                                SCHEMA_MATCHES_BY_SYNTAX, arena, &schema, err);
    }
    ldap_session_disconnect(ad->session);
    if (rc != TS_OK) {
        ts_err_wrap(err, "reading the schema of source \"%s\"",
                    ad->config->name);
        return rc;
    }
    *ret_attributes = schema.attributes;
    *ret_count = schema.count;
    return TS_OK;
}

static size_t
driver_check(void *state, struct ts_arena *arena,
             struct source_finding findings[static SOURCE_FINDINGS_MAX])
{
    return ad_check(state, arena, findings);
}

const struct source_driver source_ad = {
    .open = driver_open,
    .close = driver_close,
    .import = driver_import,
    .cancel = driver_cancel,
    .schema = driver_schema,
    .check = driver_check,
};
