#include "node/config/build.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistr.h>

#include "node/config/check.h"

/* ---- the document that libcyaml reads ----------------------------------- */

/* Double-quoted, with all that could mean something escaped. */
static void put_text(FILE *out, const char *text)
{
    const uint8_t *next = (const uint8_t *) text;
    ucs4_t c;
    (void) putc('"', out);
    while ((next = u8_next(&c, next)) != NULL) {
        if (c >= ' ' && c < 0x7f && c != '"' && c != '\\') {
            (void) putc((int) c, out);
        } else {
            (void) fprintf(out, "\\U%08x", (unsigned) c);
        }
    }
    (void) fputs("\"\n", out);
}

static void put_key(FILE *out, const char *key)
{
    (void) fprintf(out, "%s: ", key);
}

static void put_section(FILE *out, const struct config_section *section,
                        const struct config_node *map);

static void put_texts(FILE *out, const struct config_node *node)
{
    (void) fputs("[\n", out);
    if (node->kind == CONFIG_NODE_TEXT) { /* one text where a list may be */
        put_text(out, node->text);
    } else {
        for (const struct config_node *item = node->children; item != NULL;
             item = item->next) {
            put_text(out, item->text);
            (void) fputs(item->next == NULL ? "" : ",\n", out);
        }
    }
    (void) fputs("]\n", out);
}

static void put_map(FILE *out, const struct config_section *section,
                    const struct config_node *map)
{
    (void) fputs("[\n", out);
    for (const struct config_node *item = map->children; item != NULL;
         item = item->next) {
        (void) fputs("{ ", out);
        put_key(out, section->options[0].name);
        put_text(out, item->key);
        (void) fputs(", ", out);
        put_key(out, section->options[1].name);
        if (section->options[1].type == CONFIG_TEXTS) {
            put_texts(out, item);
        } else {
            put_text(out, item->text);
        }
        if (section->option_count == 3) { /* the line */
            (void) fprintf(out, ", %s: %u\n", section->options[2].name,
                           item->mark.line);
        }
        (void) fputs(item->next == NULL ? "}\n" : "},\n", out);
    }
    (void) fputs("]\n", out);
}

static void put_sections(FILE *out, const struct config_section *section,
                         const struct config_node *list)
{
    (void) fputs("[\n", out);
    for (const struct config_node *item = list->children; item != NULL;
         item = item->next) {
        put_section(out, section, item);
        (void) fputs(item->next == NULL ? "" : ",\n", out);
    }
    (void) fputs("]\n", out);
}

/* What stands in the file. */
static void put_given(FILE *out, const struct config_option *option,
                      const struct config_node *node)
{
    switch (option->type) {
    case CONFIG_TEXTS:
        put_texts(out, node);
        return;
    case CONFIG_MAP:
        put_map(out, option->section, node);
        return;
    case CONFIG_SECTIONS:
        put_sections(out, option->section, node);
        return;
    case CONFIG_SECTION:
    case CONFIG_SECTION_OPTIONAL:
        put_section(out, option->section, node);
        return;
    case CONFIG_SECONDS:
        (void) fprintf(out, "%u\n", config_milliseconds(node->text));
        return;
    case CONFIG_TEXT:
    case CONFIG_NUMBER:
    case CONFIG_SWITCH:
    case CONFIG_WORD:
    case CONFIG_LINE:
        break;
    }
    put_text(out, node->text);
}

/* What the file leaves to us; nothing for options that may be absent. */
static void put_default(FILE *out, const struct config_option *option,
                        const struct config_node *map)
{
    if (option->type == CONFIG_LINE) {
        const struct config_node *of = config_tree_child(map, option->of);
        put_key(out, option->name);
        (void) fprintf(out, "%u,\n", of == NULL ? 0 : of->mark.line);
    } else if (option->type == CONFIG_SECTION) {
        put_key(out, option->name);
        put_section(out, option->section, NULL);
        (void) fputs(",\n", out);
    } else if (option->fallback != NULL) {
        put_key(out, option->name);
        if (option->type == CONFIG_SECONDS) {
            (void) fprintf(out, "%u", config_milliseconds(option->fallback));
        } else {
            put_text(out, option->fallback);
        }
        (void) fputs(",\n", out);
    }
}

static void put_section(FILE *out, const struct config_section *section,
                        const struct config_node *map)
{
    (void) fputs("{\n", out);
    for (uint32_t i = 0; i < section->option_count; i++) {
        const struct config_option *option = &section->options[i];
        const struct config_node *node = config_tree_child(map, option->name);
        if (node == NULL) {
            put_default(out, option, map);
        } else {
            put_key(out, option->name);
            put_given(out, option, node);
            (void) fputs(",\n", out);
        }
    }
    (void) fputs("}\n", out);
}

/* ---- libcyaml ----------------------------------------------------------- */

static const cyaml_config_t settings = {
    .mem_fn = cyaml_mem,
    .log_level = CYAML_LOG_ERROR,
    .flags = CYAML_CFG_NO_ALIAS,
};

enum ts_code config_build(const struct config_node *root,
                          struct config **ret_config, struct ts_err *err)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not build the configuration");
    }
    put_section(out, &config_table, root);
    bool failed = ferror(out) != 0;
    failed |= fclose(out) != 0 || text == NULL;

    struct config_schema schema;
    cyaml_data_t *data = NULL;
    cyaml_err_t result = CYAML_ERR_OOM;
    if (!failed) {
        config_schema_init(&schema);
        result = cyaml_load_data((const uint8_t *) text, size, &settings,
                                 &schema.top, &data, NULL);
    }
    free(text);
    /* The document is ours and well-formed: where libyaml stops, memory ended.
     */
    if (result == CYAML_ERR_OOM || result == CYAML_ERR_LIBYAML_PARSER ||
        result == CYAML_ERR_LIBYAML_PARSER_INIT) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not build the configuration");
    }
    if (result != CYAML_OK) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "could not build the configuration: libcyaml: %s",
                       cyaml_strerror(result));
    }
    *ret_config = data;
    return TS_OK;
}

void config_free(struct config *config)
{
    struct config_schema schema;
    if (config != NULL) {
        config_schema_init(&schema);
        (void) cyaml_free(&settings, &schema.top, config, 0);
    }
}
