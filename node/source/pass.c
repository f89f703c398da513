#include "node/source/contentsync.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An anchor is a key: short, and text. */
#define ANCHOR_SIZE_MAX 255

static const char why_covered[] =
    "the directory sent again what the watermark covers: it dropped the cookie";
static const char why_servers[] =
    "the directory's set of replicas is no longer that of the watermark";
static const char why_empty[] =
    "the directory answered without a usable cookie: it dropped ours";
static const char why_required[] =
    "the directory asked for a full refresh (e-syncRefreshRequired)";
static const char why_newer[] =
    "the watermark is newer than the directory, as after a restore";

struct pass {
    struct contentsync *sync;
    struct source_builder *builder;
    bool from_cookie;
    struct contentsync_cookie cookie; /* what was sent, taken apart */
    uint64_t messages; /* entries and id sets: anything that says something */
    uint64_t unanchored;
    char first_unanchored[201];
    const char *stale; /* why the answer is of no use, or NULL */
    bool torn;         /* some of its deletions were lost on the way */
    bool done;
};

/* --- rows
 * --------------------------------------------------------------------- */

static enum ts_code copy_anchor(struct source_row *row, struct ts_arena *arena,
                                struct ts_slice text, struct ts_err *err)
{
    row->anchor = ts_arena_copy(arena, text);
    return row->anchor.data != NULL
               ? TS_OK
               : ts_fail(err, TS_E_LIMIT, 0, "could not take in an anchor");
}

/* A row that only names its object. */
static enum ts_code add_bare(struct source_builder *builder,
                             enum source_verb verb, struct ts_slice anchor,
                             struct ts_err *err)
{
    struct source_row *row = NULL;
    enum ts_code rc = source_builder_begin(builder, anchor.size, &row, err);
    if (rc == TS_OK) {
        row->verb = verb;
        rc = copy_anchor(row, &builder->batch->arena, anchor, err);
    }
    return rc == TS_OK ? source_builder_keep(builder, err) : rc;
}

static enum ts_code add_bare_uuid(struct pass *pass, enum source_verb verb,
                                  struct contentsync_uuid uuid,
                                  struct ts_err *err)
{
    char text[CONTENTSYNC_UUID_TEXT_SIZE];
    contentsync_uuid_text(uuid, text);
    return pass->sync->anchor_is_uuid
               ? add_bare(pass->builder, verb, ts_slice_str(text), err)
               : TS_OK; /* only with a full answer, which sends every entry */
}

/* What the entry read last is to be known by; empty when it cannot be known. */
static struct ts_slice anchor_of(const struct pass *pass,
                                 struct contentsync_uuid uuid,
                                 char text[static CONTENTSYNC_UUID_TEXT_SIZE])
{
    if (pass->sync->anchor_is_uuid) {
        contentsync_uuid_text(uuid, text);
        return ts_slice_str(text);
    }
    struct source_values anchor =
        source_rows_extra(pass->sync->rows, CONTENTSYNC_ANCHOR);
    bool usable = anchor.count == 1 && anchor.items[0].size > 0 &&
                  anchor.items[0].size <= ANCHOR_SIZE_MAX &&
                  ts_kind_of_bytes(anchor.items[0]) == TS_KIND_TEXT;
    return usable ? anchor.items[0] : TS_SLICE_NONE;
}

static enum ts_code add_put(struct pass *pass, const struct source_seen *seen,
                            struct contentsync_uuid uuid, struct ts_err *err)
{
    char text[CONTENTSYNC_UUID_TEXT_SIZE];
    struct ts_slice anchor = anchor_of(pass, uuid, text);
    if (anchor.size == 0) {
        if (pass->unanchored++ == 0) {
            (void) snprintf(pass->first_unanchored,
                            sizeof pass->first_unanchored, "%.*s",
                            (int) (seen->dn.size < 200 ? seen->dn.size : 200),
                            (const char *) seen->dn.data);
        }
        return TS_OK;
    }
    struct source_row *row = NULL;
    enum ts_code rc =
        source_builder_begin(pass->builder, seen->size, &row, err);
    if (rc != TS_OK) {
        return rc;
    }
    struct ts_arena *arena = &pass->builder->batch->arena;
    rc = copy_anchor(row, arena, anchor, err);
    if (rc == TS_OK) {
        rc = source_rows_fill(pass->sync->rows, seen, arena, row, err);
    }
    return rc == TS_OK ? source_builder_keep(pass->builder, err) : rc;
}

/* --- messages
 * ----------------------------------------------------------------- */

static enum ts_code state_of(LDAP *ld, LDAPMessage *message,
                             struct contentsync_state *ret_state,
                             struct ts_err *err)
{
    LDAPControl **controls = NULL;
    int result = ldap_get_entry_controls(ld, message, &controls);
    LDAPControl *control =
        result == LDAP_SUCCESS
            ? ldap_control_find(LDAP_CONTROL_SYNC_STATE, controls, NULL)
            : NULL;
    enum ts_code rc =
        control == NULL
            ? ts_fail(err, TS_E_PROTOCOL, 0,
                      "cannot read an entry that the directory sent: it has "
                      "no Sync State control (RFC 4533)")
            : contentsync_decode_state(ts_slice(control->ldctl_value.bv_val,
                                                control->ldctl_value.bv_len),
                                       ret_state, err);
    ret_state->cookie = TS_SLICE_NONE; /* would dangle, and is not for us */
    ldap_controls_free(controls);
    return rc;
}

static enum ts_code take_entry(struct pass *pass, LDAPMessage *message,
                               struct ts_err *err)
{
    LDAP *ld = ldap_session_handle(pass->sync->session);
    struct contentsync_state state = { .verb = CONTENTSYNC_PRESENT };
    enum ts_code rc = state_of(ld, message, &state, err); /* before getters */
    if (rc != TS_OK) {
        return rc;
    }
    pass->messages++;
    if (state.verb == CONTENTSYNC_DELETE) {
        return add_bare_uuid(pass, SOURCE_DELETE, state.uuid, err);
    }
    if (state.verb == CONTENTSYNC_PRESENT) {
        return add_bare_uuid(pass, SOURCE_PRESENT, state.uuid, err);
    }
    struct source_seen seen;
    rc = source_rows_read(pass->sync->rows, ld, message, &seen, err);
    struct contentsync_csn csn;
    struct source_values stamp =
        source_rows_extra(pass->sync->rows, CONTENTSYNC_CSN);
    if (rc == TS_OK && pass->from_cookie && stamp.count > 0 &&
        contentsync_csn_parse(stamp.items[0], &csn) == TS_OK &&
        contentsync_cookie_covers(&pass->cookie, &csn)) {
        pass->stale = why_covered;
        return TS_OK;
    }
    return rc == TS_OK ? add_put(pass, &seen, state.uuid, err) : rc;
}

static enum ts_code take_id_set(struct pass *pass,
                                const struct contentsync_info *info,
                                struct ts_err *err)
{
    enum source_verb verb =
        info->refresh_deletes ? SOURCE_DELETE : SOURCE_PRESENT;
    struct ts_slice ids = info->ids;
    struct contentsync_uuid uuid;
    enum ts_code rc = TS_OK;
    while (rc == TS_OK && contentsync_next_id(&ids, &uuid)) {
        rc = add_bare_uuid(pass, verb, uuid, err);
    }
    return rc;
}

/* Cookies in between are not kept: only the last message's covers everything,
 * and slapd's may carry a delcsn that must not be sent back. */
static enum ts_code take_info(struct pass *pass, LDAPMessage *message,
                              struct ts_err *err)
{
    char *oid = NULL;
    struct berval *data = NULL;
    LDAP *ld = ldap_session_handle(pass->sync->session);
    int result = ldap_parse_intermediate(ld, message, &oid, &data, NULL, 0);
    enum ts_code rc = TS_OK;
    if (result != LDAP_SUCCESS) {
        rc = ts_fail(err, TS_E_PROTOCOL, 0,
                     "cannot read an intermediate message of the directory: %s",
                     ldap_err2string(result));
    } else if (oid != NULL && strcmp(oid, LDAP_SYNC_INFO) == 0) {
        struct contentsync_info info;
        rc = contentsync_decode_info(
            data == NULL ? TS_SLICE_NONE : ts_slice(data->bv_val, data->bv_len),
            &info, err);
        if (rc == TS_OK && info.kind == CONTENTSYNC_ID_SET) {
            pass->messages++;
            pass->torn = pass->torn || info.torn;
            rc = take_id_set(pass, &info, err);
        }
    }
    ldap_memfree(oid);
    ber_bvfree(data);
    return rc;
}

/* --- the end
 * -------------------------------------------------------------------
 */

static enum ts_code unanchored(const struct pass *pass, struct ts_err *err)
{
    const struct config_source *config = pass->sync->config;
    return ts_fail(err, TS_E_CONFIG, 0,
                   "cannot import source \"%s\": %llu entries have no single "
                   "text value of the anchor \"%s\", the first is \"%.100s\"; "
                   "narrow the filter by (%s=*) or choose another anchor",
                   config->name, (unsigned long long) pass->unanchored,
                   config->anchor, pass->first_unanchored, config->anchor);
}

/* Success: what did we get? See the table in contentsync.h. */
static enum ts_code judge(struct pass *pass,
                          const struct contentsync_done *done,
                          struct contentsync_answer *answer, struct ts_err *err)
{
    struct contentsync_cookie cookie;
    bool usable =
        contentsync_cookie_parse(done->cookie, &cookie, NULL) == TS_OK;
    if (usable && done->cookie.data != NULL) {
        memcpy(answer->mark.bytes, done->cookie.data, done->cookie.size);
        answer->mark.size = done->cookie.size;
    }
    if (!pass->from_cookie) {
        if (pass->messages == 0 && done->cookie.size == 0) {
            return ts_fail(
                err, TS_E_REFUSED, 0,
                "cannot take the empty answer of %s for source \"%s\" as an "
                "empty directory: it has no synchronization state; see that "
                "its database was loaded with entryCSN values",
                ldap_session_uri(pass->sync->session),
                pass->sync->config->name);
        }
        answer->outcome = CONTENTSYNC_COMPLETE;
        return TS_OK;
    }
    if (!done->refresh_deletes) {
        answer->outcome = CONTENTSYNC_COMPLETE;
        return TS_OK;
    }
    /* An empty cookie: a write has ended before one that began earlier, and the
     * contextCSN waits for both. Had slapd dropped our cookie, it would have
     * sent what there is. */
    if (done->cookie.size == 0 && pass->messages == 0) {
        answer->outcome = CONTENTSYNC_NOTHING;
        answer->is_same = done->cookie.data == NULL;
        return TS_OK;
    }
    if (!usable) {
        pass->stale = why_empty;
    } else if (!contentsync_cookie_same_servers(&pass->cookie, &cookie)) {
        pass->stale = why_servers;
    }
    answer->outcome = pass->torn ? CONTENTSYNC_TORN : CONTENTSYNC_CHANGES;
    return TS_OK;
}

static enum ts_code refused(struct pass *pass, int result,
                            const char *diagnostic, struct ts_err *err)
{
    if (pass->from_cookie && result == LDAP_SYNC_REFRESH_REQUIRED) {
        pass->stale = why_required;
        return TS_OK;
    }
    if (pass->from_cookie && result == LDAP_UNWILLING_TO_PERFORM) {
        pass->stale = why_newer;
        return TS_OK;
    }
    const struct config_source *config = pass->sync->config;
    char what[300];
    const char *fix =
        result == LDAP_SIZELIMIT_EXCEEDED || result == LDAP_ADMINLIMIT_EXCEEDED
            ? " completely; give the account size=unlimited"
        : result == LDAP_TIMELIMIT_EXCEEDED
            ? " completely; give the account time=unlimited"
        : result == LDAP_UNAVAILABLE_CRITICAL_EXTENSION
            ? " by content synchronization; load the overlay syncprov on its "
              "database"
            : "";
    (void) snprintf(what, sizeof what, "read \"%.150s\"%s", config->base, fix);
    return ldap_session_fail(pass->sync->session, result, diagnostic, what,
                             err);
}

static enum ts_code take_result(struct pass *pass, LDAPMessage *message,
                                struct contentsync_answer *answer,
                                struct ts_err *err)
{
    int result = LDAP_OTHER;
    char *diagnostic = NULL;
    LDAPControl **controls = NULL;
    LDAP *ld = ldap_session_handle(pass->sync->session);
    int parsed = ldap_parse_result(ld, message, &result, NULL, &diagnostic,
                                   NULL, &controls, 0);
    enum ts_code rc = TS_OK;
    pass->done = true;
    if (parsed != LDAP_SUCCESS || result != LDAP_SUCCESS) {
        rc = refused(pass, parsed != LDAP_SUCCESS ? parsed : result, diagnostic,
                     err);
    } else {
        LDAPControl *control =
            ldap_control_find(LDAP_CONTROL_SYNC_DONE, controls, NULL);
        struct contentsync_done done = { .refresh_deletes = false };
        rc =
            control == NULL
                ? ts_fail(err, TS_E_PROTOCOL, 0,
                          "cannot use the answer of %s: it ends without a "
                          "Sync Done control (RFC 4533)",
                          ldap_session_uri(pass->sync->session))
                : contentsync_decode_done(ts_slice(control->ldctl_value.bv_val,
                                                   control->ldctl_value.bv_len),
                                          &done, err);
        if (rc == TS_OK && pass->unanchored > 0) {
            rc = unanchored(pass, err);
        }
        if (rc == TS_OK) {
            rc = judge(pass, &done, answer, err);
        }
    }
    ldap_memfree(diagnostic);
    ldap_controls_free(controls);
    return rc;
}

static enum ts_code take_message(struct pass *pass, LDAPMessage *message,
                                 struct contentsync_answer *answer,
                                 struct ts_err *err)
{
    switch (ldap_msgtype(message)) {
    case LDAP_RES_SEARCH_ENTRY:
        return take_entry(pass, message, err);
    case LDAP_RES_INTERMEDIATE:
        return take_info(pass, message, err);
    case LDAP_RES_SEARCH_RESULT:
        return take_result(pass, message, answer, err);
    case LDAP_RES_SEARCH_REFERENCE:
        /* Behind a reference are entries that this search does not show; with
         * ManageDsaIT none should come. */
        return ts_fail(
            err, TS_E_PROTOCOL, 0,
            "cannot read \"%.200s\" completely: %s refers to another "
            "server for a part of it",
            pass->sync->config->base, ldap_session_uri(pass->sync->session));
    default:
        return ts_fail(
            err, TS_E_PROTOCOL, 0, "cannot read a message of type %d from %s",
            ldap_msgtype(message), ldap_session_uri(pass->sync->session));
    }
}

/* --- searching
 * ------------------------------------------------------------------
 */

static enum ts_code send_search(struct contentsync *sync,
                                LDAPControl **controls,
                                const char *const *attributes, int *ret_id,
                                struct ts_err *err)
{
    struct ldap_session_search search = {
        .base = sync->config->base,
        .scope = LDAP_SCOPE_SUBTREE,
        .filter = sync->config->filter,
        .attributes = attributes,
        .controls = controls,
    };
    return ldap_session_search(sync->session, &search, ret_id, err);
}

static enum ts_code send_request(struct pass *pass,
                                 const struct contentsync_mark *from,
                                 int *ret_id, struct ts_err *err)
{
    struct contentsync_request request;
    enum ts_code rc = contentsync_encode_request(
        ts_slice(from->bytes, from->size), &request, err);
    if (rc != TS_OK) {
        return rc;
    }
    static char sync_oid[] = LDAP_CONTROL_SYNC;
    static char manage_oid[] = LDAP_CONTROL_MANAGEDSAIT;
    LDAPControl control = {
        .ldctl_oid = sync_oid,
        .ldctl_value = { request.size, (char *) request.bytes },
        .ldctl_iscritical = 1,
    };
    LDAPControl manage = { .ldctl_oid = manage_oid };
    LDAPControl *controls[] = { &control, &manage, NULL };
    return send_search(pass->sync, controls,
                       source_rows_attributes(pass->sync->rows), ret_id, err);
}

enum ts_code contentsync_pass(struct contentsync *sync,
                              const struct contentsync_mark *from,
                              struct source_builder *builder,
                              struct contentsync_answer *ret_answer,
                              struct ts_err *err)
{
    struct pass pass = { .sync = sync,
                         .builder = builder,
                         .from_cookie = from->size > 0 };
    struct contentsync_answer *answer = ret_answer;
    *answer = (struct contentsync_answer){ .outcome = CONTENTSYNC_STALE };
    enum ts_code rc = TS_OK;
    if (pass.from_cookie) {
        rc = contentsync_cookie_parse(ts_slice(from->bytes, from->size),
                                      &pass.cookie, err);
    }
    int id = 0;
    if (rc == TS_OK) {
        rc = send_request(&pass, from, &id, err);
    }
    while (rc == TS_OK && !pass.done && pass.stale == NULL) {
        LDAP_AUTOMSG LDAPMessage *message = NULL;
        rc = ldap_session_next(sync->session, id, &message, err);
        if (rc == TS_OK) {
            rc = take_message(&pass, message, answer, err);
        }
    }
    if (rc == TS_OK && pass.stale != NULL) {
        if (!pass.done) {
            (void) ldap_abandon_ext(ldap_session_handle(sync->session), id,
                                    NULL, NULL);
        }
        source_builder_drop(builder);
        *answer = (struct contentsync_answer){ .outcome = CONTENTSYNC_STALE,
                                               .why = pass.stale };
    }
    return rc;
}

static enum ts_code take_listed(struct contentsync *sync, LDAPMessage *message,
                                struct source_builder *builder,
                                struct ts_err *err)
{
    struct berval **values = ldap_get_values_len(
        ldap_session_handle(sync->session), message, sync->config->anchor);
    enum ts_code rc = TS_OK;
    if (values != NULL && values[0] != NULL) {
        rc = add_bare(builder, SOURCE_PRESENT,
                      ts_slice(values[0]->bv_val, values[0]->bv_len), err);
    }
    ldap_value_free_len(values);
    return rc;
}

enum ts_code contentsync_list(struct contentsync *sync,
                              struct source_builder *builder,
                              struct ts_err *err)
{
    const char *const attributes[] = { sync->config->anchor, NULL };
    static char manage_oid[] = LDAP_CONTROL_MANAGEDSAIT;
    LDAPControl manage = { .ldctl_oid = manage_oid };
    LDAPControl *controls[] = { &manage, NULL };
    int id = 0;
    enum ts_code rc = send_search(sync, controls, attributes, &id, err);
    while (rc == TS_OK) {
        LDAP_AUTOMSG LDAPMessage *message = NULL;
        rc = ldap_session_next(sync->session, id, &message, err);
        if (rc != TS_OK) {
            break;
        }
        int type = ldap_msgtype(message);
        if (type == LDAP_RES_SEARCH_RESULT) {
            struct pass pass = { .sync = sync };
            int result = LDAP_OTHER;
            int parsed =
                ldap_parse_result(ldap_session_handle(sync->session), message,
                                  &result, NULL, NULL, NULL, NULL, 0);
            result = parsed != LDAP_SUCCESS ? parsed : result;
            return result == LDAP_SUCCESS ? TS_OK
                                          : refused(&pass, result, NULL, err);
        }
        if (type == LDAP_RES_SEARCH_ENTRY) {
            rc = take_listed(sync, message, builder, err);
        }
    }
    return rc;
}
