/*
 * verdict -- what an HTTP status means for an operation, as one table.
 *
 * The question behind every row is whether the operation may have had an
 * effect. A status that says "refused" is believed; one that says "broken"
 * (5xx) is not: services answer 500 after they have stored the object. A 503
 * with Retry-After is a request to come back, so a repeatable operation does;
 * a create is not sent again on the word of a 5xx.
 */
#ifndef NODE_TARGET_SCIM_VERDICT_H
#define NODE_TARGET_SCIM_VERDICT_H

#include "node/target/target.h"

enum scim_act {
    SCIM_ACT_CREATE, /* POST of one object */
    SCIM_ACT_CHANGE, /* PATCH, PUT, DELETE: by id */
    SCIM_ACT_BUNDLE, /* POST of /Bulk as a whole */
    SCIM_ACT_READ,   /* GET by id */
    SCIM_ACT_SEARCH  /* GET of a list */
};

enum scim_next {
    SCIM_NEXT_TELL, /* the result stands */
    SCIM_NEXT_WAIT, /* refused for load: wait and send again; else the result */
    SCIM_NEXT_RENEW, /* get a new token and send again, once; else the result */
    SCIM_NEXT_AGAIN  /* a read that failed: send again; else the result */
};

struct scim_verdict {
    enum target_result result;
    enum scim_next next;
    const char *why; /* half a sentence, for the outcome's text */
};

struct scim_verdict scim_judge(enum scim_act act, int status, bool retry_after,
                               bool uniqueness);

#endif
