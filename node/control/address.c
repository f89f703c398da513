#include "node/control/address.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "node/control/control.h"

enum ts_code control_address(const char *directory, struct control_address *ret,
                             struct ts_err *err)
{
    int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return ts_fail(err, TS_E_IO, errno,
                       "could not open the state directory \"%s\"", directory);
    }
    struct control_address address = { .directory_fd = fd,
                                       .size = sizeof address.name };
    address.name.sun_family = AF_UNIX;
    (void) snprintf(address.name.sun_path, sizeof address.name.sun_path,
                    "/proc/self/fd/%d/%s", fd, CONTROL_SOCKET_NAME);
    *ret = address;
    return TS_OK;
}
