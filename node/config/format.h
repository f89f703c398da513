/*
 * format -- what a text of the configuration must look like.
 *
 * URIs are read by the libraries that will use them (libldap, libcurl), so that
 * what passes here means the same there.
 */
#ifndef NODE_CONFIG_FORMAT_H
#define NODE_CONFIG_FORMAT_H

#include <stdbool.h>

#include "node/config/table.h"

/* NULL if `text` is of `format`; else what it must be, to stand after its name:
 * "must be an absolute path". */
const char *config_format_check(enum config_format format, const char *text);

/* What a URI (or one of several) does to a password that is sent to it. */
enum config_exposure {
    CONFIG_PRIVATE,        /* TLS, or a socket of this computer */
    CONFIG_PLAIN_LOOPBACK, /* without TLS, to 127.0.0.0/8 or ::1 */
    CONFIG_PLAIN           /* without TLS, to anywhere else */
};
/* Of several the worst. `uris` has passed the format's check. */
enum config_exposure config_exposure_ldap(const char *uris);
enum config_exposure config_exposure_url(const char *url);
/* True when each of `uris` has this scheme. */
bool config_uris_all(const char *uris, const char *scheme);

/* JSON Schema "pattern" of `format`, NULL when it has none. */
const char *config_format_pattern(enum config_format format);
/* For the manual: "absolute path". */
const char *config_format_text(enum config_format format);

#endif
