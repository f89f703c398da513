#include "tests/sim/agenda.h"

#include <stdlib.h>
#include <string.h>

static bool before(const struct occasion *a, const struct occasion *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->serial < b->serial;
}

void agenda_note(struct agenda *agenda, const struct occasion *occasion)
{
    if (agenda->count == agenda->capacity) {
        agenda->capacity = agenda->capacity == 0 ? 64 : agenda->capacity * 2;
        agenda->heap =
            sim_grow(agenda->heap, agenda->capacity * sizeof agenda->heap[0]);
    }
    size_t i = agenda->count++;
    struct occasion added = *occasion;
    added.serial = ++agenda->serial;
    while (i > 0 && before(&added, &agenda->heap[(i - 1) / 2])) {
        agenda->heap[i] = agenda->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    agenda->heap[i] = added;
}

bool agenda_take(struct agenda *agenda, struct occasion *ret_occasion)
{
    if (agenda->count == 0) {
        return false;
    }
    *ret_occasion = agenda->heap[0];
    struct occasion last = agenda->heap[--agenda->count];
    size_t i = 0;
    for (size_t child = 1; child < agenda->count; child = 2 * i + 1) {
        if (child + 1 < agenda->count &&
            before(&agenda->heap[child + 1], &agenda->heap[child])) {
            child++;
        }
        if (!before(&agenda->heap[child], &last)) {
            break;
        }
        agenda->heap[i] = agenda->heap[child];
        i = child;
    }
    agenda->heap[i] = last;
    return true;
}

void agenda_drop(struct occasion *occasion, bool has_run)
{
    if (!has_run && occasion->drop != NULL && occasion->data != NULL) {
        occasion->drop(occasion->data);
    }
    free(occasion->data);
    occasion->data = NULL;
}

void agenda_done(struct agenda *agenda)
{
    for (size_t i = 0; i < agenda->count; i++) {
        agenda_drop(&agenda->heap[i], false);
    }
    free(agenda->heap);
    *agenda = (struct agenda){ .heap = NULL };
}

void *sim_copy(const void *bytes, size_t size)
{
    void *copy = sim_alloc(size);
    if (size > 0) {
        memcpy(copy, bytes, size);
    }
    return copy;
}

void *sim_alloc(size_t size)
{
    void *bytes = calloc(1, size > 0 ? size : 1);
    if (bytes == NULL) {
        abort();
    }
    return bytes;
}

void *sim_grow(void *bytes, size_t size)
{
    void *grown = realloc(bytes, size);
    if (grown == NULL) {
        abort();
    }
    return grown;
}
