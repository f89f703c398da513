/*
 * nearest -- "did you mean ...?" for names that people type.
 *
 * The distance is Damerau-Levenshtein in its optimal-string-alignment form
 * (insert, delete, replace, swap neighbours), letters without regard to ASCII
 * case. A candidate further away than a third of the word, or than one edit
 * for short words, is no help and is not offered. Of equally near candidates
 * the first one offered stays.
 */
#ifndef NODE_BASE_NEAREST_H
#define NODE_BASE_NEAREST_H

#include <stddef.h>

/* Longer words and candidates are never near anything. */
#define TS_NEAREST_SIZE_MAX 128

struct ts_nearest {
    const char *word;
    const char *best; /* NULL: nothing is near */
    size_t distance;  /* of `best` */
};

/* Borrows `word`. */
void ts_nearest_init(struct ts_nearest *nearest, const char *word);
/* Borrows `candidate`; NULL is passed over. */
void ts_nearest_offer(struct ts_nearest *nearest, const char *candidate);

#endif
