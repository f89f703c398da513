/* identity.h -- between connector.c and identity.c: single links. */
#ifndef NODE_METAVERSE_IDENTITY_H
#define NODE_METAVERSE_IDENTITY_H

#include "node/metaverse/connector.h"

TS_MUSTUSE enum ts_code connector_link_drop(struct metaverse *mv, int64_t id,
                                            struct ts_slice attribute,
                                            struct ts_slice key,
                                            struct ts_err *err);

TS_MUSTUSE enum ts_code connector_link_add(struct metaverse *mv, int64_t id,
                                           const struct connector_link *link,
                                           struct ts_err *err);
/* One change of a partial row: what is so already stays so. */
TS_MUSTUSE enum ts_code connector_link_patch(struct metaverse *mv, int64_t id,
                                             const struct connector_link *link,
                                             struct ts_err *err);

#endif
