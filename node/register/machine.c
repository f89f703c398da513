#include "node/register/machine.h"

#include <string.h>
#include <systemd/sd-id128.h>

/* Ours alone (systemd-id128 new): never to be changed. */
#define APPLICATION                                                           \
    SD_ID128_MAKE(5c, 1b, 0d, a4, 77, 3e, 4f, 0b, 9a, 66, 21, e8, 7d, c0, 13, \
                  f5)

bool register_machine_id(uint8_t id[static REGISTER_MACHINE_SIZE])
{
    sd_id128_t found;
    if (sd_id128_get_machine_app_specific(APPLICATION, &found) < 0) {
        return false;
    }
    memcpy(id, found.bytes, REGISTER_MACHINE_SIZE);
    return true;
}
