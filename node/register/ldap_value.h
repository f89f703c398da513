/*
 * ldap_value -- the register as values of an attribute. Pure.
 *
 * The attribute holds nothing (absent), or exactly these two, in any order:
 *
 *   twinsync-register:taken
 *   twinsync-register:1:SHA-256 in hex:the value in base64
 *
 * The first is added with the first value and never taken away, so that of two
 * who find nothing and add theirs, one is refused: an attribute of several
 * values would take both. The second begins with a hash because directories
 * compare text without regard to case and spaces: equal but for those would
 * need an equal hash. A swap deletes the old text and adds the new in one
 * modify.
 */
#ifndef NODE_REGISTER_LDAP_VALUE_H
#define NODE_REGISTER_LDAP_VALUE_H

#include "node/base/arena.h"
#include "node/base/err.h"

#define LDAP_VALUE_TAKEN "twinsync-register:taken"
/* A value of 48 KiB as text. */
#define LDAP_VALUE_TEXT_MAX ((size_t) 66 * 1024)

/* The text for `value`. Errors: NULL: out of memory. */
const char *ldap_value_text(struct ts_arena *arena, struct ts_slice value);

/* The value that `texts`, all values of the attribute, stand for: empty when
 * there are none.
 * Errors   TS_E_CORRUPT: anything else than what is described above;
 *          TS_E_LIMIT (arena). The sentence is the end of one: "it holds ...".
 */
TS_MUSTUSE enum ts_code ldap_value_read(const struct ts_slice *texts,
                                        size_t count, struct ts_arena *arena,
                                        struct ts_slice *ret_value,
                                        struct ts_err *err);

#endif
