/*
 * describe -- the table of options for editors and for people.
 */
#ifndef NODE_CONFIG_DESCRIBE_H
#define NODE_CONFIG_DESCRIBE_H

#include <jansson.h>
#include <stdio.h>

#include "node/base/err.h"

#define CONFIG_SCHEMA_URI "https://json-schema.org/draft/2020-12/schema"

/* JSON Schema of the file. It knows all that the table knows; names that must
 * exist elsewhere, DNs and what leaves the computer in clear only the loader
 * judges. Owns: a new reference. Errors: NULL when out of memory. */
json_t *config_schema(void);

/* The options section of twinsync.yaml(5), in mdoc(7). The caller sees to
 * ferror(out). */
void config_manual(FILE *out);

#endif
