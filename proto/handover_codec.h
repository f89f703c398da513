/*
 * handover_codec -- a handover's state and evidence to bytes and back, checked.
 *
 * As register_codec.h: plain structs without pointers, sizes before unpacking,
 * ranges in both directions, unknown fields passed over. What must be
 * understood raises `version_min`: a node that is too old leaves the handover
 * alone, and says so.
 */
#ifndef PROTO_HANDOVER_CODEC_H
#define PROTO_HANDOVER_CODEC_H

#include "node/base/arena.h"
#include "node/base/err.h"

#define HANDOVER_VERSION    1
#define HANDOVER_ID_SIZE    17 /* 16 hexadecimal digits and NUL */
#define HANDOVER_NAME_SIZE  64 /* with its NUL, as all below */
#define HANDOVER_TEXT_SIZE  384
#define HANDOVER_ROWS_MAX   96
#define HANDOVER_FIELD_MAX  ((size_t) 1024)
#define HANDOVER_PACKED_MAX ((size_t) 56 * 1024)
/* What one call takes from an arena at the most. */
#define HANDOVER_ARENA_SIZE ((size_t) 256 * 1024)

/* Stored: numbers never change. */
enum handover_step {
    HANDOVER_PREFLIGHT = 0,
    HANDOVER_DRAIN = 1,
    HANDOVER_LEASE = 2,
    HANDOVER_RESET = 3,
    HANDOVER_TAIL = 4,
    HANDOVER_RECONCILE = 5,
    HANDOVER_RETIRE = 6,
    HANDOVER_STEPS
};
const char *handover_step_name(enum handover_step step); /* "preflight" */

enum evidence_state {
    EVIDENCE_NOTED = 0,     /* a fact beside the steps: counts, a figure */
    EVIDENCE_UNDER_WAY = 1, /* begun: what it waits for */
    EVIDENCE_DONE = 2,
    EVIDENCE_PROVED = 3,    /* done, and seen to have had its effect */
    EVIDENCE_PENDING = 4,   /* done; its effect could not be seen yet */
    EVIDENCE_FAILED = 5,    /* or refused: a gate that is closed */
    EVIDENCE_UNTOUCHED = 6, /* left out, and why */
    EVIDENCE_STATES
};
const char *evidence_state_name(enum evidence_state state); /* "proved" */

/* What one step, gate or secret has to show. */
struct evidence_row {
    enum handover_step step;
    enum evidence_state state;
    char name[HANDOVER_NAME_SIZE]; /* "": of the step itself */
    char text[HANDOVER_TEXT_SIZE]; /* one sentence */
    int64_t at_ms;                 /* since 1970, by the clock of `node` */
    char node[HANDOVER_NAME_SIZE];
};

enum handover_outcome {
    HANDOVER_OPEN = 0,
    HANDOVER_COMPLETE = 1,
    HANDOVER_INCOMPLETE = 2, /* through, but something is left to be done */
    HANDOVER_REFUSED = 3,    /* by a gate; nothing was changed */
    HANDOVER_ABORTED = 4,
    HANDOVER_OUTCOMES
};
const char *handover_outcome_name(enum handover_outcome outcome);

/* What stands in the register: no time stamp, as all there. */
struct handover_field {
    char id[HANDOVER_ID_SIZE];
    char from[HANDOVER_NAME_SIZE], to[HANDOVER_NAME_SIZE];
    char actor[HANDOVER_NAME_SIZE];
    enum handover_step step; /* all before it are done */
    uint64_t epoch;          /* of whoever wrote it */
    uint32_t pass;
    bool reset_begun, retire, from_dead, back;
};

struct handover_evidence {
    char id[HANDOVER_ID_SIZE];
    char from[HANDOVER_NAME_SIZE], to[HANDOVER_NAME_SIZE];
    char actor[HANDOVER_NAME_SIZE], reason[HANDOVER_TEXT_SIZE];
    enum handover_outcome outcome;
    int64_t started_ms, ended_ms; /* since 1970; 0: not yet */
    size_t count;
    struct evidence_row rows[HANDOVER_ROWS_MAX];
};

/* Canonical bytes, in `arena`.
 * Errors   TS_E_PROTOCOL (a name or number that cannot be), TS_E_LIMIT. */
TS_MUSTUSE enum ts_code handover_field_pack(const struct handover_field *field,
                                            struct ts_arena *arena,
                                            struct ts_slice *ret_bytes,
                                            struct ts_err *err);
/* Errors   TS_E_LIMIT, TS_E_CORRUPT, TS_E_VERSION; then *ret is untouched. */
TS_MUSTUSE enum ts_code handover_field_unpack(struct ts_slice bytes,
                                              struct ts_arena *arena,
                                              struct handover_field *ret,
                                              struct ts_err *err);
/* As of the field. */
TS_MUSTUSE enum ts_code
handover_evidence_pack(const struct handover_evidence *evidence,
                       struct ts_arena *arena, struct ts_slice *ret_bytes,
                       struct ts_err *err);
TS_MUSTUSE enum ts_code handover_evidence_unpack(struct ts_slice bytes,
                                                 struct ts_arena *arena,
                                                 struct handover_evidence *ret,
                                                 struct ts_err *err);

#endif
