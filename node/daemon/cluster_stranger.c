/* Strangers at the link's port: told, and not so often that they matter. */
#include "node/base/log.h"
#include "node/daemon/cluster_private.h"

/* In the events, which strangers must not be able to fill: old ones are dropped
 * at last, and those of the operators with them. */
#define STRANGERS_AGAIN_MS (10 * 60 * 1000)

void cluster_on_refused(void *context, const char *address, const char *key,
                        const char *why)
{
    struct cluster *c = context;
    struct ts_time now = ts_time_now();
    struct cluster_peer_view link;
    ts_log(TS_LOG_WARNING, "stranger-refused",
           "address=%s key=%s reason=\"%s\"", address, key, why);
    if (!ts_time_reached(now, c->strangers_from)) {
        return;
    }
    cluster_peer_view(c, &link);
    engine_record(c->engine, "stranger-refused", "daemon",
                  json_pack("{s:s, s:s, s:s, s:I}", "address", address, "key",
                            key, "why", why, "count",
                            (json_int_t) (link.strangers - c->strangers_told)),
                  cluster_store_forget());
    c->strangers_from = ts_time_after(now, STRANGERS_AGAIN_MS);
    c->strangers_told = link.strangers;
}
