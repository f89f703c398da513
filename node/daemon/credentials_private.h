/*
 * credentials_private -- what the two files of the credentials share.
 *
 *   credentials.c          errands, their outcomes, life
 *   credentials_command.c  what is asked for: by operators, by other parts
 */
#ifndef NODE_DAEMON_CREDENTIALS_PRIVATE_H
#define NODE_DAEMON_CREDENTIALS_PRIVATE_H

#include <pthread.h>

#include "node/daemon/credential_watch.h"
#include "node/daemon/credentials.h"
#include "node/daemon/errands.h"

#define CREDENTIAL_REASON_SIZE 512

struct credentials {
    struct credentials_options options;
    struct credential_world world;
    struct post *post;
    struct errands *errands;        /* those that write, */
    struct errands *readers;        /* and those that only read */
    bool wants_offer, wants_resume; /* no room for them yet */
    struct credential_watch watch;  /* of the thread that writes */
    struct ts_time watch_at;
    struct ts_time resume_at; /* TS_NEVER: nothing is in doubt */
    uint32_t resumed;         /* how often, since something came */
    pthread_mutex_t mutex;    /* guards `stopping` */
    pthread_cond_t stopped;
    bool stopping;
};

enum credential_task_kind {
    TASK_LIST,
    TASK_SET,
    TASK_ROTATE,
    TASK_COMMANDS,
    TASK_RESET = TASK_COMMANDS,
    TASK_GIVEN, /* by the other member */
    TASK_WATCH, /* files that were changed; nobody waits for it */
    TASK_OFFER, /* to it, all that is kept; nobody waits for it */
    TASK_RESUME /* what was cut off; neither */
};

/* A reset, or a secret that was given. */
struct credential_wide {
    size_t count;
    struct credential_outcome rows[CONFIG_SECRETS_MAX];
    void (*done)(void *context, const struct credential_outcome *rows,
                 size_t count);
    void *context;
    uint64_t number;
    struct ts_hash account;
    size_t sealed_size;
    uint8_t sealed[WIRE_SECRET_MAX];
    bool is_ours;
};

struct credential_task {
    struct errand errand; /* must be first */
    struct credentials *self;
    enum credential_task_kind kind;
    char name[CONFIG_SECRET_NAME_MAX]; /* SET, ROTATE */
    char secret[VAULT_SECRET_SIZE];    /* SET */
    char who[VAULT_BY_SIZE], cause[VAULT_CAUSE_SIZE],
        reason[CREDENTIAL_REASON_SIZE];
    struct credential_wide *wide; /* RESET, GIVEN */
    struct control_reply *reply;  /* NULL: answered */
    enum ts_code code;
    json_t *result;
    struct ts_err err;
    uint32_t times;    /* RESUME: how often before, */
    int64_t again_ms;  /* and when again; 0: not */
    int64_t expires;   /* SET */
    json_t *adopted;   /* WATCH: names */
    json_t *problems;  /* of whatever writes */
    const char *event; /* NULL: nothing for the history */
};

/* Of a kind; NULL: out of memory. _wide: with its `wide`. */
struct credential_task *credentials_task(struct credentials *self,
                                         enum credential_task_kind kind);
struct credential_task *credentials_task_wide(struct credentials *self,
                                              enum credential_task_kind kind);
/* Answers whoever waits for it. */
void credentials_task_free(struct credential_task *task);

#endif
