/*
 * address -- the socket's name, whatever the length of its path.
 *
 * sockaddr_un holds 107 bytes. A longer path is reached through an open
 * descriptor of its directory (/proc/self/fd/N/control.sock).
 *
 * Internal to node/control.
 */
#ifndef NODE_CONTROL_ADDRESS_H
#define NODE_CONTROL_ADDRESS_H

#include <sys/socket.h>
#include <sys/un.h>

#include "node/base/err.h"

struct control_address {
    int directory_fd; /* keeps the path valid; the caller closes it */
    struct sockaddr_un name;
    socklen_t size;
};

/* Errors   TS_E_IO: the directory cannot be opened (err->sys_errno). */
TS_MUSTUSE enum ts_code control_address(const char *directory,
                                        struct control_address *ret,
                                        struct ts_err *err);

#endif
