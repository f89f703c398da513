/* The thread sanitizer sees only what was built with it. libzmq hands messages
 * between threads without locks, in ways that it then takes for races. */
#include "tests/lib/tsan.h"

const char *__tsan_default_suppressions(void)
{
    return "called_from_lib:libzmq.so\n"
           "called_from_lib:libczmq.so\n"
           "called_from_lib:libprotobuf-c.so\n"
           "race:libzmq.so\n";
}
