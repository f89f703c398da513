/* schema.h -- what a directory's subschema subentry says of attribute types. */
#ifndef NODE_SOURCE_SCHEMA_H
#define NODE_SOURCE_SCHEMA_H

#include "node/ldap/session.h"
#include "node/source/source.h"

/* How values of a type are compared. */
enum schema_matching {
    SCHEMA_MATCHES_BY_RULE,  /* RFC 4512: by the type's equality rule */
    SCHEMA_MATCHES_BY_SYNTAX /* Active Directory, which names no rules */
};

struct source_schema {
    struct source_attribute *attributes;
    size_t count;
};

/* Contract of source_schema(), over a connected session. */
TS_MUSTUSE enum ts_code
source_schema_read(struct ldap_session *session, const char *subschema,
                   enum schema_matching matching, struct ts_arena *arena,
                   struct source_schema *ret_schema, struct ts_err *err);

#endif
