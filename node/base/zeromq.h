/*
 * zeromq -- CZMQ's process-wide start, in one place.
 *
 * CZMQ starts itself with the first socket, on whichever thread that happens:
 * it then installs handlers for SIGINT and SIGTERM, which are signalfd's here,
 * and races with a second thread that does the same. So everyone who uses
 * CZMQ calls this first.
 */
#ifndef NODE_BASE_ZEROMQ_H
#define NODE_BASE_ZEROMQ_H

/* Any number of times, from any thread; not before fork(). */
void ts_zeromq_start(void);

#endif
