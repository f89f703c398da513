/* The stage `references` of show: those that lead to nobody here, and why. */
#include "node/engine/query/show.h"

#include "node/engine/query/common.h"
#include "node/engine/unresolved.h"

#define NAMED_MAX 20 /* of each kind */

struct listing {
    int64_t counts[UNRESOLVED_KINDS];
    json_t *named[UNRESOLVED_KINDS];
};

static void add(void *context, enum unresolved kind, struct ts_slice dn)
{
    struct listing *listing = context;
    if (listing->counts[kind]++ < NAMED_MAX) {
        (void) json_array_append_new(listing->named[kind], query_text(dn));
    }
}

enum ts_code show_references(struct showing *s, struct ts_err *err)
{
    static const char *const names[UNRESOLVED_KINDS] = { "dangling",
                                                         "not yet seen",
                                                         "out of scope" };
    struct listing listing = { .counts = { 0 } };
    enum ts_code code = TS_OK;
    for (int kind = 0; kind < UNRESOLVED_KINDS; kind++) {
        listing.named[kind] = json_array();
    }
    for (size_t i = 0; code == TS_OK && i < s->part_count; i++) {
        code =
            unresolved_of(s->engine, s->parts[i].object.id, add, &listing, err);
    }
    int64_t all = listing.counts[0] + listing.counts[1] + listing.counts[2];
    json_t *document =
        code == TS_OK && all > 0
            ? show_stage(s, "references",
                         listing.counts[UNRESOLVED_DANGLING] > 0 ? "missing"
                                                                 : "ok")
            : NULL;
    for (int kind = 0; kind < UNRESOLVED_KINDS; kind++) {
        if (document != NULL && listing.counts[kind] > 0) {
            show_fact(document, names[kind],
                      json_integer((json_int_t) listing.counts[kind]));
            show_value(document, ts_slice_str(names[kind]),
                       json_incref(listing.named[kind]), NULL);
        }
        json_decref(listing.named[kind]);
    }
    return code;
}
