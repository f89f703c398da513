/*
 * import_rows -- one source_import(), source_schema() or source_check(), told
 * as JSON lines: rows as they come, then one object with the result or the
 * error.
 *
 *   import_rows KEY=VALUE...
 *
 * Keys: do (import, schema, check), uri, base, filter, anchor, bind_dn,
 * password_file, external, start_tls, plaintext, ca, certificate, key, connect,
 * operation (seconds), attributes and references (commas between), cookie (hex)
 * and fingerprint (hex) of a watermark, type (ad), consistency_ignore, whole,
 * complete_days (how long ago the last complete import was), rows (0: do not
 * print them), cancel (ms until source_cancel), pause (a file that must vanish
 * before the second batch is taken), repeat (import so many times before, and
 * tell by how many bytes the heap grew after the first ten).
 */
#include <jansson.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "node/base/time.h"
#include "node/source/source.h"
#include "proto/entry_codec.h"

#define LIST_MAX   64
#define COOKIE_MAX 65536

struct words {
    int count;
    char **items;
};

static char *word(const struct words *words, const char *key)
{
    size_t size = strlen(key);
    for (int i = 1; i < words->count; i++) {
        if (strncmp(words->items[i], key, size) == 0 &&
            words->items[i][size] == '=') {
            return words->items[i] + size + 1;
        }
    }
    return NULL;
}

static char *word_or(const struct words *words, const char *key, char *other)
{
    char *value = word(words, key);
    return value != NULL ? value : other;
}

static size_t split(const struct words *words, const char *key,
                    const char *list[static LIST_MAX])
{
    size_t count = 0;
    char *rest = word(words, key); /* cut up in place */
    for (char *item; count < LIST_MAX && (item = strsep(&rest, ",")) != NULL;) {
        if (item[0] != 0) {
            list[count++] = item;
        }
    }
    return count;
}

static size_t unhex(const char *text, uint8_t *bytes, size_t size_max)
{
    size_t size = 0;
    for (; text != NULL && text[0] != 0 && text[1] != 0 && size < size_max;
         text += 2) {
        char pair[3] = { text[0], text[1], 0 };
        bytes[size++] = (uint8_t) strtoul(pair, NULL, 16);
    }
    return size;
}

static json_t *hex(struct ts_slice bytes)
{
    static const char digit[] = "0123456789abcdef";
    char *text = malloc(2 * bytes.size + 1);
    if (text == NULL) {
        exit(3);
    }
    for (size_t i = 0; i < bytes.size; i++) {
        text[2 * i] = digit[bytes.data[i] >> 4];
        text[2 * i + 1] = digit[bytes.data[i] & 15];
    }
    text[2 * bytes.size] = 0;
    json_t *json = json_string(text);
    free(text);
    return json;
}

static json_t *text_of(struct ts_slice bytes)
{
    json_t *text = json_stringn((const char *) bytes.data, bytes.size);
    return text != NULL ? text
                        : json_null(); /* of cookies, which need not be */
}

static void print_line(json_t *json)
{
    json_dumpf(json, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(json);
    (void) fflush(stdout);
}

/* --- rows --------------------------------------------------------------------
 */

struct sink {
    bool print;
    const char *pause;
    uint64_t batches, largest_rows, puts, presents, deletes, links, bytes;
};

static json_t *attributes_of(const struct source_row *row)
{
    json_t *json = json_object();
    struct ts_arena arena;
    ts_arena_init(&arena, (size_t) 512 << 20);
    struct ts_entry entry;
    struct ts_err err;
    if (entry_unpack(row->packed, &arena, &entry, &err) != TS_OK) {
        fprintf(stderr, "%s\n", err.text);
        exit(3);
    }
    for (size_t i = 0; i < entry.count; i++) {
        const struct ts_attribute *a = &entry.attributes[i];
        json_t *values = json_array();
        for (size_t v = 0; v < a->value_count; v++) {
            json_array_append_new(values, hex(a->values[v]));
        }
        json_object_set_new(
            json, (const char *) a->name.data,
            json_pack("{s:i,s:o}", "kind", (int) a->kind, "values", values));
    }
    ts_arena_done(&arena);
    return json;
}

static void print_row(const struct source_row *row)
{
    static const char *const verbs[] = { "put", "present", "delete" };
    json_t *json = json_pack("{s:s,s:o}", "verb", verbs[row->verb], "anchor",
                             text_of(row->anchor));
    if (row->verb == SOURCE_PUT) {
        json_t *links = json_array();
        for (size_t i = 0; i < row->link_count; i++) {
            const struct source_link *link = &row->links[i];
            json_array_append_new(
                links, json_pack("{s:o,s:o,s:o,s:b}", "attribute",
                                 text_of(link->attribute), "key",
                                 hex(ts_slice(link->key.bytes, 16)), "dn",
                                 text_of(link->dn), "gone", (int) link->gone));
        }
        json_object_set_new(json, "dn", text_of(row->dn));
        json_object_set_new(json, "rdn", text_of(row->rdn));
        json_object_set_new(json, "key", hex(ts_slice(row->key.bytes, 16)));
        json_object_set_new(json, "parent",
                            hex(ts_slice(row->parent.bytes, 16)));
        json_object_set_new(json, "hash", hex(ts_slice(row->hash.bytes, 32)));
        json_object_set_new(json, "attributes", attributes_of(row));
        json_object_set_new(json, "links", links);
        json_object_set_new(json, "returned", json_boolean(row->returned));
        json_object_set_new(json, "partial",
                            row->partial.size > 0 ? text_of(row->partial)
                                                  : json_null());
    } else if (row->anchor.size == 0) {
        json_object_set_new(json, "key", hex(ts_slice(row->key.bytes, 16)));
    }
    print_line(json);
}

static enum ts_code take(void *context, struct source_batch *batch,
                         struct ts_err *err)
{
    (void) err;
    struct sink *sink = context;
    while (sink->pause != NULL && sink->batches > 0 &&
           access(sink->pause, F_OK) == 0) {
        (void) poll(NULL, 0, 5);
    }
    sink->batches++;
    if (batch->row_count > sink->largest_rows) {
        sink->largest_rows = batch->row_count;
    }
    for (size_t i = 0; i < batch->row_count; i++) {
        const struct source_row *row = &batch->rows[i];
        sink->puts += row->verb == SOURCE_PUT;
        sink->presents += row->verb == SOURCE_PRESENT;
        sink->deletes += row->verb == SOURCE_DELETE;
        sink->links += row->link_count;
        sink->bytes += row->packed.size;
        if (sink->print) {
            print_row(row);
        }
    }
    if (sink->pause != NULL && sink->batches == 1) {
        print_line(json_pack("{s:b}", "paused", 1));
    }
    source_batch_free(batch);
    return TS_OK;
}

struct later {
    struct source *source;
    int ms;
    struct ts_time cancelled;
};

/* Set by main before anything runs; read when the import has ended. */
static struct later later;

/* --- the three calls
 * ----------------------------------------------------------- */

static int print_error(enum ts_code rc, const struct ts_err *err)
{
    int64_t since =
        later.cancelled.ms == 0 ? 0 : ts_time_now().ms - later.cancelled.ms;
    print_line(json_pack("{s:s,s:i,s:s,s:I}", "error", err->text, "code",
                         (int) rc, "kind", ts_code_text(rc), "cancelled_ms",
                         (json_int_t) since));
    return 1;
}

/* libldap over GnuTLS forgets the client's private key, once for each context;
 * see node/ldap/tls_context.h. That it is not once for each connection is what
 * `repeat` measures. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libgnutls.so\nleak:libtasn1.so\nleak:libhogweed.so\n";
}

const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "print_suppressions=0";
}

static enum ts_code discard(void *context, struct source_batch *batch,
                            struct ts_err *err)
{
    (void) context;
    (void) err;
    source_batch_free(batch);
    return TS_OK;
}

static json_int_t grow(struct source *source, unsigned long repeat)
{
    size_t begun = 0;
    for (unsigned long i = 0; i < repeat; i++) {
        struct ts_arena arena;
        struct source_result result;
        ts_arena_init(&arena, 1 << 20);
        enum ts_code rc =
            source_import(source, NULL, discard, NULL, &arena, &result, NULL);
        ts_arena_done(&arena);
        if (rc != TS_OK) {
            return -1;
        }
        begun = i == 10 ? mallinfo2().uordblks : begun;
    }
    return repeat > 10 ? (json_int_t) mallinfo2().uordblks - (json_int_t) begun
                       : 0;
}

static int run_import(struct source *source, const struct words *words)
{
    struct sink sink = { .print = word(words, "rows") == NULL,
                         .pause = word(words, "pause") };
    const char *repeat = word(words, "repeat");
    json_int_t grown =
        repeat == NULL ? 0 : grow(source, strtoul(repeat, NULL, 10));
    static uint8_t cookie[COOKIE_MAX];
    const char *days = word(words, "complete_days");
    struct source_watermark from = {
        .whole = word(words, "whole") != NULL,
        .complete_at = days == NULL
                           ? 0
                           : ts_wall_seconds() - 86400 * strtol(days, NULL, 10),
        .cookie = ts_slice(cookie,
                           unhex(word(words, "cookie"), cookie, sizeof cookie))
    };
    (void) unhex(word(words, "fingerprint"), from.fingerprint.bytes,
                 sizeof from.fingerprint.bytes);
    struct ts_arena arena;
    ts_arena_init(&arena, 1 << 20);
    struct source_result result;
    struct ts_err err = { .code = TS_OK };
    enum ts_code rc =
        source_import(source, &from, take, &sink, &arena, &result, &err);
    if (rc != TS_OK) {
        ts_arena_done(&arena);
        return print_error(rc, &err);
    }
    struct rusage usage;
    (void) getrusage(RUSAGE_SELF, &usage);
    print_line(json_pack(
        "{s:s,s:o,s:o,s:o,s:s?,s:s?,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}",
        "extent", result.extent == SOURCE_COMPLETE ? "complete" : "incremental",
        "cookie", hex(result.cookie), "cookie_text", text_of(result.cookie),
        "fingerprint", hex(ts_slice(result.fingerprint.bytes, 32)),
        "full_because", result.full_because, "keep_because",
        result.keep_because, "puts", (json_int_t) result.put_count, "presents",
        (json_int_t) result.present_count, "deletes",
        (json_int_t) result.delete_count, "batches", (json_int_t) sink.batches,
        "largest_rows", (json_int_t) sink.largest_rows, "links",
        (json_int_t) sink.links, "bytes", (json_int_t) sink.bytes,
        "resident_kb", (json_int_t) usage.ru_maxrss, "grown", grown));
    ts_arena_done(&arena);
    return 0;
}

static int run_schema(struct source *source)
{
    struct ts_arena arena;
    ts_arena_init(&arena, (size_t) 64 << 20);
    struct source_attribute *list = NULL;
    size_t count = 0;
    struct ts_err err = { .code = TS_OK };
    enum ts_code rc = source_schema(source, &arena, &list, &count, &err);
    for (size_t i = 0; rc == TS_OK && i < count; i++) {
        print_line(json_pack("{s:s,s:i,s:b}", "name", list[i].name, "syntax",
                             (int) list[i].syntax, "case_ignore",
                             (int) list[i].case_ignore));
    }
    ts_arena_done(&arena);
    return rc == TS_OK ? 0 : print_error(rc, &err);
}

static int run_check(struct source *source)
{
    struct ts_arena arena;
    ts_arena_init(&arena, 1 << 20);
    struct source_finding findings[SOURCE_FINDINGS_MAX];
    size_t count = source_check(source, &arena, findings);
    for (size_t i = 0; i < count; i++) {
        print_line(json_pack("{s:s,s:b,s:s,s:s?}", "name", findings[i].name,
                             "ok", (int) findings[i].ok, "value",
                             findings[i].value, "fix", findings[i].fix));
    }
    ts_arena_done(&arena);
    return 0;
}

static void *cancel_later(void *context)
{
    (void) context;
    (void) poll(NULL, 0, later.ms);
    later.cancelled = ts_time_now();
    source_cancel(later.source);
    return NULL;
}

static uint32_t number(const struct words *words, const char *key,
                       uint32_t other)
{
    const char *text = word(words, key);
    return text == NULL ? other : (uint32_t) strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
    struct words words = { argc, argv };
    static const char *attributes[LIST_MAX];
    static const char *references[LIST_MAX];
    struct config_source config = {
        .name = word_or(&words, "name", (char[]){ "directory" }),
        .uri = word_or(&words, "uri", (char[]){ "" }),
        .base = word_or(&words, "base", (char[]){ "" }),
        .filter = word_or(&words, "filter", (char[]){ "(objectClass=*)" }),
        .type = strcmp(word_or(&words, "type", (char[]){ "" }), "ad") == 0
                    ? CONFIG_SOURCE_AD
                    : CONFIG_SOURCE_CONTENTSYNC,
        .anchor = word_or(&words, "anchor", (char[]){ "entryUUID" }),
        .consistency_guid = word(&words, "consistency_ignore") != NULL
                                ? CONFIG_CONSISTENCY_IGNORE
                                : CONFIG_CONSISTENCY_PREFER,
        .bind = { .method = word(&words, "external") != NULL
                                ? CONFIG_BIND_EXTERNAL
                                : CONFIG_BIND_SIMPLE,
                  .dn = word(&words, "bind_dn"),
                  .password_file = word(&words, "password_file") },
        .tls = { .ca_file = word(&words, "ca"),
                 .certificate_file = word(&words, "certificate"),
                 .key_file = word(&words, "key") },
        .start_tls = word(&words, "start_tls") != NULL,
        .allow_plaintext_loopback = word(&words, "plaintext") != NULL,
        .connect_timeout_seconds = number(&words, "connect", 5),
        .operation_timeout_seconds = number(&words, "operation", 10),
    };
    struct source_options options = {
        .config = &config,
        .attributes = attributes,
        .attribute_count = split(&words, "attributes", attributes),
        .references = references,
        .reference_count = split(&words, "references", references),
    };
    struct source *source = NULL;
    struct ts_err err = { .code = TS_OK };
    enum ts_code rc = source_open(&options, &source, &err);
    if (rc != TS_OK) {
        return print_error(rc, &err);
    }
    later = (struct later){ .source = source,
                            .ms = (int) number(&words, "cancel", 0) };
    pthread_t thread;
    bool cancels = later.ms > 0 &&
                   pthread_create(&thread, NULL, cancel_later, &later) == 0;
    const char *verb = word_or(&words, "do", (char[]){ "import" });
    int status = strcmp(verb, "schema") == 0  ? run_schema(source)
                 : strcmp(verb, "check") == 0 ? run_check(source)
                                              : run_import(source, &words);
    if (cancels) {
        (void) pthread_join(thread, NULL);
    }
    source_close(source);
    return status;
}
