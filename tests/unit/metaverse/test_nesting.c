/* nesting: people of groups below groups, counted by ways, whatever came first.
 *
 * The reference is a model in memory: who is linked to whom; the links between
 * groups are taken in order of anchors, and ways are walked one by one. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/metaverse/nesting.h"
#include "node/metaverse/reference.h"
#include "tests/lib/sample.h"
#include "tests/lib/store.h"

enum {
    USER,
    GROUP
};

static const struct metaverse_reference_path paths[] = {
    { .kind = GROUP,
      .attribute = "member",
      .path = "members",
      .flatten = true },
    { .kind = GROUP,
      .attribute = "uniqueMember",
      .path = "members",
      .flatten = true },
    { .kind = GROUP, .attribute = "owner", .path = "owner" },
};
static const char *const attributes[] = { "member", "uniqueMember", "owner" };
#define FLAT_ATTRIBUTES 2

#define GROUPS  7
#define OBJECTS 13 /* groups first */

struct model {
    struct store *store;
    struct sample_random random;
    bool linked[OBJECTS][3][OBJECTS]; /* by attribute */
    bool there[OBJECTS];              /* joined */
    int64_t object[OBJECTS], metaverse[OBJECTS];
    int order[OBJECTS]; /* of anchors */
    int loops;          /* links that were ignored at the last look */
    int64_t most;       /* ways that were ever seen */
};

static int make(void **state)
{
    (void) store_make(state);
    struct store *store = *state;
    store->mv->reference_paths = paths;
    store->mv->reference_path_count = sizeof paths / sizeof paths[0];
    store->mv->group_kind = GROUP;
    store_exec(store, "CREATE TEMP TABLE before(a, b, c, d, e)");
    return 0;
}

static int below(struct model *m, int n)
{
    return (int) sample_next(&m->random, (uint64_t) n);
}

/* ---- the model's answer
 * ----------------------------------------------------- */

static int links_of(const struct model *m, int from, int to)
{
    int count = 0;
    for (int a = 0; a < FLAT_ATTRIBUTES; a++) {
        count += m->linked[from][a][to] && m->there[from] && m->there[to] &&
                 from != to;
    }
    return count;
}

struct graph {
    int links[GROUPS][GROUPS];
};

// NOLINTNEXTLINE(misc-no-recursion)
static int64_t ways(const struct graph *graph, int from, int to)
{
    int64_t count = from == to;
    for (int next = 0; next < GROUPS; next++) {
        count += graph->links[from][next] > 0
                     ? graph->links[from][next] * ways(graph, next, to)
                     : 0;
    }
    return count;
}

static void build(struct model *m, struct graph *graph)
{
    int by_anchor[GROUPS];
    *graph = (struct graph){ .links = { { 0 } } };
    m->loops = 0;
    for (int i = 0; i < GROUPS; i++) {
        by_anchor[m->order[i]] = i;
    }
    for (int i = 0; i < GROUPS; i++) {
        for (int j = 0; j < GROUPS; j++) {
            int from = by_anchor[i];
            int to = by_anchor[j];
            int count = links_of(m, from, to);
            bool loop = count > 0 && ways(graph, to, from) > 0;
            m->loops += loop;
            graph->links[from][to] = loop ? 0 : count;
        }
    }
}

static int64_t wanted(const struct model *m, const struct graph *graph,
                      int owner, int member)
{
    int64_t count = 0;
    for (int group = 0; group < GROUPS; group++) {
        int links = links_of(m, group, member);
        if (links > 0) {
            count += links * ways(graph, owner, group);
        }
    }
    return count;
}

/* ---- against the store
 * ------------------------------------------------------ */

static int64_t stored(struct model *m, int owner, int member)
{
    char sql[200];
    (void) snprintf(sql, sizeof sql,
                    "SELECT coalesce(sum(wanted), 0) FROM reference WHERE "
                    "path = 'members' AND owner_id = %lld AND member_id = %lld",
                    (long long) m->metaverse[owner],
                    (long long) m->metaverse[member]);
    return store_int(m->store, sql);
}

static void assert_as_the_model(struct model *m, int64_t seed, int step)
{
    struct graph graph;
    int64_t rows = 0;
    build(m, &graph);
    for (int owner = 0; owner < GROUPS; owner++) {
        for (int member = 0; member < OBJECTS; member++) {
            bool both = m->there[owner] && m->there[member];
            int64_t ours =
                both && member >= GROUPS ? wanted(m, &graph, owner, member) : 0;
            int64_t theirs = both ? stored(m, owner, member) : 0;
            if (ours != theirs) {
                fail_msg("seed %lld, step %d: %d has %d on %lld ways, stored "
                         "are %lld",
                         (long long) seed, step, owner, member,
                         (long long) ours, (long long) theirs);
            }
            rows += ours > 0;
            m->most = ours > m->most ? ours : m->most;
        }
    }
    assert_int_equal(store_int(m->store, "SELECT count(*) FROM reference WHERE "
                                         "path = 'members'"),
                     rows);
    assert_int_equal(
        store_int(m->store, "SELECT count(*) FROM nesting WHERE ignored = 1"),
        m->loops);
}

#define DIFFERING(columns, table)                                  \
    "SELECT (SELECT count(*) FROM (SELECT " columns " FROM " table \
    " EXCEPT SELECT * FROM temp.before)) + (SELECT count(*) FROM " \
    "(SELECT * FROM temp.before EXCEPT SELECT " columns " FROM " table "))"

static void assert_counts_as_anew(struct store *store)
{
    struct ts_err err;
    store_exec(store, "DELETE FROM temp.before; INSERT INTO temp.before "
                      "SELECT * FROM reference");
    assert_int_equal(reference_recount(store->mv, &err), TS_OK);
    assert_int_equal(store_int(store, DIFFERING("*", "reference")), 0);
    store_exec(store, "DELETE FROM temp.before; INSERT INTO temp.before "
                      "SELECT * FROM nesting");
    assert_int_equal(reference_recount(store->mv, &err), TS_OK);
    assert_int_equal(store_int(store, DIFFERING("*", "nesting")), 0);
}

/* ---- histories
 * -------------------------------------------------------------- */

static struct store_key key_of(int i)
{
    char rdn[24];
    (void) snprintf(rdn, sizeof rdn, "cn=%d", i);
    return store_key(NULL, rdn);
}

static int by_attribute_and_key(const void *a, const void *b)
{
    const struct connector_link *x = a;
    const struct connector_link *y = b;
    int order = ts_slice_compare(x->attribute, y->attribute);
    return order != 0 ? order : ts_slice_compare(x->key, y->key);
}

static void put(struct model *m, int i)
{
    struct connector_link links[3 * OBJECTS];
    struct store_key keys[OBJECTS];
    char anchor[24];
    char rdn[24];
    size_t count = 0;
    for (int to = 0; to < OBJECTS; to++) {
        keys[to] = key_of(to);
        for (int a = 0; a < 3; a++) {
            if (m->linked[i][a][to]) {
                links[count++] = (struct connector_link){
                    .attribute = ts_slice_str(attributes[a]),
                    .key = store_key_bytes(&keys[to]),
                    .dn = ts_slice_str("as printed"),
                };
            }
        }
    }
    qsort(links, count, sizeof *links, by_attribute_and_key);
    (void) snprintf(anchor, sizeof anchor, "a%02d", i);
    (void) snprintf(rdn, sizeof rdn, "cn=%d", i);
    struct store_object object = { .anchor = anchor,
                                   .rdn = rdn,
                                   .text = "",
                                   .links = links,
                                   .link_count = count };
    (void) store_put(m->store, &object, &m->object[i]);
}

static void join_or_leave(struct model *m, int i)
{
    struct ts_err err;
    char anchor[24];
    if (m->there[i]) {
        assert_int_equal(reference_left(m->store->mv, m->object[i], &err),
                         TS_OK);
        assert_int_equal(object_unjoin(m->store->mv, m->object[i], &err),
                         TS_OK);
        assert_int_equal(object_remove(m->store->mv, m->metaverse[i], &err),
                         TS_OK);
    } else {
        (void) snprintf(anchor, sizeof anchor, "m%02d", m->order[i]);
        m->metaverse[i] = store_project(m->store, i < GROUPS ? GROUP : USER,
                                        anchor, m->object[i]);
    }
    m->there[i] = !m->there[i];
}

/* `density` of ten links between groups are made rather than unmade. */
static void step(struct model *m, int density)
{
    int i = below(m, GROUPS);
    if (below(m, 6) == 0) {
        join_or_leave(m, below(m, OBJECTS));
        return;
    }
    for (int n = 1 + below(m, 3); n > 0; n--) {
        m->linked[i][below(m, 3)][below(m, OBJECTS)] = below(m, 10) < density;
    }
    put(m, i);
}

static void begin(struct model *m, struct store *store, int64_t seed)
{
    *m = (struct model){
        .store = store,
        .random = { (uint64_t) seed * 0x9E3779B97F4A7C15U },
    };
    store_exec(store, "DELETE FROM source_object; DELETE FROM source_link; "
                      "DELETE FROM joined; DELETE FROM metaverse; "
                      "DELETE FROM reference; DELETE FROM nesting");
    for (int i = 0; i < OBJECTS; i++) {
        int j = below(m, i + 1);
        m->order[i] = m->order[j];
        m->order[j] = i;
    }
    /* Of groups among themselves: a permutation of 0 to GROUPS - 1. */
    int rank = 0;
    for (int o = 0; o < OBJECTS; o++) {
        for (int i = 0; i < GROUPS; i++) {
            if (m->order[i] == o) {
                m->order[i] = rank++;
                break;
            }
        }
    }
    for (int i = GROUPS; i < OBJECTS; i++) {
        m->order[i] = i;
    }
    for (int i = 0; i < OBJECTS; i++) {
        put(m, i);
        join_or_leave(m, i);
    }
}

static void ways_follow_any_history(void **state)
{
    int loops = 0;
    int64_t most = 0;
    for (int64_t seed = 1; seed <= 12; seed++) {
        struct model m;
        begin(&m, *state, seed);
        for (int i = 0; i < 200; i++) {
            step(&m, 3 + (int) (seed % 4));
            assert_as_the_model(&m, seed, i);
            loops += m.loops;
            if (i % 20 == 0) {
                assert_counts_as_anew(*state);
            }
        }
        most = m.most > most ? m.most : most;
    }
    /* Something was proved only if there were loops and several ways. */
    assert_true(loops > 500);
    assert_true(most > 10);
}

/* ---- single rules
 * ----------------------------------------------------------- */

/* 0 > 1 > ... > GROUPS - 1, and one person in the last. */
static void chain(struct model *m, struct store *store)
{
    begin(m, store, 1);
    for (int i = 0; i < GROUPS; i++) {
        m->linked[i][0][i + 1] = true;
        put(m, i);
    }
}

static void one_person_more_costs_a_row_for_each_group_above(void **state)
{
    struct model m;
    chain(&m, *state);
    int64_t before = store_written(*state);
    m.linked[GROUPS - 1][0][GROUPS + 1] = true;
    put(&m, GROUPS - 1);
    /* The object, its link, and the references. */
    assert_int_equal(store_written(*state) - before, 2 + GROUPS);
    assert_as_the_model(&m, 0, 0);
    before = store_written(*state);
    m.linked[GROUPS - 1][0][GROUPS + 1] = false;
    put(&m, GROUPS - 1);
    assert_true(store_written(*state) - before <= 2 + 2 * GROUPS);
    assert_as_the_model(&m, 0, 1);
}

static void a_refusal_of_each_group_above_is_tried_again(void **state)
{
    struct model m;
    chain(&m, *state);
    store_exec(*state,
               "INSERT INTO object_error(kind, anchor, stage, path, text, "
               "after, first_at, retry_at) SELECT kind, anchor, 'export', '', "
               "'', x'', 0, 9000000000 FROM metaverse");
    m.linked[GROUPS - 2][0][GROUPS + 1] = true;
    put(&m, GROUPS - 2); /* the lowest of the chain stays as it is */
    assert_int_equal(store_int(*state, "SELECT count(*) FROM object_error "
                                       "WHERE kind = 1 AND retry_at < "
                                       "9000000000"),
                     GROUPS - 1);
    assert_int_equal(store_int(*state, "SELECT count(*) FROM object_error "
                                       "WHERE kind = 0 AND retry_at < "
                                       "9000000000"),
                     0);
}

static void the_nested_group_itself_is_no_member(void **state)
{
    struct model m;
    chain(&m, *state);
    assert_int_equal(
        store_int(*state, "SELECT count(*) FROM reference r JOIN metaverse m "
                          "ON m.id = r.member_id WHERE m.kind = 1"),
        0);
    assert_int_equal(store_int(*state, "SELECT count(*) FROM reference"),
                     GROUPS);
}

static void a_loop_is_cut_at_the_same_place_whatever_came_first(void **state)
{
    struct nesting_loop loops[4];
    struct ts_err err;
    int64_t first[2] = { 0, 0 };
    for (int turn = 0; turn < 3; turn++) {
        struct model m;
        size_t count = 4;
        begin(&m, *state, 7);
        for (int i = 0; i < 3; i++) { /* 0 > 1 > 2 > 0 */
            int from = (i + turn) % 3;
            m.linked[from][0][(from + 1) % 3] = true;
            put(&m, from);
        }
        assert_int_equal(nesting_ignored(m.store->mv, loops, &count, &err),
                         TS_OK);
        assert_int_equal(count, 1);
        for (int i = 0; i < 3; i++) {
            if (m.metaverse[i] == loops[0].owner) {
                first[0] = turn == 0 ? i : first[0];
                assert_int_equal(first[0], i);
            }
        }
        /* The way from its member back to the owner. */
        int64_t way[4];
        count = 4;
        assert_int_equal(nesting_way(m.store->mv, loops[0].group,
                                     loops[0].owner, way, &count, &err),
                         TS_OK);
        assert_int_equal(count, 3);
        assert_int_equal(way[0], loops[0].group);
        assert_int_equal(way[2], loops[0].owner);
    }
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, make, store_remove)
    const struct CMUnitTest tests[] = {
        T(ways_follow_any_history),
        T(one_person_more_costs_a_row_for_each_group_above),
        T(a_refusal_of_each_group_above_is_tried_again),
        T(the_nested_group_itself_is_no_member),
        T(a_loop_is_cut_at_the_same_place_whatever_came_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
