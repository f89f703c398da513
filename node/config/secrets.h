/*
 * secrets -- the credentials that a configuration names by file.
 *
 * Each has a name that stays when its file moves: what `twinsync credentials`
 * lists, and what a changed secret is kept under.
 */
#ifndef NODE_CONFIG_SECRETS_H
#define NODE_CONFIG_SECRETS_H

#include "node/config/config.h"

#define CONFIG_SECRETS_MAX     64
#define CONFIG_SECRET_NAME_MAX 128

enum config_secret_kind {
    CONFIG_SECRET_SOURCE,       /* password of the account that reads it */
    CONFIG_SECRET_TARGET,       /* client secret, private key or token */
    CONFIG_SECRET_REGISTRATION, /* what may make clients for new epochs */
    CONFIG_SECRET_REGISTER      /* password of the register's account */
};

struct config_secret {
    enum config_secret_kind kind;
    char name[CONFIG_SECRET_NAME_MAX]; /* "source/corp", "target", ... */
    const char *file;                  /* the configuration's */
    uint32_t source;                   /* index, of kind SOURCE */
};

/* In the order of the file; certificates' keys are no secrets that we change.
 * Returns their number, at most `room`. */
size_t config_secrets(const struct config *config, struct config_secret *list,
                      size_t room);

#endif
