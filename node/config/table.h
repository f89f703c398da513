/*
 * table -- every option once: the source of parsing, defaults and manual.
 *
 *                    +--> check.c     is the YAML what the table allows?
 *                    +--> document.c  what libcyaml turns into structs
 *   table of options +--> print.c     structs to JSON and YAML
 *                    +--> schema.c    JSON Schema
 *                    +--> manual.c    twinsync.yaml(5)
 *
 * An option that is not here does not exist; one that is here is parsed,
 * defaulted, range-checked, printed and documented without another line of
 * code. What one row cannot say (two options that exclude each other are rows
 * of the section; a name that must exist elsewhere) is in cross.c.
 *
 * Invariants:
 *   T1  `offset` and `count_offset` point at the member that `type` says.
 *   T2  every default passes the option's own check.
 */
#ifndef NODE_CONFIG_TABLE_H
#define NODE_CONFIG_TABLE_H

#include <cyaml/cyaml.h>

#include "node/config/config.h"

enum config_option_type {
    CONFIG_TEXT,             /* char * */
    CONFIG_NUMBER,           /* uint32_t */
    CONFIG_SECONDS,          /* uint32_t of milliseconds: "0.5" is 500 */
    CONFIG_SWITCH,           /* bool */
    CONFIG_WORD,             /* enum, one of `words` */
    CONFIG_SECTION,          /* embedded struct; absent means all defaults */
    CONFIG_SECTION_OPTIONAL, /* pointer to struct; absent means NULL */
    CONFIG_TEXTS,            /* char ** and count */
    CONFIG_SECTIONS,         /* array of structs and count */
    CONFIG_MAP,              /* operator's own keys: array of structs whose
                                first option is the key, the second the value */
    CONFIG_LINE              /* uint32_t: line of the option that `of` names;
                                not an option for people */
};

/* What a text must look like. */
enum config_format {
    CONFIG_ANY,        /* printable text */
    CONFIG_NAME,       /* [a-z0-9-]{1,32} */
    CONFIG_FOLDER,     /* absolute path */
    CONFIG_FILE,       /* absolute path of a file that we can read */
    CONFIG_SECRET,     /* as CONFIG_FILE, for node/base/secret.h */
    CONFIG_LDAP_URIS,  /* ldap://, ldaps://, ldapi://, separated by spaces */
    CONFIG_URL,        /* http:// or https:// without user and fragment */
    CONFIG_ENDPOINT,   /* tcp://ADDRESS:PORT */
    CONFIG_DN,         /* RFC 4514 */
    CONFIG_FILTER,     /* RFC 4515, in brackets */
    CONFIG_ATTRIBUTE,  /* RFC 4512 attribute description */
    CONFIG_EXPRESSION, /* SQL; may have several lines */
    CONFIG_FORMATS
};

struct config_option {
    const char *name;
    enum config_option_type type;
    enum config_format format; /* of a text, or of each of several */
    bool required;
    bool local;  /* says where something is on this computer, not
                    what is done: not part of the fingerprint */
    bool effect; /* decides what is written: part of config_effect(), with
                    the sections around it */
    uint32_t offset, count_offset;
    uint32_t min, max;    /* NUMBER: value; SECONDS: milliseconds; texts:
                             bytes; lists: items */
    const char *fallback; /* the default, as one would write it */
    const cyaml_strval_t *words;
    uint32_t word_count;
    const struct config_section *section;
    const char *only_if, *only_is; /* applies only where that sibling has that
                                      word */
    const char *of;                /* LINE */
    const char *help;              /* one or two sentences */
};

struct config_section {
    const char *title; /* for the manual page */
    const struct config_option *options;
    uint32_t option_count;
    uint32_t size;              /* of the struct */
    const char *exactly_one[2]; /* two options of which exactly one is given */
    const char *both[2];        /* two options that need each other */
};

/* Bytes of one text of a list. */
#define CONFIG_ITEM_MAX 1024

/* The whole file. */
extern const struct config_section config_table;

const struct config_option *
config_table_find(const struct config_section *section, const char *name);

/* All sections and options as libcyaml wants them; no memory to give back.
 * Asserts T1's sizes. */
#define CONFIG_SCHEMA_FIELDS_MAX 256
#define CONFIG_SCHEMA_VALUES_MAX 48
struct config_schema {
    cyaml_schema_value_t top;
    cyaml_schema_field_t fields[CONFIG_SCHEMA_FIELDS_MAX];
    cyaml_schema_value_t values[CONFIG_SCHEMA_VALUES_MAX];
    size_t field_count, value_count;
};
void config_schema_init(struct config_schema *schema);

#endif
