/*
 * token -- the invitation that an operator carries to a second computer.
 *
 *   twinsync1-CgRjb3JwEgVhbHBoYRoW...
 *
 * Letters, digits, "-" and "_", so that it survives a terminal, a mail and a
 * shell: "twinsync1-", then base64url (RFC 4648) of the packed Token and the
 * first eight bytes of its SHA-256. The hash finds what was cut off or
 * mistyped; what keeps a forger out is that only the issuer knows which guest
 * key it admits.
 *
 * Whoever holds the token may join once, in place of the node that it names: it
 * is a secret until it is used, and useless after.
 */
#ifndef REPLICATION_TOKEN_H
#define REPLICATION_TOKEN_H

#include "proto/join_codec.h"

#define TOKEN_TEXT_SIZE 1536 /* with its NUL */

/* Errors   TS_E_PROTOCOL. Wipe the text when it is no longer needed. */
TS_MUSTUSE enum ts_code token_format(const struct join_token *token,
                                     char text[static TOKEN_TEXT_SIZE],
                                     struct ts_err *err);

/* White space around it is passed over.
 * Errors   TS_E_CONFIG (not a token, incomplete, altered), TS_E_VERSION: each a
 *          sentence that says what to do. */
TS_MUSTUSE enum ts_code
token_parse(const char *text, struct join_token *ret_token, struct ts_err *err);

#endif
