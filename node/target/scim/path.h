/*
 * path -- the names of values inside a SCIM resource (RFC 7644 section 3.10).
 *
 *   userName                                  an attribute
 *   name.givenName                            a sub-attribute
 *   emails[type eq "work"].value              of the element that matches
 *   urn:…:enterprise:2.0:User:department      of a schema extension
 *
 * Of the filter language only `attribute eq value` is taken, because only that
 * tells how to make the element when there is none yet. Attribute names are
 * compared without regard to case (RFC 7643 section 2.1).
 */
#ifndef NODE_TARGET_SCIM_PATH_H
#define NODE_TARGET_SCIM_PATH_H

#include <jansson.h>

#include "node/base/arena.h"
#include "node/base/err.h"
#include "node/config/config.h"

#define SCIM_PATH_SIZE_MAX 512
#define SCIM_URN_USER      "urn:ietf:params:scim:schemas:core:2.0:User"
#define SCIM_URN_GROUP     "urn:ietf:params:scim:schemas:core:2.0:Group"
#define SCIM_URN_ENTERPRISE \
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

/* Slices point into the text that was parsed. */
struct scim_path {
    struct ts_slice text;
    struct ts_slice urn; /* empty for the kind's core schema */
    struct ts_slice attribute;
    struct ts_slice filter_name; /* empty: no filter */
    bool filter_flag;            /* the filter's value is true or false */
    struct ts_slice filter_value;
    struct ts_slice sub; /* empty: the attribute itself */
};

/* Errors   TS_E_CONFIG. */
TS_MUSTUSE enum ts_code scim_path_parse(struct ts_slice text,
                                        struct scim_path *ret_path,
                                        struct ts_err *err);

bool scim_name_equal(struct ts_slice a, const char *b);

/* Member `name` in any case, or NULL; `object` may be of any type. */
json_t *scim_member(json_t *object, struct ts_slice name);
/* Set it, under the spelling that is there, else as given. Takes `value` over,
 * also on failure (out of memory: false). */
bool scim_member_set(json_t *object, struct ts_slice name, json_t *value);
void scim_member_remove(json_t *object, struct ts_slice name);

/* The attribute that the path names (filter and sub-attribute left aside) in
 * `resource`, or NULL. */
json_t *scim_path_attribute(const struct scim_path *path, json_t *resource);
/* Does an element of a multi-valued attribute match the path's filter? */
bool scim_path_matches(const struct scim_path *path, json_t *element);
size_t scim_path_match_count(const struct scim_path *path, json_t *resource);
/* A fresh element that matches; NULL: out of memory. */
json_t *scim_path_new_element(const struct scim_path *path);

/* Put `value` (taken over) at the path, making what lies on the way; every
 * other value stays. With several matching elements the first one keeps it
 * and the others go.
 * Errors   false: something of another type is in the way, or no memory. */
bool scim_path_put(const struct scim_path *path, json_t *resource,
                   json_t *value);
/* Take the value at the path away; an element in which nothing is left but the
 * filter's own value goes with it. */
void scim_path_clear(const struct scim_path *path, json_t *resource);

/* "emails" with its URN, without filter and sub-attribute, as a C string.
 * Errors   NULL: out of memory. */
const char *scim_path_whole(const struct scim_path *path,
                            struct ts_arena *arena);

#endif
