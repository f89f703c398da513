/*
 * regexp_replace(text, pattern, replacement): every match of a PCRE2 pattern
 * replaced; $1, ${name} mean groups, a group that did not take part is empty.
 *
 * PCRE2's own match and heap limits hold for one attempt at one position. An
 * expression that replaces everywhere in a long text makes many attempts, so a
 * callout before every item of the pattern charges the statement's budget by
 * the distance that the match has moved (sandbox.h, X3).
 *
 * Compiled patterns are kept, because SQLite forgets a function's auxiliary
 * data at every reset, that is for every object.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

#include "node/rules/functions.h"

#define PATTERNS_MAX       16
#define PATTERN_SIZE_MAX   1024
#define MATCH_STEPS_MAX    100000
#define MATCH_DEPTH_MAX    1000
#define MATCH_HEAP_KIB_MAX 4096
/* An output is first tried in this much more room than the input takes. */
#define OUTPUT_SLACK 256

struct pattern {
    uint8_t text[PATTERN_SIZE_MAX];
    size_t size;
    pcre2_code *code; /* NULL: unused */
};

struct rules_patterns {
    struct pattern items[PATTERNS_MAX];
    size_t next; /* the one to give up when all are taken */
    pcre2_compile_context *compiling;
    pcre2_match_context *matching;
    pcre2_match_data *data;
    size_t position; /* where the last callout was */
};

/* A negative answer ends the match with that number. */
static int on_callout(pcre2_callout_block *block, void *context)
{
    struct rules_sandbox *sandbox = context;
    struct rules_patterns *patterns = sandbox->patterns;
    size_t before = patterns->position;
    size_t now = block->current_position;
    size_t moved = now > before ? now - before : before - now;
    patterns->position = now;
    return rules_budget_draw(&sandbox->budget, 1 + (int64_t) (moved / 16))
               ? 0
               : PCRE2_ERROR_CALLOUT;
}

static struct rules_patterns *patterns_new(struct rules_sandbox *sandbox)
{
    struct rules_patterns *patterns = calloc(1, sizeof *patterns);
    if (patterns == NULL) {
        return NULL;
    }
    patterns->compiling = pcre2_compile_context_create(NULL);
    patterns->matching = pcre2_match_context_create(NULL);
    patterns->data = pcre2_match_data_create(64, NULL);
    if (patterns->compiling == NULL || patterns->matching == NULL ||
        patterns->data == NULL) {
        sandbox->patterns = patterns;
        rules_regexp_done(sandbox);
        return NULL;
    }
    (void) pcre2_set_parens_nest_limit(patterns->compiling, 50);
    (void) pcre2_set_max_pattern_length(patterns->compiling, PATTERN_SIZE_MAX);
    (void) pcre2_set_match_limit(patterns->matching, MATCH_STEPS_MAX);
    (void) pcre2_set_depth_limit(patterns->matching, MATCH_DEPTH_MAX);
    (void) pcre2_set_heap_limit(patterns->matching, MATCH_HEAP_KIB_MAX);
    (void) pcre2_set_callout(patterns->matching, on_callout, sandbox);
    return patterns;
}

void rules_regexp_done(struct rules_sandbox *sandbox)
{
    struct rules_patterns *patterns = sandbox->patterns;
    if (patterns == NULL) {
        return;
    }
    for (size_t i = 0; i < PATTERNS_MAX; i++) {
        pcre2_code_free(patterns->items[i].code);
    }
    pcre2_match_data_free(patterns->data);
    pcre2_match_context_free(patterns->matching);
    pcre2_compile_context_free(patterns->compiling);
    free(patterns);
    sandbox->patterns = NULL;
}

static void fail_number(sqlite3_context *context, int number)
{
    PCRE2_UCHAR text[160] = { 0 };
    if (number == PCRE2_ERROR_CALLOUT) {
        sqlite3_result_error_code(context, SQLITE_INTERRUPT);
        return;
    }
    (void) pcre2_get_error_message(number, text, sizeof text);
    rules_function_fail(context, "regexp_replace", (const char *) text);
}

static const pcre2_code *pattern_compile(sqlite3_context *context,
                                         struct rules_patterns *patterns,
                                         struct ts_slice text)
{
    for (size_t i = 0; i < PATTERNS_MAX; i++) {
        struct pattern *known = &patterns->items[i];
        if (known->code != NULL &&
            ts_slice_equal(text, ts_slice(known->text, known->size))) {
            return known->code;
        }
    }
    if (text.size > PATTERN_SIZE_MAX) {
        rules_function_fail(context, "regexp_replace",
                            "takes a pattern of 1024 bytes at most");
        return NULL;
    }
    int number;
    size_t offset;
    pcre2_code *code =
        pcre2_compile(text.data, text.size,
                      PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_AUTO_CALLOUT,
                      &number, &offset, patterns->compiling);
    if (code == NULL) {
        fail_number(context, number);
        return NULL;
    }
    struct pattern *slot = &patterns->items[patterns->next];
    patterns->next = (patterns->next + 1) % PATTERNS_MAX;
    pcre2_code_free(slot->code);
    slot->code = code;
    slot->size = text.size;
    memcpy(slot->text, text.data, text.size);
    return code;
}

/* One attempt with `*size` bytes of room; on PCRE2_ERROR_NOMEMORY `*size` is
 * what it takes. */
static int substitute(struct rules_patterns *patterns, const pcre2_code *code,
                      const struct ts_slice *text_and_with, uint8_t *out,
                      size_t *size)
{
    patterns->position = 0;
    return pcre2_substitute(
        code, text_and_with[0].data, text_and_with[0].size, 0,
        PCRE2_SUBSTITUTE_GLOBAL | PCRE2_SUBSTITUTE_OVERFLOW_LENGTH |
            PCRE2_SUBSTITUTE_UNSET_EMPTY,
        patterns->data, patterns->matching, text_and_with[1].data,
        text_and_with[1].size, out, size);
}

static void replace_all(sqlite3_context *context,
                        struct rules_patterns *patterns, const pcre2_code *code,
                        const struct ts_slice *text_and_with)
{
    size_t room = text_and_with[0].size + OUTPUT_SLACK;
    for (int attempt = 0; attempt < 2; attempt++) {
        size_t size = room;
        uint8_t *out = sqlite3_malloc64(room);
        if (out == NULL) {
            sqlite3_result_error_nomem(context);
            return;
        }
        int rc = substitute(patterns, code, text_and_with, out, &size);
        if (rc >= 0) {
            sqlite3_result_text64(context, (char *) out, size, sqlite3_free,
                                  SQLITE_UTF8);
            return;
        }
        sqlite3_free(out);
        if (rc != PCRE2_ERROR_NOMEMORY || attempt > 0) {
            fail_number(context, rc);
            return;
        }
        if (size > RULES_VALUE_SIZE_MAX) {
            sqlite3_result_error_toobig(context);
            return;
        }
        room = size;
    }
}

static void call_regexp_replace(sqlite3_context *context, int count,
                                sqlite3_value **values)
{
    struct rules_sandbox *sandbox = sqlite3_user_data(context);
    for (int i = 0; i < count; i++) {
        if (sqlite3_value_type(values[i]) == SQLITE_NULL ||
            !rules_value_is_text(context, "regexp_replace", values[i])) {
            return;
        }
    }
    if (sandbox->patterns == NULL) {
        sandbox->patterns = patterns_new(sandbox);
    }
    if (sandbox->patterns == NULL) {
        sqlite3_result_error_nomem(context);
        return;
    }
    const pcre2_code *code = pattern_compile(context, sandbox->patterns,
                                             rules_value_text(values[1]));
    if (code == NULL) {
        return;
    }
    const struct ts_slice text_and_with[] = { rules_value_text(values[0]),
                                              rules_value_text(values[2]) };
    if (!rules_budget_draw(&sandbox->budget,
                           (int64_t) text_and_with[0].size / 16)) {
        sqlite3_result_error_code(context, SQLITE_INTERRUPT);
        return;
    }
    replace_all(context, sandbox->patterns, code, text_and_with);
}

int rules_regexp_register(struct rules_sandbox *sandbox)
{
    static const struct rules_function FUNCTION = { "regexp_replace", 3,
                                                    call_regexp_replace };
    return rules_functions_add(sandbox, &FUNCTION, 1);
}
