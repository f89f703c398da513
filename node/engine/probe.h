/*
 * probe -- is this node fit to export? Asked before it reaches for the lease,
 * and while it holds it.
 *
 * A thread of its own looks at what may block: every source with its own
 * credentials, the target's front door (an answer of any kind: who this node
 * would be there is made only at takeover), the disk. One look at a time; who
 * asks meanwhile is answered by the next.
 */
#ifndef NODE_ENGINE_PROBE_H
#define NODE_ENGINE_PROBE_H

struct engine;

/* Ends what is under way, joins. */
void probe_done(struct engine *engine);

#endif
