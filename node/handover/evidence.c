#include "node/handover/evidence.h"

#include <string.h>

/* Cut within a sentence, never within a character. */
static void copy(char *to, size_t room, const char *from)
{
    size_t size = strnlen(from, room);
    if (size == room) {
        size = room - 1;
        while (size > 0 && ((unsigned char) from[size] & 0xc0) == 0x80) {
            size--;
        }
    }
    memcpy(to, from, size);
    memset(to + size, 0, room - size);
    for (size_t i = 0; i < size; i++) {
        to[i] = (unsigned char) to[i] < ' ' || to[i] == 0x7f ? ' ' : to[i];
    }
}

struct evidence_row evidence_make(enum handover_step step,
                                  enum evidence_state state, const char *name,
                                  const char *text)
{
    struct evidence_row row = { .step = step, .state = state };
    copy(row.name, sizeof row.name, name);
    copy(row.text, sizeof row.text, text);
    return row;
}

static size_t place_of(const struct handover_evidence *evidence,
                       enum handover_step step, const char *name)
{
    size_t i = 0;
    while (i < evidence->count && (evidence->rows[i].step != step ||
                                   strcmp(evidence->rows[i].name, name) != 0)) {
        i++;
    }
    return i;
}

bool evidence_put(struct handover_evidence *evidence,
                  const struct evidence_row *row)
{
    size_t at = place_of(evidence, row->step, row->name);
    if (at == HANDOVER_ROWS_MAX) {
        return false;
    }
    evidence->rows[at] = *row;
    evidence->count += at == evidence->count;
    return true;
}

const struct evidence_row *
evidence_find(const struct handover_evidence *evidence, enum handover_step step,
              const char *name)
{
    size_t at = place_of(evidence, step, name);
    return at == evidence->count ? NULL : &evidence->rows[at];
}

bool evidence_is_over(const struct handover_evidence *evidence,
                      enum handover_step step, const char *name)
{
    const struct evidence_row *row = evidence_find(evidence, step, name);
    return row != NULL && row->state != EVIDENCE_UNDER_WAY &&
           row->state != EVIDENCE_FAILED && row->state != EVIDENCE_NOTED;
}
