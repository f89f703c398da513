#include "tests/lib/couple.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replication/frame_wire.h"
#include "replication/generation.h"
#include "replication/level.h"
#include "tests/lib/test.h"

#define ARENA_MAX ((size_t) 64 * 1024 * 1024)

static struct ts_err err;

static const struct tail_table tail_tables[] = {
    { "people", "SELECT 1,name FROM people WHERE id=?1", 0, 1 },
};

static void must(enum ts_code code)
{
    if (code != TS_OK) {
        fail_msg("%s", err.text);
    }
}

/* ---- a node ------------------------------------------------------------- */

static void open_state(struct couple_node *node)
{
    struct journal_options options = { .tables = &sample_tables,
                                       .schema = node->schema };
    must(generation_current(node->folder, &node->number, &err));
    if (node->number == 0) {
        return;
    }
    must(generation_discard(node->folder, &err));
    must(generation_locate(node->folder, &node->number, node->path, &err));
    must(db_open_kept(node->path, DB_DURABLE, node->schema, &node->db, &err));
    sample_exec(&node->db, "PRAGMA synchronous=OFF");
    must(journal_open(&node->db, &options, &node->journal, &err));
    must(ship_open(node->ship, node->path, &err));
}

static void close_state(struct couple_node *node)
{
    must(ship_open(node->ship, NULL, &err));
    journal_close(node->journal);
    node->journal = NULL;
    db_close(&node->db);
}

static void start(struct couple_node *node)
{
    const struct ship_options options = {
        .directory = node->folder,
        .tables = &sample_tables,
        .schema = node->schema,
        .tail_tables = tail_tables,
        .tail_table_count = 1,
    };
    must(ship_new(&options, &node->ship, &err));
    node->leader = leader_new();
    node->follower = follower_new();
    assert_non_null(node->leader);
    assert_non_null(node->follower);
    open_state(node);
}

static void first_load(struct couple_node *node, int64_t generation,
                       int64_t epoch)
{
    struct journal_options options = { .tables = &sample_tables };
    const struct journal_position from = { .generation = generation,
                                           .epoch = epoch,
                                           .level = 2 };
    int64_t number = 0;
    must(generation_build_begin(node->folder, 0, &number, &err));
    must(generation_path(node->folder, number, node->path, &err));
    must(db_open(node->path, DB_BUILDING, &sample_schema, &node->db, &err));
    sample_fill(&node->db);
    must(journal_open(&node->db, &options, &node->journal, &err));
    must(journal_start(node->journal, &from, &err));
    journal_close(node->journal);
    db_close(&node->db);
    must(generation_select(node->folder, number, &err));
}

static void forget(struct couple_node *node)
{
    for (size_t i = 0; i < node->frame_count; i++) {
        free(node->frames[i].bytes);
    }
    for (size_t i = 0; i < node->job_count; i++) {
        free(node->jobs[i].bytes);
    }
    batch_free(node->batch);
    leader_free(node->leader);
    follower_free(node->follower);
    close_state(node);
    ship_free(node->ship);
    node->frame_count = 0;
    node->job_count = 0;
    node->batch = NULL;
    node->install = 0;
    node->leads = false;
}

void couple_make(struct couple *couple)
{
    *couple = (struct couple){ .random = { .state = 42 },
                               .schema = { &sample_schema, &sample_schema } };
    for (size_t i = 0; i < 2; i++) {
        struct couple_node *node = &couple->nodes[i];
        folder_make(node->folder);
        node->boot.bytes[0] = (uint8_t) (i + 1);
        node->schema = couple->schema[i];
        if (i == 0) {
            first_load(node, 1, 1);
        }
        start(node);
    }
}

void couple_remove(struct couple *couple)
{
    for (size_t i = 0; i < 2; i++) {
        forget(&couple->nodes[i]);
        folder_remove(couple->nodes[i].folder);
    }
}

void couple_crash(struct couple *couple, size_t node)
{
    forget(&couple->nodes[node]);
    couple->nodes[node].boot.bytes[1]++;
    couple->nodes[node].schema = couple->schema[node];
    start(&couple->nodes[node]);
}

/* ---- what machines want ------------------------------------------------- */

static void send_frame(struct couple *couple, struct couple_node *to,
                       const struct frame *frame)
{
    struct ts_arena arena;
    struct wire_message message = {
        .header = { .sender = "node", .boot = { { 1 } } },
    };
    struct ts_slice bytes;
    couple->sent[frame->type]++;
    if (couple->cut || sample_next(&couple->random, 100) < couple->lose) {
        return;
    }
    ts_arena_init(&arena, ARENA_MAX);
    must(frame_to_wire(frame, &arena, &message, &err));
    must(wire_pack(&message, &arena, &bytes, &err));
    bool twice = sample_next(&couple->random, 100) < couple->repeat;
    for (int i = 0; i < (twice ? 2 : 1); i++) {
        assert_in_range(to->frame_count, 0, COUPLE_FRAMES - 1);
        uint8_t *copy = malloc(bytes.size);
        assert_non_null(copy);
        memcpy(copy, bytes.data, bytes.size);
        if (frame->type == FRAME_CHUNK && couple->damage_chunk != 0 &&
            frame->chunk.index + 1 == couple->damage_chunk) {
            copy[bytes.size - 8] ^= 0x40;
            couple->damage_chunk = 0;
        }
        size_t at = to->frame_count++;
        to->frames[at].bytes = copy;
        to->frames[at].size = bytes.size;
    }
    ts_arena_done(&arena);
}

static void add_job(struct couple_node *node, const struct ship_job *job,
                    bool of_leader)
{
    assert_in_range(node->job_count, 0, COUPLE_JOBS - 1);
    size_t at = node->job_count++;
    node->jobs[at].job = *job;
    node->jobs[at].of_leader = of_leader;
    struct ts_slice *slice = job->type == SHIP_BEGIN
                                 ? &node->jobs[at].job.offer.hashes
                                 : &node->jobs[at].job.packed;
    node->jobs[at].bytes = malloc(slice->size + 1);
    assert_non_null(node->jobs[at].bytes);
    if (slice->size > 0) {
        memcpy(node->jobs[at].bytes, slice->data, slice->size);
    }
    slice->data = node->jobs[at].bytes;
}

static void tell(struct couple_node *node, const char *name, const char *text)
{
    size_t used = strlen(node->told);
    if (used < sizeof node->told - 64) {
        (void) snprintf(node->told + used, sizeof node->told - used, "%s ",
                        name);
    }
    (void) snprintf(node->why, sizeof node->why, "%s", text);
}

static struct couple_node *other(struct couple *couple,
                                 const struct couple_node *node)
{
    return node == &couple->nodes[0] ? &couple->nodes[1] : &couple->nodes[0];
}

static void lead(struct couple *couple, struct couple_node *node,
                 const struct leader_event *event);

static void take_hints(struct couple *couple, struct couple_node *node,
                       const struct frame_tail *tail)
{
    for (size_t i = 0; i < tail->count; i++) {
        size_t used = strlen(node->hinted);
        (void) snprintf(node->hinted + used, sizeof node->hinted - used,
                        "%.*s ", TS_SLICE_ARGS(tail->hints[i].anchor));
        node->hints++;
    }
    lead(couple, node, &(struct leader_event){ .type = LEADER_HINTED });
}

static void lead(struct couple *couple, struct couple_node *node,
                 const struct leader_event *event)
{
    struct leader_actions *actions = malloc(sizeof *actions);
    assert_non_null(actions);
    leader_step(node->leader, event, couple->now, actions);
    for (size_t i = 0; i < actions->count; i++) {
        const struct leader_action *action = &actions->items[i];
        switch (action->type) {
        case LEADER_SEND:
            send_frame(couple, other(couple, node), &action->frame);
            break;
        case LEADER_JOB:
            add_job(node, &action->job, true);
            break;
        case LEADER_HINTS:
            take_hints(couple, node, &action->frame.tail);
            break;
        case LEADER_YIELD:
            node->yielded = action->frame.epoch;
            break;
        case LEADER_TELL:
            tell(node, action->name, action->text);
            break;
        }
    }
    free(actions);
}

void couple_follow(struct couple *couple, struct couple_node *node,
                   const struct follower_event *event)
{
    struct follower_actions *actions = malloc(sizeof *actions);
    struct follower_figures figures;
    assert_non_null(actions);
    follower_step(node->follower, event, couple->now, actions);
    for (size_t i = 0; i < actions->count; i++) {
        const struct follower_action *action = &actions->items[i];
        switch (action->type) {
        case FOLLOWER_SEND:
            send_frame(couple, other(couple, node), &action->frame);
            break;
        case FOLLOWER_JOB:
            add_job(node, &action->job, false);
            break;
        case FOLLOWER_APPLY:
            assert_null(node->batch);
            node->batch = action->batch;
            break;
        case FOLLOWER_INSTALL:
            node->install = action->folder;
            node->install_keeps = action->keep;
            break;
        case FOLLOWER_TELL:
            tell(node, action->name, action->text);
            break;
        }
    }
    follower_figures(node->follower, couple->now, &figures);
    if (figures.held > node->held_max) {
        node->held_max = figures.held;
    }
    free(actions);
}

/* ---- what is due -------------------------------------------------------- */

static void run_frame(struct couple *couple, struct couple_node *node)
{
    struct ts_arena arena;
    struct wire_message message;
    struct frame frame;
    size_t at = sample_next(&couple->random, 100) < couple->delay
                    ? sample_next(&couple->random, node->frame_count)
                    : 0;
    uint8_t *bytes = node->frames[at].bytes;
    size_t size = node->frames[at].size;
    node->frame_count--;
    memmove(&node->frames[at], &node->frames[at + 1],
            (node->frame_count - at) * sizeof node->frames[0]);
    ts_arena_init(&arena, ARENA_MAX);
    must(wire_unpack(ts_slice(bytes, size), &arena, &message, &err));
    must(frame_of_wire(&message, &arena, &frame, &err));
    if (node->leads) {
        lead(couple, node,
             &(struct leader_event){ .type = LEADER_FRAME, .frame = &frame });
    } else {
        couple_follow(couple, node,
                      &(struct follower_event){ .type = FOLLOWER_FRAME,
                                                .frame = &frame });
    }
    ts_arena_done(&arena);
    free(bytes);
}

static void run_job(struct couple *couple, struct couple_node *node)
{
    struct ship_result result;
    struct ship_job job = node->jobs[0].job;
    uint8_t *bytes = node->jobs[0].bytes;
    bool of_leader = node->jobs[0].of_leader;
    node->job_count--;
    memmove(&node->jobs[0], &node->jobs[1],
            node->job_count * sizeof node->jobs[0]);
    if (job.type == SHIP_WRITE && job.index + 1 == couple->lose_write) {
        couple->lose_write = 0;
        free(bytes);
        return;
    }
    ship_run(node->ship, &job, &result);
    if (of_leader) {
        lead(
            couple, node,
            &(struct leader_event){ .type = LEADER_RESULT, .result = &result });
    } else {
        couple_follow(couple, node,
                      &(struct follower_event){ .type = FOLLOWER_RESULT,
                                                .result = &result });
    }
    ship_result_done(&result);
    free(bytes);
}

static void run_batch(struct couple *couple, struct couple_node *node)
{
    struct ts_err why = { .code = TS_OK };
    struct batch *batch = node->batch;
    node->batch = NULL;
    why.code = journal_apply(node->journal, batch->items, batch->count, &why);
    batch_free(batch);
    if (couple->after_batch != NULL && why.code == TS_OK) {
        couple->after_batch(couple);
    }
    couple_follow(
        couple, node,
        &(struct follower_event){ .type = FOLLOWER_APPLIED,
                                  .position = journal_position(node->journal),
                                  .err = &why });
}

static void run_install(struct couple *couple, struct couple_node *node)
{
    struct ts_err why = { .code = TS_OK };
    int64_t number = node->install;
    node->install = 0;
    if (node->number > 0 && node->install_keeps) {
        must(generation_keep(node->folder, node->number, &err));
    }
    close_state(node);
    why.code = generation_select(node->folder, number, &why);
    open_state(node);
    couple_follow(
        couple, node,
        &(struct follower_event){
            .type = FOLLOWER_INSTALLED,
            .position = couple_at(couple, node == couple->nodes ? 0 : 1),
            .err = &why });
}

static bool run_node(struct couple *couple, struct couple_node *node)
{
    if (node->frame_count > 0) {
        run_frame(couple, node);
    } else if (node->job_count > 0) {
        run_job(couple, node);
    } else if (node->batch != NULL) {
        run_batch(couple, node);
    } else if (node->install != 0) {
        run_install(couple, node);
    } else {
        return false;
    }
    return true;
}

void couple_turn(struct couple *couple)
{
    size_t first = sample_next(&couple->random, 2);
    if (run_node(couple, &couple->nodes[first]) ||
        run_node(couple, &couple->nodes[1 - first])) {
        return;
    }
    struct ts_time next = ts_time_after(couple->now, 10000);
    for (size_t i = 0; i < 2; i++) {
        struct couple_node *node = &couple->nodes[i];
        struct ts_time wants = node->leads ? leader_deadline(node->leader)
                                           : follower_deadline(node->follower);
        next = wants.ms < next.ms ? wants : next;
    }
    couple->now = next.ms > couple->now.ms ? next : couple->now;
    for (size_t i = 0; i < 2; i++) {
        struct couple_node *node = &couple->nodes[i];
        if (node->leads) {
            lead(couple, node, &(struct leader_event){ .type = LEADER_TICK });
        } else {
            couple_follow(couple, node,
                          &(struct follower_event){ .type = FOLLOWER_TICK });
        }
    }
    couple->now.ms++;
}

bool couple_settle(struct couple *couple, int64_t ms)
{
    struct ts_time end = ts_time_after(couple->now, ms);
    size_t leader = couple->nodes[0].leads ? 0 : 1;
    while (!ts_time_reached(couple->now, end)) {
        struct leader_figures figures;
        leader_figures(couple->nodes[leader].leader, couple->now, &figures);
        if (figures.equal) {
            return true;
        }
        couple_turn(couple);
    }
    return false;
}

/* ---- operations --------------------------------------------------------- */

void couple_lead(struct couple *couple, size_t number, int64_t epoch)
{
    struct couple_node *node = &couple->nodes[number];
    struct couple_node *peer = other(couple, node);
    struct leader_event begin = { .type = LEADER_BEGIN, .epoch = epoch };
    begin.before.epoch = peer->wrote.epoch;
    begin.before.boot = peer->wrote.boot;
    couple_follow(couple, node,
                  &(struct follower_event){ .type = FOLLOWER_END });
    lead(couple, peer, &(struct leader_event){ .type = LEADER_END });
    node->leads = true;
    peer->leads = false;
    must(journal_raise_epoch(node->journal, epoch, &err));
    node->wrote = (struct follower_wrote){ epoch, node->boot };
    begin.position = journal_position(node->journal);
    lead(couple, node, &begin);
    couple_follow(
        couple, peer,
        &(struct follower_event){ .type = FOLLOWER_BEGIN,
                                  .epoch = epoch,
                                  .nonce = couple->random.state,
                                  .position = couple_at(couple, 1 - number),
                                  .wrote = peer->wrote });
    couple_follow(
        couple, peer,
        &(struct follower_event){ .type = FOLLOWER_LINK, .up = true });
}

void couple_cut(struct couple *couple, bool cut)
{
    couple->cut = cut;
    for (size_t i = 0; i < 2; i++) {
        struct couple_node *node = &couple->nodes[i];
        while (cut && node->frame_count > 0) {
            free(node->frames[--node->frame_count].bytes);
        }
        if (!node->leads) {
            couple_follow(
                couple, node,
                &(struct follower_event){ .type = FOLLOWER_LINK, .up = !cut });
        } else if (cut) {
            lead(couple, node, &(struct leader_event){ .type = LEADER_CUT });
        }
    }
}

static void commit(struct couple *couple, struct couple_node *node)
{
    must(journal_commit(node->journal, NULL, &err));
    if (node->leads) {
        lead(couple, node,
             &(struct leader_event){ .type = LEADER_COMMITTED,
                                     .position =
                                         journal_position(node->journal) });
    }
}

void couple_change(struct couple *couple, size_t number)
{
    struct couple_node *node = &couple->nodes[number];
    must(journal_begin(node->journal, &err));
    for (uint64_t i = sample_next(&couple->random, 9) + 1; i > 0; i--) {
        sample_change(&node->db, &couple->random);
    }
    commit(couple, node);
}

void couple_exec(struct couple *couple, size_t number, const char *sql)
{
    struct couple_node *node = &couple->nodes[number];
    must(journal_begin(node->journal, &err));
    sample_exec(&node->db, sql);
    commit(couple, node);
}

void couple_reload(struct couple *couple, size_t number, int64_t generation)
{
    struct couple_node *node = &couple->nodes[number];
    int64_t epoch = journal_position(node->journal).epoch;
    close_state(node);
    first_load(node, generation, epoch);
    open_state(node);
    lead(couple, node,
         &(struct leader_event){ .type = LEADER_COMMITTED,
                                 .position = journal_position(node->journal) });
}

void couple_finalize(struct couple *couple, size_t number, int64_t level)
{
    struct couple_node *node = &couple->nodes[number];
    must(journal_finalize(node->journal, level, &err));
    lead(couple, node,
         &(struct leader_event){ .type = LEADER_COMMITTED,
                                 .position = journal_position(node->journal) });
}

/* ---- comparing ---------------------------------------------------------- */

struct journal_position couple_at(const struct couple *couple, size_t node)
{
    return couple->nodes[node].journal == NULL
               ? (struct journal_position){ .seq = 0 }
               : journal_position(couple->nodes[node].journal);
}

int64_t couple_int(struct couple *couple, size_t node, const char *sql)
{
    int64_t value = 0;
    must(db_query_int(&couple->nodes[node].db, sql, &value, &err));
    return value;
}

/* All rows of `sql`, as one text. */
static void dump(struct db *db, const char *sql, char **ret_text)
{
    size_t size = 0;
    FILE *out = open_memstream(ret_text, &size);
    DB_AUTO_STMT sqlite3_stmt *stmt = NULL;
    bool row = false;
    assert_non_null(out);
    must(db_prepare(db, sql, &stmt, &err));
    while (db_step(db, stmt, &row, &err) == TS_OK && row) {
        struct ts_slice line = db_column(stmt, 0);
        (void) fprintf(out, "%.*s\n", TS_SLICE_ARGS(line));
    }
    (void) fclose(out);
}

void couple_assert_equal(struct couple *couple)
{
    static const char *const queries[] = {
        "SELECT format('%d %d %d %d %d %s %s %s',seq,generation,epoch,level,"
        "at,hex(pre_sum),hex(post_sum),hex(changeset)) FROM journal "
        "ORDER BY seq",
        "SELECT format('%d %d %s',epoch,first_seq,hex(pre_sum)) FROM lineage "
        "ORDER BY epoch",
        "SELECT format('%d %d %d %d %s',generation,epoch,level,seq,"
        "hex(post_sum)) FROM journal_state",
    };
    struct journal_position at[2];
    for (size_t q = 0; q < sizeof queries / sizeof queries[0]; q++) {
        char *text[2] = { NULL, NULL };
        for (size_t i = 0; i < 2; i++) {
            dump(&couple->nodes[i].db, queries[q], &text[i]);
        }
        assert_string_equal(text[0], text[1]);
        free(text[0]);
        free(text[1]);
    }
    for (size_t i = 0; i < 2; i++) {
        uint64_t rows = 0;
        must(journal_verify(&couple->nodes[i].db, &sample_tables, &at[i], &rows,
                            &err));
    }
    assert_true(journal_position_equal(&at[0], &at[1]));
}
