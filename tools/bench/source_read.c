/*
 * source_read -- a full import whose rows are thrown away.
 *
 *   source_read URI CA-FILE BIND-DN PASSWORD-FILE BASE FILTER plain|members
 * ATTR...
 *
 * What bare_read does with libldap alone, here with decoding, DN keys, packing
 * and hashing, as the source's thread does it. `members` takes `member` and
 * `manager` among ATTR as references. Prints one JSON line like bare_read's.
 */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "node/base/time.h"
#include "node/source/source.h"

enum {
    ARG_URI = 1,
    ARG_CA,
    ARG_DN,
    ARG_PASSWORD,
    ARG_BASE,
    ARG_FILTER,
    ARG_MODE,
    ARG_ATTRIBUTES
};

struct tally {
    unsigned long long rows, links, bytes, batches;
};

static enum ts_code drop(void *context, struct source_batch *batch,
                         struct ts_err *err)
{
    (void) err;
    struct tally *tally = context;
    tally->batches++;
    for (size_t i = 0; i < batch->row_count; i++) {
        tally->rows++;
        tally->links += batch->rows[i].link_count;
        tally->bytes += batch->rows[i].packed.size;
    }
    source_batch_free(batch);
    return TS_OK;
}

static int run(const struct source_options *options)
{
    struct source *source = NULL;
    struct source_result result;
    struct tally tally = { .rows = 0 };
    struct ts_err err = { .code = TS_OK };
    struct ts_arena arena;
    ts_arena_init(&arena, 1 << 20);
    enum ts_code rc = source_open(options, &source, &err);
    struct ts_time begun = ts_time_now();
    if (rc == TS_OK) {
        rc = source_import(source, NULL, drop, &tally, &arena, &result, &err);
    }
    long long ms = (long long) (ts_time_now().ms - begun.ms);
    source_close(source);
    ts_arena_done(&arena);
    if (rc != TS_OK) {
        (void) fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    struct rusage usage;
    (void) getrusage(RUSAGE_SELF, &usage);
    (void) printf("{\"entries\":%llu,\"links\":%llu,\"bytes\":%llu,"
                  "\"batches\":%llu,\"seconds\":%lld.%03lld,"
                  "\"cpu_seconds\":%ld.%03ld,\"resident_kb\":%ld}\n",
                  tally.rows, tally.links, tally.bytes, tally.batches,
                  ms / 1000, ms % 1000, (long) usage.ru_utime.tv_sec,
                  (long) usage.ru_utime.tv_usec / 1000, usage.ru_maxrss);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < ARG_ATTRIBUTES) {
        (void) fprintf(stderr,
                       "usage: source_read URI CA-FILE BIND-DN PASSWORD-FILE "
                       "BASE FILTER plain|members ATTR...\n");
        return 2;
    }
    static const char *const references[] = { "member", "manager" };
    struct config_source config = {
        .name = (char[]){ "bench" },
        .uri = argv[ARG_URI],
        .base = argv[ARG_BASE],
        .filter = argv[ARG_FILTER],
        .anchor = (char[]){ "entryUUID" },
        .bind = { CONFIG_BIND_SIMPLE, argv[ARG_DN], argv[ARG_PASSWORD] },
        .tls = { .ca_file = argv[ARG_CA] },
        .start_tls = false,
        .allow_plaintext_loopback = true,
        .connect_timeout_seconds = 10,
        .operation_timeout_seconds = 60,
    };
    struct source_options options = {
        .config = &config,
        .attributes = (const char *const *) argv + ARG_ATTRIBUTES,
        .attribute_count = (size_t) (argc - ARG_ATTRIBUTES),
        .references = references,
        .reference_count = strcmp(argv[ARG_MODE], "members") == 0 ? 2 : 0,
    };
    return run(&options);
}
