/*
 * schema -- what a SCIM service knows about its attributes, and can do.
 *
 * Filled from /ServiceProviderConfig, /ResourceTypes and /Schemas where the
 * service answers them, else from RFC 7643 section 4 (a table in
 * schema_builtin.c). Reading is tolerant of what it does not know and strict in
 * what it believes: every text and list is bounded, an attribute of an unknown
 * type is left out.
 */
#ifndef NODE_TARGET_SCIM_SCHEMA_H
#define NODE_TARGET_SCIM_SCHEMA_H

#include <jansson.h>

#include "node/base/entry.h"
#include "node/target/scim/path.h"

enum {
    SCIM_SCHEMA_ATTRIBUTES_MAX = 4000,
    SCIM_BULK_OPERATIONS_MAX = 1000,
    SCIM_BULK_PAYLOAD_MAX = 8 * 1024 * 1024,
    SCIM_PAGE_MAX = 500
};
#define SCIM_SCHEMA_MEMORY_MAX ((size_t) 4 * 1024 * 1024)

struct scim_attribute {
    const char *urn; /* "" for the core schema of `kind` */
    const char *name;
    const char *sub; /* "" for the attribute itself */
    enum config_kind kind;
    enum ts_kind value; /* TEXT, INTEGER, BOOLEAN, JSON (complex, decimal) */
    bool multi_valued;  /* of the attribute, not the sub-attribute */
    bool unique;
    bool case_exact;
    bool required;
    bool returned; /* by default: absent means empty */
};

struct scim_schema {
    struct ts_arena arena;
    struct scim_attribute *attributes;
    size_t attribute_count;
    bool read; /* from the service; false: RFC 7643 */

    const char *endpoint[CONFIG_KINDS]; /* "/Users" */
    bool patch, etag, filter, bulk;
    size_t bulk_operations_max, bulk_payload_max;
    size_t page_size;
};

/* RFC 7643 and the most careful capabilities. Errors: false, no memory. */
bool scim_schema_init(struct scim_schema *schema);
void scim_schema_done(struct scim_schema *schema);

/* Take over what an answer says; anything unusable in it leaves what was
 * there. `json` is borrowed. */
void scim_schema_take_config(struct scim_schema *schema, json_t *json);
void scim_schema_take_types(struct scim_schema *schema, json_t *json);
void scim_schema_take_schemas(struct scim_schema *schema, json_t *json);

/* NULL when the service has none such. */
const struct scim_attribute *scim_schema_find(const struct scim_schema *schema,
                                              enum config_kind kind,
                                              const struct scim_path *path);
/* As above with a sentence that names the nearest path there is.
 * Errors   TS_E_NOT_FOUND. */
TS_MUSTUSE enum ts_code scim_schema_lookup(const struct scim_schema *schema,
                                           enum config_kind kind,
                                           const struct scim_path *path,
                                           const struct scim_attribute **ret,
                                           struct ts_err *err);

/* schema_builtin.c */
extern const struct scim_attribute scim_builtin[];
extern const size_t scim_builtin_count;

#endif
