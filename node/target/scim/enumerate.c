/*
 * Every object of a kind, page after page (RFC 7644 section 3.4.2.4).
 *
 * SCIM's pages are numbers in a list that others change meanwhile. What can be
 * seen of that is an error, because an object that slipped from one page to
 * the one before was not shown: the total shrank, an object came twice, a page
 * was empty before the end. Growth is harmless: what is new is ours to find
 * next time.
 *
 * The next page is asked for before this one is worked on: the service makes
 * it meanwhile.
 */
#include <stdlib.h>

#include "node/base/hash.h"
#include "node/base/json.h"
#include "node/target/scim/scim.h"

#define PATH_SIZE 320

/* 48 bytes for each, twice as many places as objects. */
#define SEEN_MAX ((size_t) 2 * 1000 * 1000)

/* Ids seen, as hashes in an open table. */
struct seen {
    struct ts_hash *places;
    size_t room, count;
};

struct walk {
    struct scim *scim;
    enum config_kind kind;
    target_sink_fn *sink;
    void *context;
    struct seen seen;
    size_t received, total;
    bool first;
    struct scim_ahead *ahead; /* the next page, asked for; NULL: not */
    struct ts_arena arena;
};

static bool is_free(const struct ts_hash *place)
{
    static const struct ts_hash nothing;
    return ts_hash_equal(*place, nothing);
}

static struct ts_hash *find_place(const struct seen *seen, struct ts_hash hash)
{
    size_t at;
    memcpy(&at, hash.bytes, sizeof at);
    at &= seen->room - 1;
    while (!is_free(&seen->places[at]) &&
           !ts_hash_equal(seen->places[at], hash)) {
        at = (at + 1) & (seen->room - 1);
    }
    return &seen->places[at];
}

static bool grow(struct seen *seen)
{
    struct seen bigger = { .room = seen->room == 0 ? 1024 : 2 * seen->room,
                           .count = seen->count };
    bigger.places = calloc(bigger.room, sizeof *bigger.places);
    if (bigger.places == NULL) {
        return false;
    }
    for (size_t i = 0; i < seen->room; i++) {
        if (!is_free(&seen->places[i])) {
            *find_place(&bigger, seen->places[i]) = seen->places[i];
        }
    }
    free(seen->places);
    *seen = bigger;
    return true;
}

static enum ts_code note(struct seen *seen, struct ts_slice id,
                         struct ts_err *err)
{
    if (2 * seen->count >= seen->room &&
        (seen->count >= SEEN_MAX || !grow(seen))) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not read the service's objects: there are more "
                       "than %zu, or memory is short",
                       SEEN_MAX);
    }
    struct ts_hash hash = ts_hash_of(id);
    struct ts_hash *place = find_place(seen, hash);
    if (!is_free(place)) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "could not read the service's objects: the object %.*s "
                       "came twice, so its list changed while it was read; "
                       "read it again",
                       TS_SLICE_ARGS(id));
    }
    *place = hash;
    seen->count++;
    return TS_OK;
}

static enum ts_code take_page(struct walk *walk, const struct scim_page *page,
                              struct ts_err *err)
{
    const struct scim_reader reader = {
        .schema = &walk->scim->schema,
        .paths = &walk->scim->options.paths[walk->kind],
        .kind = walk->kind,
        .origin = SCIM_FROM_READ,
        .self = scim_self(walk->scim),
        .arena = &walk->arena
    };
    for (size_t i = 0; i < page->count; i++) {
        struct target_object object;
        ts_arena_reset(&walk->arena);
        enum ts_code rc = scim_decode_object(
            &reader, json_array_get(page->resources, i), &object, err);
        if (rc == TS_OK) {
            rc = note(&walk->seen, object.id, err);
        }
        if (rc == TS_OK) {
            if (!walk->scim->schema.etag) {
                object.etag = TS_SLICE_NONE;
            }
            rc = walk->sink(walk->context, &object, err);
        }
        if (rc != TS_OK) {
            return rc;
        }
    }
    return TS_OK;
}

static enum ts_code check_total(struct walk *walk, const struct scim_page *page,
                                struct ts_err *err)
{
    if (!walk->first && page->total < walk->total) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "could not read the service's objects: their number "
                       "went from %zu to %zu while they were read; read them "
                       "again",
                       walk->total, page->total);
    }
    walk->first = false;
    walk->total = page->total;
    if (page->count == 0 && walk->received < page->total) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "could not read the service's objects: it says there "
                       "are %zu and stopped after %zu",
                       page->total, walk->received);
    }
    return TS_OK;
}

static enum ts_code page_path(const struct walk *walk, size_t skipped,
                              char *path, size_t room, struct ts_err *err)
{
    const struct scim_schema *schema = &walk->scim->schema;
    int size =
        snprintf(path, room, "%s?startIndex=%zu&count=%zu",
                 schema->endpoint[walk->kind], skipped + 1, schema->page_size);
    return size > 0 && (size_t) size < room
               ? TS_OK
               : ts_fail(err, TS_E_LIMIT, 0,
                         "cannot read the service's objects: the resource "
                         "type's endpoint is too long");
}

/* The page at hand, that was asked for ahead or not. */
static enum ts_code get_page(struct walk *walk, json_t **ret_json,
                             struct ts_err *err)
{
    char path[PATH_SIZE];
    struct scim_ahead *ahead = walk->ahead;
    walk->ahead = NULL;
    if (ahead != NULL) {
        return scim_get_end(ahead, ret_json, err);
    }
    enum ts_code rc = page_path(walk, walk->received, path, sizeof path, err);
    return rc == TS_OK
               ? scim_get(walk->scim, path, SCIM_ANSWER_SIZE_MAX, ret_json, err)
               : rc;
}

static enum ts_code ask_ahead(struct walk *walk, const struct scim_page *page,
                              struct ts_err *err)
{
    char path[PATH_SIZE];
    size_t received = walk->received + page->count;
    if (page->count == 0 || received >= page->total) {
        return TS_OK;
    }
    enum ts_code rc = page_path(walk, received, path, sizeof path, err);
    if (rc == TS_OK) {
        walk->ahead = scim_get_begin(walk->scim, path, SCIM_ANSWER_SIZE_MAX);
    }
    return rc;
}

/* One page; *ret_more tells whether there is another. */
static enum ts_code step(struct walk *walk, bool *ret_more, struct ts_err *err)
{
    TS_AUTOJSON json_t *json = NULL;
    struct scim_page page;
    enum ts_code rc = get_page(walk, &json, err);
    if (rc == TS_OK) {
        rc = scim_decode_page(json, &page, err);
    }
    if (rc == TS_OK) {
        rc = check_total(walk, &page, err);
    }
    if (rc == TS_OK) {
        rc = ask_ahead(walk, &page, err);
    }
    if (rc == TS_OK) {
        rc = take_page(walk, &page, err);
    }
    if (rc == TS_OK) {
        walk->received += page.count;
        *ret_more = walk->received < page.total;
    }
    return rc;
}

enum ts_code scim_enumerate(struct target *target, enum config_kind kind,
                            target_sink_fn *sink, void *context,
                            struct ts_err *err)
{
    struct walk walk = { .scim = scim_of(target),
                         .kind = kind,
                         .sink = sink,
                         .context = context,
                         .first = true };
    bool more = true;
    enum ts_code rc = scim_discover(walk.scim, err);

    ts_arena_init(&walk.arena, SCIM_ARENA_MAX);
    while (rc == TS_OK && more) {
        rc = step(&walk, &more, err);
    }
    scim_get_drop(walk.ahead);
    ts_arena_done(&walk.arena);
    free(walk.seen.places);
    return rc;
}
