#include "node/base/zeromq.h"

#include <czmq.h>
#include <pthread.h>

static void start(void)
{
    zsys_handler_set(NULL);
    (void) zsys_init();
}

void ts_zeromq_start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void) pthread_once(&once, start);
}
