/*
 * bulk -- many operations in one request (RFC 7644 section 3.7).
 *
 * Each operation's bulkId is its intent number. What comes back is a list in
 * any order, and not always complete: a service may stop after errors, and one
 * echoes bulkId only for POST, so the others are known by method and location.
 *
 * Invariants:
 *   B1  an operation without exactly one result in the answer is UNKNOWN.
 *   B2  a request is never larger than the service's maxOperations and
 *       maxPayloadSize; what does not fit goes alone.
 *   B3  an operation with a condition (If-Match) goes alone: services ignore
 *       the "version" of a bulk operation.
 */
#ifndef NODE_TARGET_SCIM_BULK_H
#define NODE_TARGET_SCIM_BULK_H

#include "node/target/scim/scim.h"

#define SCIM_URN_BULK "urn:ietf:params:scim:api:messages:2.0:BulkRequest"

bool scim_bulk_fits(const struct scim *scim, const struct scim_task *task);
/* Compose up to `most` tasks from the queue's front. False: fewer than two
 * could be put together; they are in the queue again, or finished. */
bool scim_bulk_prepare(struct scim_send *send, size_t most);
void scim_bulk_answer(struct scim_send *send,
                      const struct ts_http_answer *answer);

/* One operation of a request, and what the answer says of it. Pure, for the
 * tests: */
struct scim_bulk_item {
    const char *method;
    uint64_t bulk_id;
    struct ts_slice id; /* empty for POST */

    uint32_t results; /* found in the answer; anything but 1 is unknown */
    int status;
    const char *location, *version; /* NULL when absent; of the JSON */
    json_t *response;               /* borrowed, or NULL */
};
/* Fill in the results. False: the answer is no bulk response at all. */
bool scim_bulk_match(json_t *json, struct scim_bulk_item *items, size_t count);

#endif
