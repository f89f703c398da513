#include "node/engine/seen.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool seen_add(struct seen *seen, int64_t id)
{
    assert(id >= 0);
    size_t word = (size_t) id / 64;
    if (word >= seen->word_count) {
        size_t count = word + word / 2 + 1024;
        uint64_t *words = realloc(seen->words, count * sizeof *words);
        if (words == NULL) {
            return false;
        }
        memset(words + seen->word_count, 0,
               (count - seen->word_count) * sizeof *words);
        seen->words = words;
        seen->word_count = count;
    }
    uint64_t bit = UINT64_C(1) << ((size_t) id % 64);
    if ((seen->words[word] & bit) == 0) {
        seen->words[word] |= bit;
        seen->count++;
    }
    return true;
}

bool seen_has(const struct seen *seen, int64_t id)
{
    size_t word = (size_t) id / 64;
    return id >= 0 && word < seen->word_count &&
           (seen->words[word] >> ((size_t) id % 64) & 1) != 0;
}

void seen_done(struct seen *seen)
{
    free(seen->words);
    *seen = (struct seen){ .words = NULL };
}
