#include "node/target/principal.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "node/base/json.h"
#include "node/target/principal_notes.h"
#include "node/vault/seal_file.h"

#define CONTEXT_SIZE (REGISTER_NAME_SIZE + REGISTER_CLIENT_SIZE + 64)
#define ARENA_MAX    ((size_t) 64 * 1024)

static const struct principal_kind_row *const kinds[REGISTER_KINDS] = {
    [REGISTER_KIND_NONE] = &principal_kind_none,
    [REGISTER_KIND_OAUTH] = &principal_kind_oauth,
    [REGISTER_KIND_EXEC] = &principal_kind_exec,
};

enum register_kind principal_kind(const struct config_target *target)
{
    static const enum register_kind of[] = {
        [CONFIG_FENCE_NONE] = REGISTER_KIND_NONE,
        [CONFIG_FENCE_REGISTRATION] = REGISTER_KIND_OAUTH,
        [CONFIG_FENCE_EXEC] = REGISTER_KIND_EXEC,
    };
    return of[target->fence];
}

void principal_done(struct principal *principal)
{
    if (principal != NULL) {
        OPENSSL_cleanse(principal, sizeof *principal);
    }
}

void principal_pending(struct principal_fencing *fencing, int64_t again_ms,
                       const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fencing->state = PRINCIPAL_PENDING;
    fencing->again_ms = again_ms;
    (void) vsnprintf(fencing->text, sizeof fencing->text, fmt, args);
    va_end(args);
}

/* -- open and close -------------------------------------------------------- */

void principal_close(struct principal_keeper *keeper)
{
    if (keeper != NULL) {
        principal_oauth_close(keeper);
        seal_key_done(&keeper->key);
        for (size_t i = 0; i < keeper->others_count; i++) {
            seal_key_done(&keeper->others[i]);
        }
        principal_done(&keeper->self);
        if (keeper->wake_fd >= 0) {
            (void) close(keeper->wake_fd);
        }
        free(keeper);
    }
}

enum ts_code principal_open(const struct principal_options *options,
                            struct principal_keeper **ret_keeper,
                            struct ts_err *err)
{
    struct principal_keeper *keeper = calloc(1, sizeof *keeper);
    if (keeper == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not prepare the fence: out of memory");
    }
    keeper->options = *options;
    keeper->key = *options->key;
    assert(options->others_count <= PRINCIPAL_KEYS_OTHER);
    for (size_t i = 0; i < options->others_count; i++) {
        keeper->others[keeper->others_count++] = options->others[i];
    }
    keeper->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    enum ts_code rc =
        keeper->wake_fd >= 0
            ? TS_OK
            : ts_fail(err, TS_E_IO, errno, "could not prepare the fence");
    if (rc == TS_OK && principal_kind(options->target) == REGISTER_KIND_OAUTH) {
        rc = principal_oauth_open(keeper, err);
    }
    if (rc != TS_OK) {
        principal_close(keeper);
        return rc;
    }
    *ret_keeper = keeper;
    return TS_OK;
}

void principal_rekey(struct principal_keeper *keeper,
                     const struct seal_key *key)
{
    if (CRYPTO_memcmp(key, &keeper->key, sizeof *key) == 0) {
        return;
    }
    size_t place = keeper->others_count < PRINCIPAL_KEYS_OTHER + 1
                       ? keeper->others_count++
                       : PRINCIPAL_KEYS_OTHER;
    keeper->others[place] = keeper->key;
    keeper->key = *key;
}

const struct seal_key *principal_key(const struct principal_keeper *keeper,
                                     size_t tried)
{
    if (tried == 0) {
        return &keeper->key;
    }
    return tried <= keeper->others_count ? &keeper->others[tried - 1] : NULL;
}

enum ts_code principal_file_get(const struct principal_keeper *keeper,
                                const char *path, struct ts_slice context,
                                struct seal_room *room, struct ts_err *err)
{
    size_t size = room->size;
    enum ts_code rc = TS_E_CORRUPT;
    const struct seal_key *key;
    for (size_t i = 0;
         rc == TS_E_CORRUPT && (key = principal_key(keeper, i)) != NULL; i++) {
        room->size = size;
        rc = seal_file_get(path, key, context, room, err);
    }
    return rc;
}

void principal_cancel(struct principal_keeper *keeper)
{
    (void) eventfd_write(keeper->wake_fd, 1);
    if (keeper->http != NULL) {
        ts_http_cancel(keeper->http);
    }
}

void principal_resume(struct principal_keeper *keeper)
{
    eventfd_t count;
    (void) eventfd_read(keeper->wake_fd, &count);
    if (keeper->http != NULL) {
        ts_http_resume(keeper->http);
    }
}

/* -- calls ----------------------------------------------------------------- */

static const struct principal_kind_row *
kind_of(const struct principal_keeper *keeper)
{
    return kinds[principal_kind(keeper->options.target)];
}

enum ts_code principal_probe(struct principal_keeper *keeper,
                             struct ts_err *err)
{
    return kind_of(keeper)->probe(keeper, err);
}

enum ts_code principal_mint(struct principal_keeper *keeper, uint64_t epoch,
                            struct principal *ret_principal, struct ts_err *err)
{
    TS_AUTOPRINCIPAL struct principal made = {
        .epoch = epoch,
        .kind = principal_kind(keeper->options.target),
    };
    (void) snprintf(made.node, sizeof made.node, "%s", keeper->options.node);
    enum ts_code rc = principal_note_asked(keeper, &made, err);
    if (rc != TS_OK) {
        return rc;
    }
    rc = kind_of(keeper)->mint(keeper, &made, err);
    if (rc == TS_E_AUTH || rc == TS_E_CONFIG) { /* certainly not made */
        principal_note_gone(keeper, epoch);
    }
    if (rc == TS_OK) {
        rc = principal_note_made(keeper, &made, err);
    }
    if (rc == TS_OK) {
        *ret_principal = made;
    }
    return rc;
}

enum ts_code principal_unmint(struct principal_keeper *keeper,
                              const struct principal *principal,
                              struct ts_err *err)
{
    enum ts_code rc = kinds[principal->kind]->unmint(keeper, principal, err);
    if (rc == TS_OK) {
        principal_note_gone(keeper, principal->epoch);
    }
    return rc;
}

/* P1, for all before any. A credential that is shared by all epochs (kind none)
 * is never touched. */
static enum ts_code check_epochs(const struct principal *own,
                                 const struct principal_fencing fencings[],
                                 size_t count, struct ts_err *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct register_principal *row = fencings[i].row;
        bool ourselves =
            row->kind != REGISTER_KIND_NONE && strcmp(row->id, own->id) == 0;
        if (row->epoch >= own->epoch || ourselves) {
            return ts_fail(err, TS_E_REFUSED, 0,
                           "cannot fence \"%s\" of epoch %llu: %s", row->id,
                           (unsigned long long) row->epoch,
                           ourselves ? "it is what this node uses itself"
                                     : "it is not below our own epoch");
        }
    }
    return TS_OK;
}

enum ts_code principal_fence(struct principal_keeper *keeper,
                             const struct principal *own,
                             struct principal_fencing fencings[], size_t count,
                             struct ts_err *err)
{
    enum ts_code rc = check_epochs(own, fencings, count, err);
    if (rc == TS_OK) {
        principal_oauth_forget(keeper, fencings, count);
    }
    for (size_t i = 0; rc == TS_OK && i < count; i++) {
        enum register_kind kind = fencings[i].row->kind;
        if (kind != REGISTER_KIND_NONE &&
            kind != principal_kind(keeper->options.target)) {
            principal_pending(&fencings[i], FENCE_WAIT_MAX_MS,
                              "\"%s\" was made while target.fence was \"%s\", "
                              "and can only be fenced so: set it back",
                              fencings[i].row->id,
                              kind == REGISTER_KIND_OAUTH ? "registration"
                                                          : "exec");
            continue;
        }
        rc = kinds[kind]->fence(keeper, own, &fencings[i], err);
    }
    return rc;
}

/* -- sealing --------------------------------------------------------------- */

/* What a sealed text belongs to (S2): this principal of this node. */
static struct ts_slice context_of(const struct register_principal *row,
                                  char room[static CONTEXT_SIZE])
{
    int n = snprintf(room, CONTEXT_SIZE, "twinsync principal/%d/%llu/%s/%s",
                     (int) row->kind, (unsigned long long) row->epoch,
                     row->node, row->id);
    return ts_slice(room, (size_t) n);
}

enum ts_code principal_seal(const struct seal_key *key,
                            const struct principal *principal,
                            struct register_principal *ret_row,
                            struct ts_err *err)
{
    struct register_principal row = { .epoch = principal->epoch,
                                      .kind = principal->kind };
    char context[CONTEXT_SIZE];
    struct ts_arena arena;
    struct seal_room room = { row.sealed, sizeof row.sealed };

    (void) snprintf(row.node, sizeof row.node, "%s", principal->node);
    (void) snprintf(row.id, sizeof row.id, "%s", principal->id);
    if (principal->secret[0] != '\0' || principal->token[0] != '\0') {
        ts_arena_init(&arena, ARENA_MAX);
        TS_AUTOJSON json_t *json =
            json_pack("{s:s, s:s, s:s}", "secret", principal->secret, "uri",
                      principal->uri, "token", principal->token);
        struct ts_slice text =
            json == NULL ? TS_SLICE_NONE : ts_json_print(json, &arena);
        enum ts_code rc =
            text.data == NULL
                ? ts_fail(err, TS_E_NOMEM, 0,
                          "could not seal a principal: out of memory")
                : seal_close(key, context_of(&row, context), text, &room, err);
        ts_arena_done(&arena);
        if (rc != TS_OK) {
            return rc;
        }
        row.sealed_size = room.size;
    }
    *ret_row = row;
    return TS_OK;
}

static bool take(const json_t *json, const char *name, char *to, size_t size)
{
    const char *text = ts_json_text(json, name);
    if (text == NULL || strlen(text) >= size) {
        return false;
    }
    (void) snprintf(to, size, "%s", text);
    return true;
}

enum ts_code principal_unseal(const struct seal_key *key,
                              const struct register_principal *row,
                              struct principal *ret_principal,
                              struct ts_err *err)
{
    TS_AUTOPRINCIPAL struct principal found = { .epoch = row->epoch,
                                                .kind = row->kind };
    uint8_t plain[REGISTER_SEALED_MAX];
    struct seal_room room = { plain, sizeof plain };
    char context[CONTEXT_SIZE];

    memcpy(found.node, row->node, sizeof found.node);
    memcpy(found.id, row->id, sizeof found.id);
    if (row->sealed_size != 0) {
        TS_AUTOJSON json_t *json = NULL;
        enum ts_code rc =
            seal_open(key, context_of(row, context),
                      ts_slice(row->sealed, row->sealed_size), &room, err);
        if (rc == TS_OK) {
            rc = ts_json_parse(ts_slice(plain, room.size), &json, err);
        }
        if (rc == TS_OK &&
            (!take(json, "secret", found.secret, sizeof found.secret) ||
             !take(json, "uri", found.uri, sizeof found.uri) ||
             !take(json, "token", found.token, sizeof found.token))) {
            rc = ts_fail(err, TS_E_CORRUPT, 0,
                         "cannot open the principal \"%s\": what was sealed is "
                         "not a principal",
                         row->id);
        }
        OPENSSL_cleanse(plain, sizeof plain);
        if (rc != TS_OK) {
            return rc;
        }
    }
    *ret_principal = found;
    return TS_OK;
}
