/*
 * pairing -- an engine that is half of a pair, and a test that is the rest.
 *
 * The port (node/engine/pair.h) is played by plain fields; source and target
 * are closed doors, so that nothing is read or written but the node's own
 * state. Every helper fails the test when the engine does.
 */
#ifndef TESTS_LIB_PAIRING_H
#define TESTS_LIB_PAIRING_H

#include <pthread.h>

#include "node/config/config.h"
#include "node/engine/engine.h"
#include "node/engine/pair.h"
#include "tests/lib/folder.h"

struct pairing {
    char folder[FOLDER_SIZE];
    struct config *config;
    struct engine_pair pair;
    struct engine *engine;

    pthread_mutex_t lock; /* of the rest */
    pthread_cond_t came;
    enum engine_ack ack;
    int committed, answers;
    struct journal_position last;
};

/* cmocka's set-up and tear-down: *state is a struct pairing, whose folder has a
 * state of epoch 1, and whose engine does not run. */
int pairing_make(void **state);
int pairing_remove(void **state);

void pairing_start(struct pairing *pairing);
/* Until every call was answered and every thread has ended. */
void pairing_stop(struct pairing *pairing);

/* Run `sql` in a transaction of the state's journal; no engine runs. */
void pairing_exec(struct pairing *pairing, const char *sql);
/* The one integer that `sql` answers, over a connection of its own. */
int64_t pairing_int(const struct pairing *pairing, const char *sql);

/* The answer to one call. */
struct pairing_answer {
    struct pairing *pairing;
    bool came;
    enum ts_code code;
    char text[512];
    struct journal_position position;
    struct engine_gate_result gates[ENGINE_GATES];
};
struct engine_done pairing_done(struct pairing *pairing,
                                struct pairing_answer *answer);
enum ts_code pairing_await(struct pairing_answer *answer);

enum ts_code pairing_activate(struct pairing *pairing,
                              const struct engine_activation *activation);
enum ts_code pairing_deactivate(struct pairing *pairing);

/* What an operator is told; the exit status. */
int pairing_ask(struct pairing *pairing, const char *command, json_t *args,
                char text[static 512]);

#endif
