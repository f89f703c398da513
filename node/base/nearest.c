#include "node/base/nearest.h"

#include <string.h>

static char lower(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return (char) (c - 'A' + 'a');
    }
    return c;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Three rows of the classic table are enough: swaps look back two. */
static size_t distance_between(const char *a, size_t a_size, const char *b,
                               size_t b_size)
{
    size_t rows[3][TS_NEAREST_SIZE_MAX + 1];
    size_t *before = rows[0];
    size_t *above = rows[1];
    size_t *row = rows[2];

    for (size_t j = 0; j <= b_size; j++) {
        before[j] = 0; /* not looked at before the third row */
        above[j] = j;
    }
    for (size_t i = 1; i <= a_size; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            char x = lower(a[i - 1]);
            char y = lower(b[j - 1]);
            size_t best = above[j - 1] + (x != y);
            best = least(best, above[j] + 1);
            best = least(best, row[j - 1] + 1);
            if (i > 1 && j > 1 && x == lower(b[j - 2]) &&
                lower(a[i - 2]) == y) {
                best = least(best, before[j - 2] + 1);
            }
            row[j] = best;
        }
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[b_size];
}

void ts_nearest_init(struct ts_nearest *nearest, const char *word)
{
    size_t size = strlen(word);
    *nearest = (struct ts_nearest){
        .word = word,
        .distance = (size < 6 ? 1 : size / 3) + 1, /* to be undercut */
    };
}

void ts_nearest_offer(struct ts_nearest *nearest, const char *candidate)
{
    if (candidate == NULL) {
        return;
    }
    size_t word_size = strlen(nearest->word);
    size_t size = strlen(candidate);
    size_t gap = size > word_size ? size - word_size : word_size - size;

    if (size == 0 || size > TS_NEAREST_SIZE_MAX ||
        word_size > TS_NEAREST_SIZE_MAX || gap >= nearest->distance) {
        return;
    }
    size_t distance =
        distance_between(nearest->word, word_size, candidate, size);
    if (distance < nearest->distance) {
        nearest->distance = distance;
        nearest->best = candidate;
    }
}
