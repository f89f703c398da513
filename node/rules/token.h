/*
 * token -- an expression cut into SQL tokens.
 *
 * SQLite compiles the expressions, but three questions are asked before it
 * sees them: which names occur (only those become columns of the input row),
 * which attributes vals(), has(), n() and first() name, and where a `when` can
 * be cut into AND-terms. The cutting follows SQLite's own tokenizer
 * (sqlite3GetToken), so both always see the same boundaries.
 *
 * Refused here, because wrapped in "SELECT (...)" it would mean something else:
 * a statement's end (;), parameters (?, :x, @x, $x), parentheses that do not
 * pair up, a comma outside parentheses, an unfinished quote or comment.
 */
#ifndef NODE_RULES_TOKEN_H
#define NODE_RULES_TOKEN_H

#include "node/base/arena.h"
#include "node/base/err.h"

#define RULES_EXPRESSION_SIZE_MAX ((size_t) 64 * 1024)

enum rules_token_kind {
    RULES_TOKEN_WORD,   /* bare name or keyword */
    RULES_TOKEN_QUOTED, /* "x", `x`, [x]: always a name */
    RULES_TOKEN_STRING, /* 'x' */
    RULES_TOKEN_OPEN,
    RULES_TOKEN_CLOSE,
    RULES_TOKEN_COMMA,
    RULES_TOKEN_OTHER /* numbers, x'00', operators */
};

struct rules_column;

struct rules_token {
    enum rules_token_kind kind;
    struct ts_slice text; /* as written; borrows the expression */
    /* Set by names.c: this token is the argument that names an attribute. */
    struct rules_column *column;
};

struct rules_tokens {
    struct rules_token *items;
    size_t count;
};

/* Cut `expression` up; white space and comments are dropped.
 * Owns     tokens are in `arena` and borrow `expression`.
 * Errors   TS_E_CONFIG: a fragment such as "a quote is not closed". */
TS_MUSTUSE enum ts_code rules_tokenize(const char *expression,
                                       struct ts_arena *arena,
                                       struct rules_tokens *ret_tokens,
                                       struct ts_err *err);

/* The name or string inside the quotes, or the word itself.
 * Errors   NULL: out of memory. */
const char *rules_token_content(const struct rules_token *token,
                                struct ts_arena *arena);
/* A bare word equal to `word`, without regard to ASCII case. */
bool rules_token_is(const struct rules_token *token, const char *word);

#endif
