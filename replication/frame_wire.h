/*
 * frame_wire -- the frames of leader and follower as messages of the wire.
 *
 * Only names and numbers change here: ranges are wire_codec's, meaning is the
 * machines'. Bytes stay where they are; arrays come from the arena.
 */
#ifndef REPLICATION_FRAME_WIRE_H
#define REPLICATION_FRAME_WIRE_H

#include "proto/wire_codec.h"
#include "replication/frame.h"

/* Into `ret_message`: its kind, body, header.epoch and header.stream; the rest
 * of the header is the link's.
 * Errors   TS_E_NOMEM (or the arena's maximum). */
TS_MUSTUSE enum ts_code frame_to_wire(const struct frame *frame,
                                      struct ts_arena *arena,
                                      struct wire_message *ret_message,
                                      struct ts_err *err);

/* Errors   TS_E_NOT_FOUND (a kind that is no frame, such as a heartbeat),
 *          TS_E_LIMIT (more pieces or hints than a frame may have, a row over
 *          CAPTURE_SIZE_MAX), TS_E_NOMEM. */
TS_MUSTUSE enum ts_code frame_of_wire(const struct wire_message *message,
                                      struct ts_arena *arena,
                                      struct frame *ret_frame,
                                      struct ts_err *err);

#endif
