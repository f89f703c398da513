#include "node/config/loader.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "node/base/cleanup.h"
#include "node/base/secret.h"
#include "node/config/build.h"
#include "node/config/check.h"
#include "node/config/cross.h"

/* Nodes of a file of CONFIG_SIZE_MAX, with room. */
#define ARENA_SIZE_MAX ((size_t) 16 * 1024 * 1024)

/* ---- the file ----------------------------------------------------------- */

static enum ts_code open_file(const char *path, int *ret_fd, struct ts_err *err)
{
    struct stat st = { 0 };
    TS_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return ts_fail(err, errno == ENOENT ? TS_E_NOT_FOUND : TS_E_IO, errno,
                       "could not open the configuration \"%s\"", path);
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        return ts_fail(err, TS_E_IO, 0,
                       "cannot read the configuration \"%s\": it is not a "
                       "regular file",
                       path);
    }
    *ret_fd = ts_take_fd(&fd);
    return TS_OK;
}

/* Owns     *ret_text is the caller's to free. */
static enum ts_code read_file(const char *path, char **ret_text,
                              size_t *ret_size, struct ts_err *err)
{
    TS_AUTOCLOSE int fd = -1;
    enum ts_code code = open_file(path, &fd, err);
    if (code != TS_OK) {
        return code;
    }
    TS_AUTOFREE char *text = malloc(CONFIG_SIZE_MAX + 1);
    if (text == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not load \"%s\"", path);
    }
    size_t size = 0;
    ssize_t n = 1;
    while (n != 0 && size <= CONFIG_SIZE_MAX) {
        n = read(fd, text + size, CONFIG_SIZE_MAX + 1 - size);
        if (n < 0) {
            return ts_fail(err, TS_E_IO, errno,
                           "could not read the configuration \"%s\"", path);
        }
        size += (size_t) n;
    }
    if (size > CONFIG_SIZE_MAX) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot read the configuration \"%s\": it is over the "
                       "limit of %zu bytes",
                       path, CONFIG_SIZE_MAX);
    }
    *ret_text = text;
    text = NULL;
    *ret_size = size;
    return TS_OK;
}

/* ---- what it names ------------------------------------------------------ */

/* Could we read the file that `node` names, and nobody else where it is a
 * secret? */
static enum ts_code check_file(struct config_problems *problems,
                               const struct config_option *option,
                               const struct config_node *node)
{
    struct ts_err err = { .text = "" };
    if (option->format == CONFIG_SECRET) {
        if (ts_secret_check(node->text, &err) == TS_OK) {
            return TS_OK;
        }
    } else {
        TS_AUTOCLOSE int fd =
            open(node->text, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd >= 0) {
            return TS_OK;
        }
        (void) ts_fail(&err, TS_E_IO, errno, "could not open \"%s\"",
                       config_shown(node->text).text);
    }
    return config_complain(problems, node->mark, "%s", err.text);
}

static enum ts_code check_files(struct config_problems *problems,
                                const struct config_section *section,
                                const struct config_node *map)
{
    enum ts_code code = TS_OK;
    for (const struct config_node *item = map->children; item != NULL;
         item = item->next) {
        const struct config_option *option =
            config_table_find(section, item->key);
        enum ts_code bad = TS_OK;
        if (option->type == CONFIG_SECTION ||
            option->type == CONFIG_SECTION_OPTIONAL) {
            bad = check_files(problems, option->section, item);
        } else if (option->type == CONFIG_SECTIONS) {
            for (const struct config_node *one = item->children; one != NULL;
                 one = one->next) {
                enum ts_code worse =
                    check_files(problems, option->section, one);
                bad = bad != TS_OK ? bad : worse;
            }
        } else if (option->type == CONFIG_TEXT &&
                   (option->format == CONFIG_FILE ||
                    option->format == CONFIG_SECRET)) {
            bad = check_file(problems, option, item);
        }
        code = code != TS_OK ? code : bad;
    }
    return code;
}

/* ---- the steps ---------------------------------------------------------- */

enum names {
    NAMES_UNSEEN, /* files that are named need not be there */
    NAMES_CHECKED
};

static enum ts_code load(struct ts_slice text, enum names names,
                         struct config_problems *problems,
                         struct config **ret_config)
{
    struct ts_arena arena;
    struct config_node *root = NULL;
    struct config *config = NULL;
    ts_arena_init(&arena, ARENA_SIZE_MAX);

    enum ts_code code = config_tree_parse(text, &arena, problems, &root);
    if (code == TS_OK) {
        code = config_check_tree(root, problems);
    }
    if (code == TS_OK) {
        code = config_build(root, &config, &problems->items[0]);
        problems->count = code != TS_OK;
    }
    if (code == TS_OK) {
        code = config_check_cross(config, root, problems);
    }
    if (code == TS_OK && names == NAMES_CHECKED) {
        code = check_files(problems, &config_table, root);
    }
    ts_arena_done(&arena);
    if (code != TS_OK) {
        config_free(config);
        return code;
    }
    *ret_config = config;
    return TS_OK;
}

/* Problems are collected even when the caller wants only the first. */
static enum ts_code finish(enum ts_code code,
                           const struct config_problems *problems,
                           struct ts_err *err)
{
    if (code != TS_OK && err != NULL) {
        *err = problems->items[0];
    }
    return code;
}

enum ts_code config_parse(struct ts_slice text, const char *name,
                          struct config **ret_config,
                          struct config_problems *problems, struct ts_err *err)
{
    struct config_problems own;
    struct config_problems *p = problems == NULL ? &own : problems;
    p->file = name;
    p->count = 0;
    return finish(load(text, NAMES_UNSEEN, p, ret_config), p, err);
}

enum ts_code config_load(const char *path, struct config **ret_config,
                         struct config_problems *problems, struct ts_err *err)
{
    struct config_problems own;
    struct config_problems *p = problems == NULL ? &own : problems;
    TS_AUTOFREE char *text = NULL;
    size_t size = 0;
    p->file = path;
    p->count = 0;
    enum ts_code code = read_file(path, &text, &size, &p->items[0]);
    if (code != TS_OK) {
        p->count = 1;
    } else {
        code = load(ts_slice(text, size), NAMES_CHECKED, p, ret_config);
    }
    return finish(code, p, err);
}
