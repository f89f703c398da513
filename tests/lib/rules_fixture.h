/*
 * rules_fixture -- a small directory, one person and a target, for tests of
 * rules.
 *
 * fixture_eval("fold(mail)") compiles the expression as the flow of the
 * single-valued path "text", evaluates it for the person and says what came of
 * it as one string:
 *
 *   the value, or values joined by "|"     NULL     CLEAR     KEEP
 *   "problem: ..." (evaluated and failed)  "refused: ..." (not compiled)
 *
 * The string lives until the next call.
 */
#ifndef TESTS_LIB_RULES_FIXTURE_H
#define TESTS_LIB_RULES_FIXTURE_H

#include "node/rules/rules.h"

/* Paths: text, texts (multi-valued), number, truth, object, objects; every
 * other path is unknown except those that begin with "p". */
extern const struct rules_world FIXTURE_WORLD;
extern const char FIXTURE_SOURCE[];

/* The person: see the table in rules_fixture.c. */
struct rules_input fixture_person(struct ts_arena *arena);
/* Add one attribute with values up to a NULL. */
struct ts_entry fixture_entry_add(struct ts_arena *arena, struct ts_entry entry,
                                  const char *name, ...);

const char *fixture_eval(const char *expression);
const char *fixture_eval_path(const char *path, const char *expression);
/* The same on another input. */
const char *fixture_eval_input(const char *path, const char *expression,
                               const struct rules_input *input);
/* Describe the attribute called `path` of an entry as above. */
const char *fixture_describe(const struct ts_entry *entry, const char *path);

/* A rule for users of FIXTURE_SOURCE; strings are borrowed. */
struct config_rule fixture_rule(const char *when, struct config_flow *flows,
                                size_t count);
struct config_flow fixture_flow(const char *path, const char *expression);

#endif
