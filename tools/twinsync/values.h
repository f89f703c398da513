/* values -- lists of values of one attribute, on one line. */
#ifndef TOOLS_TWINSYNC_VALUES_H
#define TOOLS_TWINSYNC_VALUES_H

#include "tools/twinsync/output.h"

/* "ada@example.org", "a | b | … 7 more", or "(none)": what a person can take in
 * of a JSON list of texts. Long values are cut. */
void put_values(const struct screen *screen, enum tone tone,
                const json_t *values);
/* Any value as text: yes, 7, x; null is "-", lists and objects are JSON. */
void put_scalar(const struct screen *screen, const json_t *value);

#endif
