#include "node/rules/compiled.h"

#include <stdio.h>

const char *rules_rewrite(const struct rules_tokens *tokens,
                          struct ts_arena *arena)
{
    const size_t index_size = 8; /* RULES_COLUMNS_MAX has four digits */
    size_t size = 1;
    for (size_t i = 0; i < tokens->count; i++) {
        size += tokens->items[i].text.size + 1 +
                (tokens->items[i].column != NULL ? index_size : 0);
    }
    char *sql = ts_arena_take(arena, size);
    if (sql == NULL) {
        return NULL;
    }

    char *at = sql;
    const uint8_t *end = NULL; /* of the token before */
    for (size_t i = 0; i < tokens->count; i++) {
        const struct rules_token *token = &tokens->items[i];
        if (end != NULL && token->text.data != end) {
            *at++ = ' ';
        }
        if (token->column != NULL) {
            at += snprintf(at, index_size, "%zu", token->column->index);
        } else {
            memcpy(at, token->text.data, token->text.size);
            at += token->text.size;
        }
        end = token->text.data + token->text.size;
    }
    *at = 0;
    return sql;
}

/* ---- AND-terms --------------------------------------------------------- */

/* Where a walk over tokens is inside parentheses or CASE ... END. */
struct nesting {
    size_t parentheses, cases, betweens;
};

static bool is_outside(const struct nesting *nesting)
{
    return nesting->parentheses == 0 && nesting->cases == 0;
}

/* Take `token` in; true when it is an AND that joins two terms here. */
static bool nesting_step(struct nesting *nesting,
                         const struct rules_token *token)
{
    if (token->kind == RULES_TOKEN_OPEN) {
        nesting->parentheses++;
    } else if (token->kind == RULES_TOKEN_CLOSE) {
        nesting->parentheses--;
    } else if (nesting->parentheses == 0 && rules_token_is(token, "CASE")) {
        nesting->cases++;
    } else if (nesting->parentheses == 0 && nesting->cases > 0) {
        nesting->cases -= rules_token_is(token, "END");
    } else if (is_outside(nesting) && rules_token_is(token, "BETWEEN")) {
        nesting->betweens++;
    } else if (is_outside(nesting) && rules_token_is(token, "AND")) {
        if (nesting->betweens == 0) {
            return true;
        }
        nesting->betweens--; /* BETWEEN a AND b */
    }
    return false;
}

/* Words that bind looser than AND, or begin something that is no conjunction.
 */
static bool forbids_splitting(const struct rules_token *token)
{
    static const char *const WORDS[] = { "OR", "SELECT", "VALUES", "WITH" };
    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++) {
        if (rules_token_is(token, WORDS[i])) {
            return true;
        }
    }
    return false;
}

/* `(a AND b)` is `a AND b`. */
static struct rules_tokens unwrap(struct rules_tokens tokens)
{
    while (tokens.count > 2 && tokens.items[0].kind == RULES_TOKEN_OPEN) {
        size_t depth = 0;
        size_t i = 0;
        do {
            depth += tokens.items[i].kind == RULES_TOKEN_OPEN;
            depth -= tokens.items[i].kind == RULES_TOKEN_CLOSE;
            i++;
        } while (depth > 0);
        if (i < tokens.count) {
            break;
        }
        tokens.items++;
        tokens.count -= 2;
    }
    return tokens;
}

/* How many terms; 1 when it cannot be split. */
static size_t count_terms(const struct rules_tokens *tokens)
{
    struct nesting nesting = { 0 };
    size_t count = 1;
    for (size_t i = 0; i < tokens->count; i++) {
        const struct rules_token *token = &tokens->items[i];
        if (is_outside(&nesting) && forbids_splitting(token)) {
            return 1;
        }
        count += nesting_step(&nesting, token);
    }
    return count;
}

size_t rules_split_terms(const struct rules_tokens *tokens,
                         struct ts_arena *arena,
                         struct rules_tokens **ret_terms)
{
    struct rules_tokens inner = unwrap(*tokens);
    size_t count = count_terms(&inner);
    struct rules_tokens *terms = ts_arena_array(arena, count, sizeof *terms);
    if (terms == NULL) {
        return 0;
    }
    *ret_terms = terms;
    terms[0] = inner;
    if (count == 1) {
        return 1;
    }
    struct nesting nesting = { 0 };
    size_t at = 0;
    terms[0].count = 0;
    for (size_t i = 0; i < inner.count; i++) {
        if (nesting_step(&nesting, &inner.items[i])) {
            at++;
            terms[at].items = &inner.items[i + 1];
        } else {
            terms[at].count++;
        }
    }
    return count;
}
