/* configured -- the register that a configuration names, as options. */
#ifndef NODE_REGISTER_CONFIGURED_H
#define NODE_REGISTER_CONFIGURED_H

#include "node/config/config.h"
#include "node/register/register.h"

#define REGISTER_CONFIGURED_PATH 4096

/* The options, and what they point to beside the configuration. */
struct register_configured {
    struct register_options options;
    char own_file[REGISTER_CONFIGURED_PATH];
    char certificate_file[REGISTER_CONFIGURED_PATH];
    char manual_file[REGISTER_CONFIGURED_PATH];
    char key[256];
    const char **source_bases;
};

/* `config` and `secrets` (NULL: the files rule) must outlive the result, which
 * must stay where it is. Owns     register_configured_done(), also after an
 * error. Errors   TS_E_CONFIG (no register, a path too long), TS_E_NOMEM. */
TS_MUSTUSE enum ts_code register_options_of(
    const struct config *config, const struct ts_secret_keeper *secrets,
    struct register_configured *ret_configured, struct ts_err *err);
void register_configured_done(struct register_configured *configured);

#endif
