#include "node/engine/waits.h"

#include <stdlib.h>

#define ANCHOR_MEMORY ((size_t) 64 * 1024 * 1024)

static enum ts_code no_memory(struct ts_err *err)
{
    return ts_fail(err, TS_E_NOMEM, 0,
                   "could not find the order of writes: out of memory");
}

enum ts_code waits_add(struct waits *waits, const struct waits_edge *edge,
                       struct ts_err *err)
{
    if (waits->count == waits->room) {
        size_t room = waits->room == 0 ? 64 : waits->room * 2;
        struct waits_edge *edges = realloc(waits->edges, room * sizeof *edges);
        if (edges == NULL) {
            return no_memory(err);
        }
        waits->edges = edges;
        waits->room = room;
    }
    struct ts_slice anchor = ts_arena_copy(&waits->anchors, edge->from.anchor);
    if (anchor.data == NULL) {
        return no_memory(err);
    }
    waits->edges[waits->count] = *edge;
    waits->edges[waits->count++].from.anchor = anchor;
    return TS_OK;
}

void waits_init(struct waits *waits)
{
    *waits = (struct waits){ .edges = NULL };
    ts_arena_init(&waits->anchors, ANCHOR_MEMORY);
}

void waits_done(struct waits *waits)
{
    free(waits->edges);
    ts_arena_done(&waits->anchors);
}

/* ---- the graph
 * ----------------------------------------------------------------------------
 */

/* Who waits for anybody, in the order in which they would be parked. What is
 * only waited for waits for nobody, so it is in no ring. */
struct node {
    struct waits_object object;
    size_t out, in; /* edges to and from nodes that are left */
    bool gone;
};

struct graph {
    struct node *nodes;
    size_t *by_id; /* places of nodes, in order of ids */
    size_t count;
    struct link {
        size_t from, to;
    } * links, *backwards; /* by `from`; by `to` */
    size_t link_count;
    size_t *queue; /* of nodes to be removed */
    size_t queued;
};

static int by_anchor(const void *a, const void *b)
{
    const struct node *x = a;
    const struct node *y = b;
    int order = ts_slice_compare(x->object.anchor, y->object.anchor);
    return order != 0 ? order : x->object.kind - y->object.kind;
}

static int by_from_then_to(const void *a, const void *b)
{
    const struct waits_edge *x = a;
    const struct waits_edge *y = b;
    if (x->from.id != y->from.id) {
        return x->from.id < y->from.id ? -1 : 1;
    }
    return (x->to > y->to) - (x->to < y->to);
}

static int link_by_from(const void *a, const void *b)
{
    const struct link *x = a;
    const struct link *y = b;
    return (x->from > y->from) - (x->from < y->from);
}

static int link_by_to(const void *a, const void *b)
{
    const struct link *x = a;
    const struct link *y = b;
    return (x->to > y->to) - (x->to < y->to);
}

/* Nodes and their places; the edges are in order of ids afterwards. */
static void make_nodes(struct graph *g, struct waits *waits)
{
    if (waits->count > 0) {
        qsort(waits->edges, waits->count, sizeof *waits->edges,
              by_from_then_to);
    }
    for (size_t i = 0; i < waits->count; i++) {
        if (g->count == 0 ||
            g->nodes[g->count - 1].object.id != waits->edges[i].from.id) {
            g->nodes[g->count++].object = waits->edges[i].from;
        }
    }
    qsort(g->nodes, g->count, sizeof *g->nodes, by_anchor);
}

/* `by_id` is a binary search away from the ids: sorted by hand, since qsort
 * cannot see the nodes. */
static void sort_places(struct graph *g, size_t begin, size_t end,
                        size_t *spare)
{
    if (end - begin < 2) {
        return;
    }
    size_t middle = begin + (end - begin) / 2;
    sort_places(g, begin, middle, spare);
    sort_places(g, middle, end, spare);
    size_t i = begin;
    size_t j = middle;
    for (size_t k = begin; k < end; k++) {
        bool left =
            j == end || (i < middle && g->nodes[g->by_id[i]].object.id <
                                           g->nodes[g->by_id[j]].object.id);
        spare[k] = left ? g->by_id[i++] : g->by_id[j++];
    }
    memcpy(g->by_id + begin, spare + begin, (end - begin) * sizeof *spare);
}

/* The place of the node, or `count`. */
static size_t place_of(const struct graph *g, int64_t id)
{
    size_t low = 0;
    size_t high = g->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int64_t there = g->nodes[g->by_id[middle]].object.id;
        if (there == id) {
            return g->by_id[middle];
        }
        low = there < id ? middle + 1 : low;
        high = there < id ? high : middle;
    }
    return g->count;
}

static void make_links(struct graph *g, const struct waits *waits)
{
    for (size_t i = 0; i < waits->count; i++) {
        const struct waits_edge *edge = &waits->edges[i];
        struct link link = { place_of(g, edge->from.id),
                             place_of(g, edge->to) };
        bool twice = i > 0 && by_from_then_to(edge - 1, edge) == 0;
        if (!twice && link.to < g->count && link.from != link.to) {
            g->nodes[link.from].out++;
            g->nodes[link.to].in++;
            g->links[g->link_count] = link;
            g->backwards[g->link_count++] = link;
        }
    }
    qsort(g->links, g->link_count, sizeof *g->links, link_by_from);
    qsort(g->backwards, g->link_count, sizeof *g->backwards, link_by_to);
}

/* ---- taking nodes away
 * --------------------------------------------------------------------- */

static void remove_later(struct graph *g, size_t place)
{
    struct node *node = &g->nodes[place];
    if (!node->gone) {
        node->gone = true;
        g->queue[g->queued++] = place;
    }
}

/* The first of `links` (in order of from, or of to) that is of `place`. */
static size_t first_link(const struct graph *g, const struct link *links,
                         bool by_to, size_t place)
{
    size_t low = 0;
    size_t high = g->link_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        size_t there = by_to ? links[middle].to : links[middle].from;
        low = there < place ? middle + 1 : low;
        high = there < place ? high : middle;
    }
    return low;
}

/* Remove what is queued, and what then waits for nobody, or is waited for by
 * nobody: neither is in a ring. */
static void trim(struct graph *g)
{
    while (g->queued > 0) {
        size_t place = g->queue[--g->queued];
        for (size_t i = first_link(g, g->links, false, place);
             i < g->link_count && g->links[i].from == place; i++) {
            struct node *to = &g->nodes[g->links[i].to];
            if (--to->in == 0) {
                remove_later(g, g->links[i].to);
            }
        }
        for (size_t i = first_link(g, g->backwards, true, place);
             i < g->link_count && g->backwards[i].to == place; i++) {
            struct node *from = &g->nodes[g->backwards[i].from];
            if (--from->out == 0) {
                remove_later(g, g->backwards[i].from);
            }
        }
    }
}

static size_t open_rings(struct graph *g, int64_t *ids)
{
    size_t count = 0;
    for (size_t i = 0; i < g->count; i++) {
        if (g->nodes[i].out == 0 || g->nodes[i].in == 0) {
            remove_later(g, i);
        }
    }
    trim(g);
    for (size_t i = 0; i < g->count; i++) {
        if (!g->nodes[i].gone) {
            ids[count++] = g->nodes[i].object.id;
            remove_later(g, i);
            trim(g);
        }
    }
    return count;
}

enum ts_code waits_open(struct waits *waits, int64_t **ret_ids,
                        size_t *ret_count, struct ts_err *err)
{
    size_t n = waits->count + 1;
    struct graph g = { .nodes = calloc(n, sizeof *g.nodes),
                       .by_id = calloc(n, sizeof *g.by_id),
                       .links = calloc(n, sizeof *g.links),
                       .backwards = calloc(n, sizeof *g.backwards),
                       .queue = calloc(n, sizeof *g.queue) };
    int64_t *ids = calloc(n, sizeof *ids);
    enum ts_code code = TS_OK;
    if (g.nodes == NULL || g.by_id == NULL || g.links == NULL ||
        g.backwards == NULL || g.queue == NULL || ids == NULL) {
        code = no_memory(err);
        free(ids);
    } else {
        make_nodes(&g, waits);
        for (size_t i = 0; i < g.count; i++) {
            g.by_id[i] = i;
        }
        sort_places(&g, 0, g.count, g.queue);
        make_links(&g, waits);
        *ret_count = open_rings(&g, ids);
        *ret_ids = ids;
    }
    free(g.nodes);
    free(g.by_id);
    free(g.links);
    free(g.backwards);
    free(g.queue);
    return code;
}
