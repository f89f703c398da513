/*
 * compose -- an operation into the JSON that performs it.
 *
 * What no flow names is never touched. That decides how a value inside a
 * multi-valued attribute is changed, such as emails[type eq "work"].value:
 * RFC 7644 section 3.5.2.3 lets a service refuse (noTarget) a replacement whose
 * filter matches nothing, and none says what happens when two elements match.
 * So the object is read first, and then
 *
 *   no element matches    add the whole element to the attribute
 *   one does              replace, or remove, just the sub-attribute
 *   one does, and nothing else is left in it when cleared   remove the element
 *   several do            replace the attribute: the first one with our value,
 *                         every element that does not match as it was
 *
 * Where the service has no PATCH, the object that was read is sent back with
 * only our values changed.
 */
#ifndef NODE_TARGET_SCIM_COMPOSE_H
#define NODE_TARGET_SCIM_COMPOSE_H

#include "node/target/scim/schema.h"
#include "node/target/target.h"

#define SCIM_URN_PATCH "urn:ietf:params:scim:api:messages:2.0:PatchOp"

struct scim_writer {
    const struct scim_schema *schema;
    struct ts_arena *arena; /* for texts on the way */
    const char **attribute; /* on error: the path at fault, else untouched */
};

/* Must the object be read before this update can be composed? */
bool scim_needs_current(const struct scim_schema *schema,
                        const struct target_op *op);

/* The body for POST, PATCH (`current` as read, or NULL) and PUT (`current`,
 * changed in place).
 * Owns     the result: json_decref.
 * Errors   TS_E_REFUSED: a value or path that the service cannot take;
 *          TS_E_NOMEM. */
TS_MUSTUSE enum ts_code scim_compose_create(const struct scim_writer *writer,
                                            const struct target_op *op,
                                            json_t **ret_json,
                                            struct ts_err *err);
TS_MUSTUSE enum ts_code scim_compose_patch(const struct scim_writer *writer,
                                           const struct target_op *op,
                                           json_t *current, json_t **ret_json,
                                           struct ts_err *err);
TS_MUSTUSE enum ts_code scim_compose_put(const struct scim_writer *writer,
                                         const struct target_op *op,
                                         json_t *current, struct ts_err *err);

/* `attribute eq "value"` with the value quoted as JSON (RFC 7644 section
 * 3.4.2.2), as a C string. Errors: NULL, not UTF-8 or no memory. */
const char *scim_compose_filter(struct ts_arena *arena, const char *attribute,
                                struct ts_slice value);

#endif
