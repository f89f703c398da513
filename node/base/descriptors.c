#include "node/base/descriptors.h"

#include <sys/resource.h>

void ts_descriptors_raise(size_t most)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= most) {
        return;
    }
    limit.rlim_cur = limit.rlim_max < most ? limit.rlim_max : most;
    // What is refused leaves the limit as it is, which is no error.
    (void) setrlimit(RLIMIT_NOFILE, &limit);
}
