/*
 * loader -- from a YAML file to a struct config that can be trusted.
 *
 *   bytes --tree.c--> nodes with positions --check.c--> allowed by the table
 *         --build.c (libcyaml)--> struct config --cross.c--> fits together
 *         --here--> its secrets and files can be read
 *
 * Invariants:
 *   L1  nothing is ignored: an unknown key, a key given twice, an option where
 *       it does not apply is an error, never a default.
 *   L2  every error begins with FILE:LINE:COLUMN (both from 1) of what is wrong
 *       or, for what is missing, of what it is missing in.
 *   L3  what was loaded prints (print.h) to YAML that loads to the same.
 *   L4  no anchors, aliases, tags or second documents: a file is as large as
 *       it looks.
 */
#ifndef NODE_CONFIG_LOADER_H
#define NODE_CONFIG_LOADER_H

#include "node/base/err.h"
#include "node/base/slice.h"
#include "node/config/config.h"

#define CONFIG_DEFAULT_PATH "/etc/twinsync/twinsync.yaml"
#define CONFIG_SIZE_MAX     ((size_t) 1024 * 1024)
#define CONFIG_PROBLEMS_MAX 16

/* All that is wrong with a file, in the order in which it was found; later
 * steps are only taken when earlier ones found nothing. */
struct config_problems {
    const char *file; /* as named in the messages */
    size_t count;     /* of `items`; more problems than fit are not kept */
    struct ts_err items[CONFIG_PROBLEMS_MAX];
};

/* Load `path`; `problems` may be NULL.
 * Owns     free with config_free.
 * Errors   TS_E_NOT_FOUND, TS_E_IO, TS_E_LIMIT (the file); TS_E_CONFIG (what it
 *          says, and what its secrets allow others); TS_E_NOMEM. `err` holds
 *          the first problem.
 * Blocks   on the disk.
 * Limit    CONFIG_SIZE_MAX. */
TS_MUSTUSE enum ts_code config_load(const char *path,
                                    struct config **ret_config,
                                    struct config_problems *problems,
                                    struct ts_err *err);

/* The same for bytes in memory, which messages call `name`. Does not look at
 * the secrets and files that are named. */
TS_MUSTUSE enum ts_code config_parse(struct ts_slice text, const char *name,
                                     struct config **ret_config,
                                     struct config_problems *problems,
                                     struct ts_err *err);

/* NULL is fine. */
void config_free(struct config *config);

#endif
