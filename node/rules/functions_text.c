/*
 * Functions on text. Four of them replace SQLite's own of the same name,
 * because those take quadratic time on long arguments: instr and replace
 * (memmem is linear), ltrim/rtrim/trim with a set of characters (the set is
 * limited), like and glob (their work is charged to the budget).
 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "node/rules/functions.h"

#define TRIM_SET_MAX 64

static struct rules_sandbox *sandbox_of(sqlite3_context *context)
{
    return sqlite3_user_data(context);
}

static bool any_null(int count, sqlite3_value **values)
{
    for (int i = 0; i < count; i++) {
        if (sqlite3_value_type(values[i]) == SQLITE_NULL) {
            return true;
        }
    }
    return false;
}

static bool charge(sqlite3_context *context, size_t steps)
{
    if (rules_budget_draw(&sandbox_of(context)->budget, (int64_t) steps)) {
        return true;
    }
    sqlite3_result_error_code(context, SQLITE_INTERRUPT);
    return false;
}

struct ts_slice rules_value_text(sqlite3_value *value)
{
    const unsigned char *text = sqlite3_value_text(value);
    return text == NULL ? TS_SLICE_NONE
                        : ts_slice(text, (size_t) sqlite3_value_bytes(value));
}

struct ts_slice rules_value_bytes(sqlite3_value *value)
{
    const void *bytes = sqlite3_value_blob(value);
    return bytes == NULL ? TS_SLICE_NONE
                         : ts_slice(bytes, (size_t) sqlite3_value_bytes(value));
}

bool rules_value_is_text(sqlite3_context *context, const char *name,
                         sqlite3_value *value)
{
    if (sqlite3_value_type(value) == SQLITE_BLOB) {
        rules_function_fail(context, name, "takes a text, not bytes");
        return false;
    }
    return true;
}

static void result_text(sqlite3_context *context, struct ts_slice text)
{
    sqlite3_result_text64(context,
                          text.size == 0 ? "" : (const char *) text.data,
                          text.size, SQLITE_TRANSIENT, SQLITE_UTF8);
}

/* ---- fold, and equality without case ----------------------------------- */

static bool is_ascii(struct ts_slice text)
{
    uint8_t seen = 0;
    for (size_t i = 0; i < text.size; i++) {
        seen |= text.data[i];
    }
    return seen < 0x80;
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t) (c - 'A' + 'a') : c;
}

static void fold_ascii(sqlite3_context *context, struct ts_slice text)
{
    uint8_t *folded = sqlite3_malloc64(text.size + 1);
    if (folded == NULL) {
        sqlite3_result_error_nomem(context);
        return;
    }
    for (size_t i = 0; i < text.size; i++) {
        folded[i] = lower(text.data[i]);
    }
    folded[text.size] = 0;
    sqlite3_result_text64(context, (char *) folded, text.size, sqlite3_free,
                          SQLITE_UTF8);
}

static void call_fold(sqlite3_context *context, int count,
                      sqlite3_value **values)
{
    if (any_null(count, values) ||
        !rules_value_is_text(context, "fold", values[0])) {
        return;
    }
    struct ts_slice text = rules_value_text(values[0]);
    if (!charge(context, text.size / 16)) {
        return;
    }
    if (is_ascii(text)) {
        fold_ascii(context, text);
        return;
    }
    /* u8_casefold would put U+FFFD in the place of what is not UTF-8. */
    if (u8_check(text.data, text.size) != NULL) {
        rules_function_fail(context, "fold", "takes valid UTF-8");
        return;
    }
    size_t size = 0;
    uint8_t *folded =
        u8_casefold(text.data, text.size, NULL, UNINORM_NFC, NULL, &size);
    if (folded == NULL) {
        sqlite3_result_error_nomem(context);
        return;
    }
    sqlite3_result_text64(context, (char *) folded, size, free, SQLITE_UTF8);
}

/* Skip spaces at *at; true when that passed at least one. */
static bool skip_spaces(struct ts_slice text, size_t *at)
{
    size_t from = *at;
    while (*at < text.size && text.data[*at] == ' ') {
        (*at)++;
    }
    return *at > from;
}

/* RFC 4518 §2.6.1, insignificant spaces; letters of ASCII alike. */
static bool equal_squeezed(struct ts_slice a, struct ts_slice b)
{
    size_t i = 0;
    size_t j = 0;
    (void) skip_spaces(a, &i);
    (void) skip_spaces(b, &j);
    while (i < a.size && j < b.size) {
        bool gap_a = skip_spaces(a, &i);
        bool gap_b = skip_spaces(b, &j);
        if (i == a.size || j == b.size) {
            break; /* spaces at the end do not count */
        }
        if (gap_a != gap_b || lower(a.data[i]) != lower(b.data[j])) {
            return false;
        }
        i++;
        j++;
    }
    (void) skip_spaces(a, &i);
    (void) skip_spaces(b, &j);
    return i == a.size && j == b.size;
}

static enum rules_match match_of(bool equal)
{
    return equal ? RULES_MATCH_YES : RULES_MATCH_NO;
}

enum rules_match rules_match_ignoring_case(struct ts_slice a, struct ts_slice b)
{
    if (is_ascii(a) && is_ascii(b)) {
        return match_of(equal_squeezed(a, b));
    }
    if (ts_kind_of_bytes(a) != TS_KIND_TEXT ||
        ts_kind_of_bytes(b) != TS_KIND_TEXT) {
        return match_of(ts_slice_equal(a, b));
    }
    size_t a_size = 0;
    size_t b_size = 0;
    uint8_t *x = u8_casefold(a.data, a.size, NULL, UNINORM_NFKC, NULL, &a_size);
    uint8_t *y = u8_casefold(b.data, b.size, NULL, UNINORM_NFKC, NULL, &b_size);
    enum rules_match match = RULES_MATCH_NO_MEMORY;
    if (x != NULL && y != NULL) {
        match =
            match_of(equal_squeezed(ts_slice(x, a_size), ts_slice(y, b_size)));
    }
    free(x);
    free(y);
    return match;
}

/* ---- trim -------------------------------------------------------------- */

struct trim_set {
    ucs4_t items[TRIM_SET_MAX];
    size_t count;
    bool white_space; /* instead of items */
};

static bool trim_set_has(const struct trim_set *set, ucs4_t c)
{
    if (set->white_space) {
        return uc_is_property_white_space(c);
    }
    for (size_t i = 0; i < set->count; i++) {
        if (set->items[i] == c) {
            return true;
        }
    }
    return false;
}

static bool trim_set_read(struct trim_set *set, struct ts_slice text)
{
    for (size_t at = 0; at < text.size;) {
        int size = set->count == TRIM_SET_MAX
                       ? -1
                       : u8_mbtoucr(&set->items[set->count], text.data + at,
                                    text.size - at);
        if (size <= 0) {
            return false;
        }
        set->count++;
        at += (size_t) size;
    }
    return true;
}

static struct ts_slice trim_left(struct ts_slice text,
                                 const struct trim_set *set)
{
    while (text.size > 0) {
        ucs4_t c;
        int size = u8_mbtoucr(&c, text.data, text.size);
        if (size <= 0 || !trim_set_has(set, c)) {
            break;
        }
        text = ts_slice(text.data + size, text.size - (size_t) size);
    }
    return text;
}

static struct ts_slice trim_right(struct ts_slice text,
                                  const struct trim_set *set)
{
    while (text.size > 0) {
        ucs4_t c;
        const uint8_t *last = u8_prev(&c, text.data + text.size, text.data);
        if (last == NULL || !trim_set_has(set, c)) {
            break;
        }
        text.size = (size_t) (last - text.data);
    }
    return text;
}

static void trim(sqlite3_context *context, int count, sqlite3_value **values,
                 const char *name)
{
    if (any_null(count, values) ||
        !rules_value_is_text(context, name, values[0])) {
        return;
    }
    struct trim_set set = { .white_space = count == 1 };
    if (count == 2 && !trim_set_read(&set, rules_value_text(values[1]))) {
        rules_function_fail(context, name,
                            "takes at most 64 characters to remove");
        return;
    }
    struct ts_slice text = rules_value_text(values[0]);
    if (!charge(context, text.size / 16)) {
        return;
    }
    if (name[0] != 'r') {
        text = trim_left(text, &set);
    }
    if (name[0] != 'l') {
        text = trim_right(text, &set);
    }
    result_text(context, text);
}

static void call_trim(sqlite3_context *context, int count,
                      sqlite3_value **values)
{
    trim(context, count, values, "trim");
}

static void call_ltrim(sqlite3_context *context, int count,
                       sqlite3_value **values)
{
    trim(context, count, values, "ltrim");
}

static void call_rtrim(sqlite3_context *context, int count,
                       sqlite3_value **values)
{
    trim(context, count, values, "rtrim");
}

/* ---- instr, replace ---------------------------------------------------- */

static const uint8_t *find(struct ts_slice text, struct ts_slice part)
{
    return text.data == NULL || part.size == 0 || part.size > text.size
               ? NULL
               : memmem(text.data, text.size, part.data, part.size);
}

static void call_instr(sqlite3_context *context, int count,
                       sqlite3_value **values)
{
    if (any_null(count, values)) {
        return;
    }
    bool bytes = sqlite3_value_type(values[0]) == SQLITE_BLOB &&
                 sqlite3_value_type(values[1]) == SQLITE_BLOB;
    struct ts_slice text =
        bytes ? rules_value_bytes(values[0]) : rules_value_text(values[0]);
    struct ts_slice part =
        bytes ? rules_value_bytes(values[1]) : rules_value_text(values[1]);
    if (!charge(context, text.size / 64)) {
        return;
    }
    const uint8_t *found = find(text, part);
    if (part.size == 0 || found == NULL) {
        sqlite3_result_int(context, part.size == 0 ? 1 : 0);
        return;
    }
    sqlite3_int64 position = 1;
    for (const uint8_t *c = text.data; c < found; c++) {
        position += bytes || (*c & 0xC0) != 0x80; /* characters begin here */
    }
    sqlite3_result_int64(context, position);
}

static void call_replace(sqlite3_context *context, int count,
                         sqlite3_value **values)
{
    if (any_null(count, values)) {
        return;
    }
    struct ts_slice text = rules_value_text(values[0]);
    struct ts_slice part = rules_value_text(values[1]);
    struct ts_slice with = rules_value_text(values[2]);
    if (part.size == 0) {
        result_text(context, text);
        return;
    }
    sqlite3_str *out = sqlite3_str_new(sqlite3_context_db_handle(context));
    struct ts_slice rest = text;
    const uint8_t *found;
    while (sqlite3_str_errcode(out) == SQLITE_OK &&
           (found = find(rest, part)) != NULL) {
        size_t before = (size_t) (found - rest.data);
        sqlite3_str_append(out, (const char *) rest.data, (int) before);
        sqlite3_str_append(out, (const char *) with.data, (int) with.size);
        rest = ts_slice(found + part.size, rest.size - before - part.size);
    }
    sqlite3_str_append(out, (const char *) rest.data, (int) rest.size);
    int rc = sqlite3_str_errcode(out);
    size_t size = (size_t) sqlite3_str_length(out);
    char *result = sqlite3_str_finish(out);
    if (rc != SQLITE_OK || !charge(context, (text.size + size) / 16)) {
        sqlite3_free(result);
        if (rc != SQLITE_OK) {
            sqlite3_result_error_code(context, rc);
        }
        return;
    }
    sqlite3_result_text64(context, result == NULL ? "" : result, size,
                          result == NULL ? SQLITE_STATIC : sqlite3_free,
                          SQLITE_UTF8);
}

/* ---- like, glob -------------------------------------------------------- */

/* SQLite's argument order: pattern first. NULL: an error was raised. */
static const char *pattern_of(sqlite3_context *context, const char *name,
                              sqlite3_value **values)
{
    if (!rules_value_is_text(context, name, values[0]) ||
        !rules_value_is_text(context, name, values[1])) {
        return NULL;
    }
    struct ts_slice pattern = rules_value_text(values[0]);
    struct ts_slice text = rules_value_text(values[1]);
    int limit = sqlite3_limit(sqlite3_context_db_handle(context),
                              SQLITE_LIMIT_LIKE_PATTERN_LENGTH, -1);
    if (pattern.size > (size_t) limit) {
        rules_function_fail(context, name, "takes a pattern of 256 bytes");
        return NULL;
    }
    /* At worst every byte of the text meets every byte of the pattern. */
    return charge(context, text.size * pattern.size / 1024)
               ? (const char *) pattern.data
               : NULL;
}

static void call_like(sqlite3_context *context, int count,
                      sqlite3_value **values)
{
    if (any_null(count, values)) {
        return;
    }
    const char *pattern = pattern_of(context, "like", values);
    unsigned escape = 0;
    if (pattern == NULL) {
        return;
    }
    if (count == 3) {
        struct ts_slice text = rules_value_text(values[2]);
        if (text.size != 1 || text.data[0] >= 0x80) {
            rules_function_fail(context, "like",
                                "takes one ASCII character to escape with");
            return;
        }
        escape = text.data[0];
    }
    const char *text = (const char *) sqlite3_value_text(values[1]);
    sqlite3_result_int(context, sqlite3_strlike(pattern, text, escape) == 0);
}

static void call_glob(sqlite3_context *context, int count,
                      sqlite3_value **values)
{
    if (any_null(count, values)) {
        return;
    }
    const char *pattern = pattern_of(context, "glob", values);
    if (pattern != NULL) {
        const char *text = (const char *) sqlite3_value_text(values[1]);
        sqlite3_result_int(context, sqlite3_strglob(pattern, text) == 0);
    }
}

/* ---- base64 ------------------------------------------------------------ */

char *rules_base64(struct ts_slice bytes, size_t *ret_size)
{
    if (bytes.size > RULES_VALUE_SIZE_MAX) {
        return NULL;
    }
    unsigned char *text = sqlite3_malloc64((bytes.size + 2) / 3 * 4 + 1);
    if (text == NULL) {
        return NULL;
    }
    text[0] = 0;
    int size = bytes.size == 0
                   ? 0
                   : EVP_EncodeBlock(text, bytes.data, (int) bytes.size);
    *ret_size = (size_t) size;
    return (char *) text;
}

static void call_base64(sqlite3_context *context, int count,
                        sqlite3_value **values)
{
    if (any_null(count, values)) {
        return;
    }
    size_t size;
    char *text = rules_base64(rules_value_bytes(values[0]), &size);
    if (text == NULL) {
        sqlite3_result_error_nomem(context);
        return;
    }
    sqlite3_result_text64(context, text, size, sqlite3_free, SQLITE_UTF8);
}

int rules_functions_text_register(struct rules_sandbox *sandbox)
{
    static const struct rules_function FUNCTIONS[] = {
        { "fold", 1, call_fold },   { "trim", 1, call_trim },
        { "trim", 2, call_trim },   { "ltrim", 1, call_ltrim },
        { "ltrim", 2, call_ltrim }, { "rtrim", 1, call_rtrim },
        { "rtrim", 2, call_rtrim }, { "base64", 1, call_base64 },
        { "instr", 2, call_instr }, { "replace", 3, call_replace },
        { "like", 2, call_like },   { "like", 3, call_like },
        { "glob", 2, call_glob },
    };
    return rules_functions_add(sandbox, FUNCTIONS,
                               sizeof FUNCTIONS / sizeof FUNCTIONS[0]);
}
