/*
 * failpoint -- places where a test may kill the process.
 *
 * Each point has a name in the list below, so that `twinsyncd --failpoints`
 * can print all of them and a test can walk through every one. A point does
 * nothing unless TWINSYNC_FAILPOINT names it ("NAME" or "NAME:k", the k-th time
 * it is passed); then the process kills itself with SIGKILL, as a crash would;
 * for "NAME:k:off" its parent, too, as a power cut would; for "NAME:k:stop" it
 * stops until it gets SIGCONT, as a suspended machine does. Compiled out unless
 * TS_FAILPOINTS is defined: the release build has neither the calls nor the
 * names.
 *
 * The witness's points are in a list of their own (`twinsync-witness
 * --failpoints`): a cycle of the daemon does not pass them.
 */
#ifndef NODE_BASE_FAILPOINT_H
#define NODE_BASE_FAILPOINT_H

#include <stdio.h>

/* In the order in which a cycle passes them. */
#define TS_FAILPOINT_LIST(X)                          \
    X(REANCHOR_CHUNK, "reanchor-chunk-committed")     \
    X(IMPORT_BEGUN, "import-begun")                   \
    X(IMPORT_CHUNK, "import-chunk-committed")         \
    X(IMPORT_WATERMARK, "import-watermark-committed") \
    X(GENERATION_BUILT, "generation-built")           \
    X(GENERATION_SELECTED, "generation-selected")     \
    X(SYNC_CHUNK, "synchronize-chunk-committed")      \
    X(INTENTS_DURABLE, "intents-durable")             \
    X(GUARD_CHUNK, "guard-chunk-committed")           \
    X(EXPORT_BEFORE_SEND, "export-before-send")       \
    X(SEND_CHECKED, "send-checked")                   \
    X(EXPORT_AFTER_SEND, "export-after-answer")       \
    X(RESULT_BEFORE_COMMIT, "result-before-commit")   \
    X(RESULT_COMMITTED, "result-committed")           \
    X(CYCLE_END, "cycle-end")

/* In the order in which a swap passes them. */
#define TS_FAILPOINT_WITNESS_LIST(X)        \
    X(WITNESS_RECEIVED, "witness-received") \
    X(CELL_WRITTEN, "cell-written")         \
    X(CELL_SYNCED, "cell-synced")           \
    X(CELL_RENAMED, "cell-renamed")         \
    X(CELL_DURABLE, "cell-durable")         \
    X(WITNESS_ANSWERED, "witness-answered")

/* On either node of a pair, in the order of a takeover, then as a standby. */
#define TS_FAILPOINT_PAIR_LIST(X)           \
    X(PRINCIPAL_MINTED, "principal-minted") \
    X(SWAP_BEFORE_SEND, "swap-before-send") \
    X(SWAP_ANSWERED, "swap-answered")       \
    X(FACTS_PERSISTED, "facts-persisted")   \
    X(FENCE_ROUND, "fence-round")           \
    X(ACTIVATED, "epoch-begun")             \
    X(ROWS_APPLIED, "rows-applied")         \
    X(SNAPSHOT_INSTALLED, "snapshot-in-place")

/* In the order in which a second computer's joining passes them, on both. */
#define TS_FAILPOINT_JOIN_LIST(X)       \
    X(JOIN_OWN_MADE, "join-own-made")   \
    X(JOIN_TAKEN, "join-taken")         \
    X(JOIN_ADMITTED, "join-admitted")   \
    X(JOIN_ANSWERED, "join-answered")   \
    X(JOIN_PEER_KEPT, "join-peer-kept") \
    X(JOIN_KEY_KEPT, "join-key-kept")

/* In the order in which the change of a password passes them. */
#define TS_FAILPOINT_CREDENTIAL_LIST(X)               \
    X(CREDENTIAL_TAKEN, "credential-taken")           \
    X(CREDENTIAL_SHARED, "credential-shared")         \
    X(CREDENTIAL_BEFORE_ASK, "credential-before-ask") \
    X(CREDENTIAL_ASKED, "credential-asked")           \
    X(CREDENTIAL_KEPT, "credential-kept")

/* In the order in which a retirement passes them: where it was asked for, then
 * on the computer that is out. */
#define TS_FAILPOINT_RETIRE_LIST(X)             \
    X(RETIRE_EXCLUDED, "retire-excluded")       \
    X(RETIRE_KEY_GONE, "retire-key-gone")       \
    X(RETIRE_RESEALED, "retire-resealed")       \
    X(RETIRE_KEY_TURNING, "retire-key-turning") \
    X(RETIRED_MARKED, "retired-marked")         \
    X(RETIRED_WIPING, "retired-wiping")

/* In the order in which a handover passes them, on whoever drives it. */
#define TS_FAILPOINT_HANDOVER_LIST(X)              \
    X(HANDOVER_EVIDENCE, "handover-evidence-kept") \
    X(HANDOVER_MARK, "handover-mark")              \
    X(HANDOVER_RELEASE, "handover-release")        \
    X(HANDOVER_END, "handover-end")

enum ts_failpoint {
#define TS_FAILPOINT_ENUM(id, name) TS_FAILPOINT_##id,
    TS_FAILPOINT_LIST(TS_FAILPOINT_ENUM)
    TS_FAILPOINT_WITNESS_LIST(TS_FAILPOINT_ENUM)
        TS_FAILPOINT_PAIR_LIST(TS_FAILPOINT_ENUM)
            TS_FAILPOINT_JOIN_LIST(TS_FAILPOINT_ENUM)
                TS_FAILPOINT_CREDENTIAL_LIST(TS_FAILPOINT_ENUM)
                    TS_FAILPOINT_RETIRE_LIST(TS_FAILPOINT_ENUM)

                        TS_FAILPOINT_HANDOVER_LIST(TS_FAILPOINT_ENUM)
#undef TS_FAILPOINT_ENUM
                            TS_FAILPOINTS_COUNT
};

#ifdef TS_FAILPOINTS
void ts_failpoint_pass(enum ts_failpoint point);
#define TS_FAILPOINT(id) ts_failpoint_pass(TS_FAILPOINT_##id)
#else
#define TS_FAILPOINT(id) ((void) 0)
#endif

/* Print the names, one a line; false when this build has none. */
int ts_failpoint_print(FILE *out);
int ts_failpoint_print_pair(FILE *out);
int ts_failpoint_print_witness(FILE *out);

#endif
