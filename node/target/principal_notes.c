#include "node/target/principal_notes.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/base/cleanup.h"
#include "node/base/json.h"
#include "node/vault/seal_file.h"

#define NOTES_FILE_MAX ((size_t) 64 * 1024)
#define CONTEXT        "twinsync minted"

struct note {
    uint64_t epoch;
    enum register_kind kind;
    char id[REGISTER_CLIENT_SIZE]; /* "": it was asked for, no more is known */
    char uri[PRINCIPAL_URI_SIZE];
    char token[PRINCIPAL_TOKEN_SIZE];
};

/* Oldest first. */
struct notes {
    size_t count;
    struct note items[PRINCIPAL_NOTES_MAX];
};

static void notes_free(struct notes **notes)
{
    if (*notes != NULL) {
        OPENSSL_cleanse(*notes, sizeof **notes);
        free(*notes);
    }
}
#define AUTO_NOTES __attribute__((cleanup(notes_free)))

/* -- the file ---------------------------------------------------------------
 */

static bool take(const json_t *json, const char *name, char *to, size_t size)
{
    const char *text = ts_json_text(json, name);
    int n = snprintf(to, size, "%s", text == NULL ? "" : text);
    return text != NULL && n >= 0 && (size_t) n < size;
}

static void note_in(const json_t *json, struct notes *notes)
{
    struct note *note = &notes->items[notes->count];
    int64_t epoch = ts_json_number(json, "epoch", 0);
    int64_t kind = ts_json_number(json, "kind", -1);
    if (notes->count < PRINCIPAL_NOTES_MAX && epoch > 0 && kind >= 0 &&
        kind < REGISTER_KINDS && take(json, "id", note->id, sizeof note->id) &&
        take(json, "uri", note->uri, sizeof note->uri) &&
        take(json, "token", note->token, sizeof note->token)) {
        note->epoch = (uint64_t) epoch;
        note->kind = (enum register_kind) kind;
        notes->count++;
    }
}

/* Notes that do not open are of another pair's key: of no use to anybody. */
static enum ts_code load(const struct principal_keeper *keeper,
                         struct notes **ret_notes, struct ts_err *err)
{
    TS_AUTOFREE uint8_t *plain = malloc(NOTES_FILE_MAX);
    struct notes *notes = calloc(1, sizeof *notes);
    struct seal_room room = { plain, NOTES_FILE_MAX };
    TS_AUTOJSON json_t *list = NULL;
    struct ts_err ignored;
    if (plain == NULL || notes == NULL) {
        free(notes);
        return ts_fail(err, TS_E_NOMEM, 0,
                       "could not note a credential: out of memory");
    }
    if (principal_file_get(keeper, keeper->options.notes_file,
                           ts_slice_str(CONTEXT), &room, &ignored) == TS_OK) {
        (void) !ts_json_parse(ts_slice(plain, room.size), &list, &ignored);
        OPENSSL_cleanse(plain, room.size);
    }
    const json_t *item;
    size_t i;
    json_array_foreach(list, i, item)
    {
        note_in(item, notes);
    }
    *ret_notes = notes;
    return TS_OK;
}

static enum ts_code save(const struct principal_keeper *keeper,
                         const struct notes *notes, struct ts_err *err)
{
    struct ts_arena arena;
    TS_AUTOJSON json_t *list = json_array();
    for (size_t i = 0; i < notes->count; i++) {
        const struct note *note = &notes->items[i];
        (void) json_array_append_new(
            list,
            json_pack("{s:I, s:i, s:s, s:s, s:s}", "epoch",
                      (json_int_t) note->epoch, "kind", (int) note->kind, "id",
                      note->id, "uri", note->uri, "token", note->token));
    }
    ts_arena_init(&arena, 2 * NOTES_FILE_MAX);
    struct ts_slice text = ts_json_print(list, &arena);
    enum ts_code code =
        text.data == NULL
            ? ts_fail(err, TS_E_NOMEM, 0,
                      "could not note a credential: out of memory")
            : seal_file_put(keeper->options.notes_file, &keeper->key,
                            ts_slice_str(CONTEXT), text, err);
    ts_arena_done(&arena);
    return code;
}

/* -- noting -----------------------------------------------------------------
 */

static void drop(struct notes *notes, size_t index)
{
    notes->count--;
    memmove(&notes->items[index], &notes->items[index + 1],
            (notes->count - index) * sizeof notes->items[0]);
}

static void drop_epoch(struct notes *notes, uint64_t epoch)
{
    for (size_t i = notes->count; i-- > 0;) {
        if (notes->items[i].epoch == epoch) {
            drop(notes, i);
        }
    }
}

static bool keeps_notes(const struct principal_keeper *keeper)
{
    return keeper->options.notes_file != NULL &&
           principal_kind(keeper->options.target) != REGISTER_KIND_NONE;
}

/* In place of what was noted of the epoch; the oldest makes room. */
static enum ts_code note(const struct principal_keeper *keeper,
                         const struct principal *principal, struct ts_err *err)
{
    AUTO_NOTES struct notes *notes = NULL;
    if (!keeps_notes(keeper)) {
        return TS_OK;
    }
    enum ts_code code = load(keeper, &notes, err);
    if (code != TS_OK) {
        return code;
    }
    drop_epoch(notes, principal->epoch);
    if (notes->count == PRINCIPAL_NOTES_MAX) {
        drop(notes, 0);
    }
    struct note *to = &notes->items[notes->count++];
    *to = (struct note){ .epoch = principal->epoch, .kind = principal->kind };
    (void) snprintf(to->id, sizeof to->id, "%s", principal->id);
    (void) snprintf(to->uri, sizeof to->uri, "%s", principal->uri);
    (void) snprintf(to->token, sizeof to->token, "%s", principal->token);
    return save(keeper, notes, err);
}

enum ts_code principal_note_asked(const struct principal_keeper *keeper,
                                  const struct principal *principal,
                                  struct ts_err *err)
{
    return note(keeper, principal, err);
}

enum ts_code principal_note_made(const struct principal_keeper *keeper,
                                 const struct principal *principal,
                                 struct ts_err *err)
{
    return note(keeper, principal, err);
}

void principal_note_gone(const struct principal_keeper *keeper, uint64_t epoch)
{
    AUTO_NOTES struct notes *notes = NULL;
    struct ts_err ignored;
    if (!keeps_notes(keeper) || load(keeper, &notes, &ignored) != TS_OK) {
        return;
    }
    size_t count = notes->count;
    drop_epoch(notes, epoch);
    if (notes->count < count) {
        (void) !save(keeper, notes, &ignored);
    }
}

/* -- sweeping ---------------------------------------------------------------
 */

static bool is_listed(const struct principal_listing *listing,
                      const struct note *note)
{
    for (size_t i = 0; i < listing->count; i++) {
        if (listing->rows[i].epoch == note->epoch &&
            strcmp(listing->rows[i].id, note->id) == 0) {
            return true;
        }
    }
    return false;
}

static struct principal_swept *report(struct principal_sweep *sweep,
                                      const struct note *note, bool is_deleted)
{
    struct principal_swept *swept = &sweep->swept[sweep->count++];
    swept->epoch = note->epoch;
    swept->is_deleted = is_deleted;
    return swept;
}

/* True: nothing is left to do about it. */
static bool sweep_one(struct principal_keeper *keeper, const struct note *note,
                      struct principal_sweep *sweep, struct ts_err *err)
{
    if (note->id[0] == '\0') {
        struct principal_swept *swept = report(sweep, note, false);
        (void) snprintf(swept->text, sizeof swept->text,
                        "a credential may have been made for epoch %llu of "
                        "%s, whose answer was lost: look for it by that name "
                        "and delete it; nobody has its secret",
                        (unsigned long long) note->epoch, keeper->options.node);
        return true;
    }
    TS_AUTOPRINCIPAL struct principal principal = { .epoch = note->epoch,
                                                    .kind = note->kind };
    (void) snprintf(principal.node, sizeof principal.node, "%s",
                    keeper->options.node);
    (void) snprintf(principal.id, sizeof principal.id, "%s", note->id);
    (void) snprintf(principal.uri, sizeof principal.uri, "%s", note->uri);
    (void) snprintf(principal.token, sizeof principal.token, "%s", note->token);
    if (principal_unmint(keeper, &principal, err) != TS_OK) {
        return false;
    }
    struct principal_swept *swept = report(sweep, note, true);
    (void) snprintf(swept->text, sizeof swept->text,
                    "\"%.128s\" of epoch %llu was made and never published: "
                    "it is deleted",
                    note->id, (unsigned long long) note->epoch);
    return true;
}

/* A failure of one keeps no other from being tried; the last one is told. */
enum ts_code principal_sweep(struct principal_keeper *keeper,
                             const struct principal_listing *listing,
                             struct principal_sweep *ret_sweep,
                             struct ts_err *err)
{
    AUTO_NOTES struct notes *notes = NULL;
    struct principal_sweep sweep = { .count = 0 };
    *ret_sweep = sweep;
    if (!keeps_notes(keeper)) {
        return TS_OK;
    }
    enum ts_code code = load(keeper, &notes, err);
    size_t before = code == TS_OK ? notes->count : 0;
    struct ts_err failed = { .code = TS_OK };
    for (size_t i = before; code == TS_OK && i-- > 0;) {
        const struct note *note = &notes->items[i];
        if (is_listed(listing, note) ||
            (note->epoch != listing->spared &&
             sweep_one(keeper, note, &sweep, &failed))) {
            drop(notes, i);
        }
    }
    if (code == TS_OK && notes->count < before) {
        code = save(keeper, notes, err);
    }
    if (code == TS_OK && failed.code != TS_OK) {
        *err = failed;
        code = failed.code;
    }
    *ret_sweep = sweep;
    return code;
}
