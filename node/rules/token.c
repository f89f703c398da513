#include "node/rules/token.h"

#include <strings.h>
#include <unistr.h>

/* sqlite3CtypeMap's IdChar: letters, digits, '_', '$' and all bytes from 0x80.
 */
static bool is_name_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_' || c == '$' || c >= 0x80;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

/* Size of a quoted token that begins at `z`; 0 when it is not closed. */
static size_t quoted_size(const uint8_t *z)
{
    uint8_t close = z[0] == '[' ? ']' : z[0];
    size_t i = 1;
    while (z[i] != 0) {
        if (z[i] != close) {
            i++;
        } else if (close != ']' && z[i + 1] == close) {
            i += 2; /* doubled: one of them, inside */
        } else {
            return i + 1;
        }
    }
    return 0;
}

/* Size of white space or a comment at `z`; SIZE_MAX for an open comment. */
static size_t blank_size(const uint8_t *z)
{
    if (is_space(z[0])) {
        return 1;
    }
    if (z[0] == '-' && z[1] == '-') {
        return strcspn((const char *) z, "\n");
    }
    if (z[0] == '/' && z[1] == '*') {
        const char *end = strstr((const char *) z + 2, "*/");
        return end == NULL ? SIZE_MAX
                           : (size_t) ((const uint8_t *) end - z) + 2;
    }
    return 0;
}

static size_t number_size(const uint8_t *z)
{
    size_t i = 0;
    if (z[0] == '0' && (z[1] == 'x' || z[1] == 'X')) {
        i = 2;
    }
    while (is_digit(z[i]) || z[i] == '.' || is_name_byte(z[i])) {
        bool exponent = (z[i] == 'e' || z[i] == 'E') && z[1] != 'x';
        i++;
        if (exponent && (z[i] == '+' || z[i] == '-') && is_digit(z[i + 1])) {
            i++;
        }
    }
    return i;
}

static size_t word_size(const uint8_t *z)
{
    size_t i = 0;
    while (is_name_byte(z[i])) {
        i++;
    }
    return i;
}

static bool is_byte_order_mark(const uint8_t *z)
{
    return z[0] == 0xEF && z[1] == 0xBB && z[2] == 0xBF;
}

/* One token at `z`; size 0 with a reason when there is none. */
static size_t token_at(const uint8_t *z, enum rules_token_kind *kind,
                       const char **why)
{
    switch (z[0]) {
    case '\'':
        *kind = RULES_TOKEN_STRING;
        *why = "a quote is not closed";
        return quoted_size(z);
    case '"':
    case '`':
    case '[':
        *kind = RULES_TOKEN_QUOTED;
        *why = "a quoted name is not closed";
        return quoted_size(z);
    case '(':
        *kind = RULES_TOKEN_OPEN;
        return 1;
    case ')':
        *kind = RULES_TOKEN_CLOSE;
        return 1;
    case ',':
        *kind = RULES_TOKEN_COMMA;
        return 1;
    case ';':
        *why = "a semicolon has no place in an expression";
        return 0;
    case '?':
    case ':':
    case '@':
    case '#':
    case '$':
        *why = "parameters (?, :x, @x, $x) have no value here";
        return 0;
    default:
        break;
    }
    *kind = RULES_TOKEN_OTHER;
    if (is_digit(z[0]) || (z[0] == '.' && is_digit(z[1]))) {
        return number_size(z);
    }
    if ((z[0] == 'x' || z[0] == 'X') && z[1] == '\'') {
        *why = "a quote is not closed";
        size_t size = quoted_size(z + 1);
        return size == 0 ? 0 : size + 1;
    }
    if (is_name_byte(z[0]) && !is_byte_order_mark(z)) {
        *kind = RULES_TOKEN_WORD;
        return word_size(z);
    }
    *why = "a character has no meaning in SQL";
    return strchr("-+*/%=<>!|&~.", z[0]) != NULL ? 1 : 0;
}

static enum ts_code keep_token(struct rules_tokens *tokens, size_t *depth,
                               struct rules_token token, struct ts_err *err)
{
    if (token.kind == RULES_TOKEN_OPEN) {
        (*depth)++;
    } else if (token.kind == RULES_TOKEN_CLOSE && (*depth)-- == 0) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "a closing parenthesis has no opening one");
    } else if (token.kind == RULES_TOKEN_COMMA && *depth == 0) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "a comma outside parentheses makes it two expressions");
    }
    tokens->items[tokens->count++] = token;
    return TS_OK;
}

static enum ts_code check_text(const char *expression, size_t size,
                               struct ts_err *err)
{
    if (size > RULES_EXPRESSION_SIZE_MAX) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "it is longer than %zu bytes: shorten it",
                       RULES_EXPRESSION_SIZE_MAX);
    }
    if (u8_check((const uint8_t *) expression, size) != NULL) {
        return ts_fail(err, TS_E_CONFIG, 0, "it is not valid UTF-8");
    }
    return TS_OK;
}

enum ts_code rules_tokenize(const char *expression, struct ts_arena *arena,
                            struct rules_tokens *ret_tokens, struct ts_err *err)
{
    size_t size = strlen(expression);
    enum ts_code code = check_text(expression, size, err);
    if (code != TS_OK) {
        return code;
    }
    struct rules_tokens tokens = { .items = ts_arena_array(
                                       arena, size + 1, sizeof *tokens.items) };
    if (tokens.items == NULL) {
        return ts_fail(err, TS_E_LIMIT, 0, "no room for its tokens");
    }

    size_t depth = 0;
    for (const uint8_t *z = (const uint8_t *) expression; *z != 0;) {
        size_t blank = blank_size(z);
        if (blank == SIZE_MAX) {
            return ts_fail(err, TS_E_CONFIG, 0, "a comment is not closed");
        }
        if (blank > 0) {
            z += blank;
            continue;
        }
        struct rules_token token = { .kind = RULES_TOKEN_OTHER };
        const char *why = "";
        size_t length = token_at(z, &token.kind, &why);
        if (length == 0) {
            return ts_fail(err, TS_E_CONFIG, 0, "%s", why);
        }
        token.text = ts_slice(z, length);
        code = keep_token(&tokens, &depth, token, err);
        if (code != TS_OK) {
            return code;
        }
        z += length;
    }
    if (depth > 0) {
        return ts_fail(err, TS_E_CONFIG, 0, "a parenthesis is not closed");
    }
    if (tokens.count == 0) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "it is empty: write NULL for no value");
    }
    *ret_tokens = tokens;
    return TS_OK;
}

const char *rules_token_content(const struct rules_token *token,
                                struct ts_arena *arena)
{
    if (token->kind != RULES_TOKEN_QUOTED &&
        token->kind != RULES_TOKEN_STRING) {
        return (const char *) ts_arena_copy(arena, token->text).data;
    }
    uint8_t *content = ts_arena_take(arena, token->text.size);
    if (content == NULL) {
        return NULL;
    }
    uint8_t quote = token->text.data[0];
    size_t kept = 0;
    for (size_t i = 1; i + 1 < token->text.size; i++) {
        content[kept++] = token->text.data[i];
        if (token->text.data[i] == quote && quote != '[') {
            i++; /* the second of two */
        }
    }
    content[kept] = 0;
    return (const char *) content;
}

bool rules_token_is(const struct rules_token *token, const char *word)
{
    return token->kind == RULES_TOKEN_WORD &&
           token->text.size == strlen(word) &&
           strncasecmp((const char *) token->text.data, word,
                       token->text.size) == 0;
}
