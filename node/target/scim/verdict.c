#include "node/target/scim/verdict.h"

#define IS(act) (1u << SCIM_ACT_##act)
#define WRITES  (IS(CREATE) | IS(CHANGE) | IS(BUNDLE))
#define READS   (IS(READ) | IS(SEARCH))
#define ANY     (WRITES | READS)

/* The first row that covers the status and the act rules. */
static const struct row {
    int from, to;
    unsigned acts;
    struct scim_verdict verdict;
} rows[] = {
    { 202,
      202,
      WRITES,
      { TARGET_UNKNOWN, SCIM_NEXT_TELL,
        "the service accepted it but has not done it yet" } },
    { 200, 299, ANY, { TARGET_DONE, SCIM_NEXT_TELL, NULL } },
    { 300,
      399,
      ANY,
      { TARGET_REFUSED, SCIM_NEXT_TELL,
        "the service redirects, which is not followed: check the URL" } },
    { 401,
      401,
      ANY,
      { TARGET_DENIED, SCIM_NEXT_RENEW, "the service refused the token" } },
    { 403,
      403,
      ANY,
      { TARGET_DENIED, SCIM_NEXT_TELL,
        "the service does not grant this client the right to do it" } },
    { 404,
      404,
      IS(CHANGE) | IS(READ),
      { TARGET_GONE, SCIM_NEXT_TELL, "the service has no such object" } },
    { 410,
      410,
      IS(CHANGE) | IS(READ),
      { TARGET_GONE, SCIM_NEXT_TELL,
        "the service has no such object any more" } },
    { 408,
      408,
      WRITES,
      { TARGET_UNKNOWN, SCIM_NEXT_TELL,
        "the service gave up waiting for the request" } },
    { 408,
      408,
      READS,
      { TARGET_LATER, SCIM_NEXT_AGAIN,
        "the service gave up waiting for the request" } },
    { 409,
      409,
      IS(CREATE) | IS(CHANGE),
      { TARGET_CONFLICT, SCIM_NEXT_TELL,
        "another object has a value that must be unique" } },
    { 412,
      412,
      IS(CREATE) | IS(CHANGE),
      { TARGET_STALE, SCIM_NEXT_TELL,
        "the object was changed by somebody else meanwhile" } },
    { 429,
      429,
      ANY,
      { TARGET_LATER, SCIM_NEXT_WAIT, "the service asks for fewer requests" } },
    { 400,
      499,
      ANY,
      { TARGET_REFUSED, SCIM_NEXT_TELL, "the service refused it" } },
    { 501,
      501,
      ANY,
      { TARGET_REFUSED, SCIM_NEXT_TELL, "the service does not offer this" } },
    { 503,
      503,
      READS,
      { TARGET_LATER, SCIM_NEXT_WAIT, "the service is overloaded or down" } },
    { 500,
      599,
      READS,
      { TARGET_LATER, SCIM_NEXT_AGAIN, "the service failed" } },
    { 500,
      599,
      WRITES,
      { TARGET_UNKNOWN, SCIM_NEXT_TELL,
        "the service failed, before or after it was done" } },
    { 0,
      999,
      READS,
      { TARGET_LATER, SCIM_NEXT_TELL,
        "the service answered with a status that HTTP does not know" } },
    { 0,
      999,
      WRITES,
      { TARGET_UNKNOWN, SCIM_NEXT_TELL,
        "the service answered with a status that HTTP does not know" } },
};

struct scim_verdict scim_judge(enum scim_act act, int status, bool retry_after,
                               bool uniqueness)
{
    if (status == 400 && uniqueness) {
        status = 409; /* scimType says it better than the status */
    }
    if (status == 503 && retry_after && act == SCIM_ACT_CHANGE) {
        return (struct scim_verdict){ TARGET_LATER, SCIM_NEXT_WAIT,
                                      "the service asks to come back later" };
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (status >= rows[i].from && status <= rows[i].to &&
            (rows[i].acts & (1u << act)) != 0) {
            return rows[i].verdict;
        }
    }
    return (struct scim_verdict){ TARGET_UNKNOWN, SCIM_NEXT_TELL,
                                  "the service answered with no status" };
}
