/* machine -- which computer is this? An identity made from /etc/machine-id, for
 * the one question whether witness and node share a computer; it tells nobody
 * the machine id itself. */
#ifndef NODE_REGISTER_MACHINE_H
#define NODE_REGISTER_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#define REGISTER_MACHINE_SIZE 16

/* False when this machine has no id. */
bool register_machine_id(uint8_t id[static REGISTER_MACHINE_SIZE]);

#endif
