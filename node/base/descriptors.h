/*
 * descriptors -- room for those that strangers take.
 *
 * Whoever connects to a port that this process listens on takes a descriptor
 * until he has failed to prove a key. A service manager gives 1,024, of which
 * little is left for files and servers then.
 */
#ifndef NODE_BASE_DESCRIPTORS_H
#define NODE_BASE_DESCRIPTORS_H

#include <stddef.h>

/* Allow this process as many as it may have, at most `most`; never fewer than
 * it has. Before threads are started. */
void ts_descriptors_raise(size_t most);

#endif
