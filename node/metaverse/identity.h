/* identity.h -- between connector.c and identity.c: a link is taken away. */
#ifndef NODE_METAVERSE_IDENTITY_H
#define NODE_METAVERSE_IDENTITY_H

#include "node/metaverse/connector.h"

TS_MUSTUSE enum ts_code connector_link_drop(struct metaverse *mv, int64_t id,
                                            struct ts_slice attribute,
                                            struct ts_slice key,
                                            struct ts_err *err);

#endif
