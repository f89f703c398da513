/*
 * node -- one computer of the pair: its clocks, its disk, and its process.
 *
 * The process is the product's machines and the threads that the daemon would
 * run, as occasions: the member (node_member.c), leader and follower with their
 * jobs (node_ship.c), the fence thread (node_fence.c), and the store with its
 * exporter (exporter.h). A life is from one start to the crash; occasions of an
 * older life never happen, those of a frozen one wait.
 *
 * Invariants:
 *   N1  the member is stepped from the agenda only, never from within a step.
 *   N2  nothing outlives a crash but the disk, the clocks (unless the host was
 *       restarted) and what was sent.
 */
#ifndef TESTS_SIM_NODE_H
#define TESTS_SIM_NODE_H

#include "node/cluster/member.h"
#include "replication/follower.h"
#include "replication/leader.h"
#include "replication/ship.h"
#include "tests/sim/cell.h"
#include "tests/sim/clock.h"
#include "tests/sim/disk.h"
#include "tests/sim/exporter.h"
#include "tests/sim/fencing.h"
#include "tests/sim/store.h"
#include "tests/sim/target.h"

struct sim_node {
    struct world *world;
    int index;
    char name[2];
    bool up;
    int64_t thaw_ms; /* frozen until then; 0: it is not */
    uint32_t life;
    struct sim_clock clock;
    struct disk disk;
    uint8_t boot[REGISTER_ID_SIZE];

    struct member *member;
    struct member_gate gate;
    struct member_effects *effects;
    enum member_role role;
    size_t place;    /* of coverage.h */
    int64_t tick_ms; /* when one is noted; 0: none */
    bool link_up, unprotected;
    bool freeze_at_send;
    int64_t known_epoch; /* that it has made durable */
    int die_between;     /* effects until the power is cut; 0: it is not */
    uint64_t failover;   /* one that it was asked for; 0: it has answered */

    struct sim_store store;
    struct sim_exporter exporter;
    struct sim_fencing fencing;

    struct leader *leader;
    struct follower *follower;
    struct ship *ship;
    bool leading, equal, tail_answered;
    struct journal_position equal_at; /* where that was told */
    int64_t ship_tick_ms;
    struct frame_id wrote_boot;
    int64_t wrote_epoch;
    struct leader_predecessor before; /* who held the lease before us */

    struct disk_image image; /* an older state of the disk */
    struct journal_position image_at;
};

struct sim_node *node_new(struct world *world, int index);
void node_free(struct sim_node *node);
/* The process starts; `boots`: the host does, too. */
void node_start(struct sim_node *node, bool boots);

enum node_end {
    NODE_POWER, /* unsynced pages may be lost */
    NODE_KILLED
};
void node_crash(struct sim_node *node, enum node_end how);
/* After each piece of work: did the disk die in it? Then the node is down. */
bool node_died(struct sim_node *node);

uint32_t node_life(const struct world *world, int index);
struct ts_clocks node_clocks(const struct sim_node *node);
/* Note an occasion of this node's present life, `delay_ms` of the world. */
void node_after(struct sim_node *node, int64_t delay_ms, agenda_fn *run,
                const struct occasion *what);

/* node_member.c */
bool node_member_start(struct sim_node *node);
void node_step(struct sim_node *node, const struct member_event *event);
/* From within the work of the node: noted, so that N1 holds. */
void node_tell_position(struct sim_node *node);
void node_tell_equal(struct sim_node *node, bool equal);
void node_tell_progress(struct sim_node *node);
void node_tell_unprotected(struct sim_node *node);
struct register_position
node_register_position(const struct journal_position *at);
void node_tell_link(struct sim_node *node, bool up);
void node_command(struct sim_node *node, enum member_command command,
                  bool accept_data_loss);
void node_on_cell(struct world *world, int index, enum cell_status status,
                  struct ts_slice bytes);
void node_on_target(struct world *world, int index,
                    const struct target_answer *answer);
void node_hear(struct world *world, int index, const uint8_t *bytes,
               size_t size);

/* node_ship.c */
bool node_ship_start(struct sim_node *node);
void node_ship_stop(struct sim_node *node);
/* Who held the lease before: only its tail is taken. */
void node_remember_before(struct sim_node *node);
void node_lead(struct sim_node *node, int64_t epoch);
void node_follow(struct sim_node *node);
void node_committed(struct sim_node *node);
/* A first load has become its state. */
void node_selected(struct sim_node *node);
void node_link_changed(struct sim_node *node);
void node_hear_frame(struct sim_node *node, const uint8_t *bytes, size_t size);

#endif
