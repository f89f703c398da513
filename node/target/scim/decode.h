/*
 * decode -- a service's JSON into what the engine compares.
 *
 * Only the paths that are flowed are read, and what tells whether an object is
 * an administrator or a service identity (`roles`, `userType`), which is never
 * taken over; those are guessed at, and of no use when of another shape. A
 * value of another type than the schema says is an error of that answer, not a
 * guess: a number where a text belongs would otherwise be "corrected" for ever.
 *
 * Absent, null, an empty list and an empty text are all "no value" (RFC 7643
 * section 2.5).
 */
#ifndef NODE_TARGET_SCIM_DECODE_H
#define NODE_TARGET_SCIM_DECODE_H

#include "node/target/scim/schema.h"
#include "node/target/target.h"

#define SCIM_ID_SIZE_MAX 1024
/* Members of one group in one answer; the answer's size bounds them first. */
#define SCIM_LINKS_MAX 500000

/* Where the object was read from. An answer to a write may leave out what it
 * was not asked for; a read may not. */
enum scim_origin {
    SCIM_FROM_READ,
    SCIM_FROM_WRITE
};

struct scim_reader {
    const struct scim_schema *schema;
    const struct target_paths *paths;
    enum config_kind kind;
    enum scim_origin origin;
    const char *self;       /* the userName of our own account, or NULL */
    struct ts_arena *arena; /* what is returned lives here */
};

/* Errors   TS_E_PROTOCOL (not an object, no id, wrong type), TS_E_LIMIT. */
TS_MUSTUSE enum ts_code scim_decode_object(const struct scim_reader *reader,
                                           json_t *json,
                                           struct target_object *ret_object,
                                           struct ts_err *err);

/* A list answer (RFC 7644 section 3.4.2). `resources` belongs to `json`. */
struct scim_page {
    size_t total;
    json_t *resources; /* NULL when empty */
    size_t count;
};
TS_MUSTUSE enum ts_code
scim_decode_page(json_t *json, struct scim_page *ret_page, struct ts_err *err);

#define SCIM_DETAIL_SIZE 200
/* What an error answer says (RFC 7644 section 3.12), as far as it does: empty
 * texts otherwise. Control characters are replaced. */
struct scim_complaint {
    char type[32]; /* scimType */
    char detail[SCIM_DETAIL_SIZE];
};
void scim_decode_complaint(struct ts_slice body, struct scim_complaint *ret);

/* Is this content type JSON? NULL is not. */
bool scim_is_json(const char *content_type);

#endif
