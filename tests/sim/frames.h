/* frames -- a frame of replication as one piece of memory, and back, so that it
 * can be on its way, be doubled, and arrive after its sender has died. */
#ifndef TESTS_SIM_FRAMES_H
#define TESTS_SIM_FRAMES_H

#include "replication/frame.h"

/* `head` bytes are left free in front. Owns: free(). */
uint8_t *frames_pack(const struct frame *frame, size_t head, size_t *ret_size);
/* Points into `bytes`, which is aligned for any type and is changed. */
void frames_unpack(uint8_t *bytes, size_t size, struct frame *ret_frame);

#endif
