#include "tests/sim/trace.h"

#include <stdarg.h>
#include <stdio.h>

#include "tests/sim/world.h"

void trace(struct world *world, int node, const char *format, ...)
{
    if (!world->trace.enabled) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    (void) printf("%6lld.%03lld %c  ", (long long) (world->now_ms / 1000),
                  (long long) (world->now_ms % 1000),
                  node == AGENDA_NOBODY ? '*' : 'a' + node);
    (void) vprintf(format, arguments);
    (void) putchar('\n');
    va_end(arguments);
    world->trace.lines++;
}
