/*
 * couple -- two nodes with real stores, and leader and follower between them.
 *
 * One thread: frames go through the wire's codec and wait in two queues, jobs
 * are done one at a time, time passes when nothing else is to be done. The way
 * between the nodes may lose, repeat and delay frames.
 */
#ifndef TESTS_LIB_COUPLE_H
#define TESTS_LIB_COUPLE_H

#include "replication/apply.h"
#include "replication/follower.h"
#include "replication/leader.h"
#include "tests/lib/folder.h"
#include "tests/lib/sample.h"

#define COUPLE_FRAMES 512
#define COUPLE_JOBS   32

struct couple_node {
    char folder[FOLDER_SIZE], path[512];
    int64_t number; /* of the folder; 0: no state */
    const struct db_schema *schema;
    struct db db;
    struct journal *journal;
    struct ship *ship;
    struct leader *leader;
    struct follower *follower;
    bool leads;
    struct frame_id boot;
    struct follower_wrote wrote;

    size_t frame_count; /* on their way to this node */
    struct {
        uint8_t *bytes;
        size_t size;
    } frames[COUPLE_FRAMES];
    size_t job_count;
    struct {
        struct ship_job job;
        uint8_t *bytes;
        bool of_leader;
    } jobs[COUPLE_JOBS];
    struct batch *batch; /* given to the store */
    int64_t install;     /* the folder to install; 0: none */
    bool install_keeps;
    int64_t yielded;   /* the epoch that its leader yielded to */
    size_t hints;      /* taken from the other one */
    char hinted[4096]; /* their anchors, each with a blank behind */
    char told[4096];   /* what its machines told, by name */
    char why[512];     /* the text of the last one */
    uint64_t held_max; /* the most that its follower had in memory */
};

struct couple {
    struct couple_node nodes[2];
    const struct db_schema *schema[2]; /* what each knows: at its next start */
    struct ts_time now;
    struct sample_random random;
    unsigned lose, repeat, delay; /* of 100 frames */
    bool cut;
    uint32_t damage_chunk; /* number, from 1: comes damaged once; 0: none */
    uint32_t lose_write;   /* the same: its writing is never heard of again */
    uint32_t sent[FRAME_TYPES];
    void (*after_batch)(struct couple *couple);
};

/* Node 0 has the sample's rows, node 1 nothing. */
void couple_make(struct couple *couple);
void couple_remove(struct couple *couple);
/* As after kill -9: what is in memory is gone. */
void couple_crash(struct couple *couple, size_t node);

/* From now on this node leads in `epoch` and the other follows. */
void couple_lead(struct couple *couple, size_t node, int64_t epoch);
void couple_cut(struct couple *couple, bool cut);
/* Step the follower of `node`, and do what it asks for. */
void couple_follow(struct couple *couple, struct couple_node *node,
                   const struct follower_event *event);
/* A transaction of some random changes at `node`, or of `sql`. */
void couple_change(struct couple *couple, size_t node);
void couple_exec(struct couple *couple, size_t node, const char *sql);

/* A first load at `node`, in a new generation. */
void couple_reload(struct couple *couple, size_t node, int64_t generation);
/* As journal_finalize() at `node`. */
void couple_finalize(struct couple *couple, size_t node, int64_t level);

/* One thing that is due: a frame, a job, a batch, an installation; when there
 * is none, the next deadline. */
void couple_turn(struct couple *couple);
/* Turn until the leader says that all is equal; false after `ms` of its time.
 */
bool couple_settle(struct couple *couple, int64_t ms);

/* Rows, journal, lineage and position are the same, and the sums those of the
 * rows. Fails the test. */
void couple_assert_equal(struct couple *couple);
int64_t couple_int(struct couple *couple, size_t node, const char *sql);
struct journal_position couple_at(const struct couple *couple, size_t node);

#endif
