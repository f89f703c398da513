/*
 * page -- the intents of a list, a part at a time.
 *
 *   struct page page;
 *   page_begin(&page);
 *   while (page_next(&page, mv, intent_unchecked, &code, err)) {
 *       code = ... page.intents, page.count ...
 *   }
 *   page_end(&page);
 *
 * What is done with a part may take its intents off the list: the next part is
 * of those with higher numbers.
 */
#ifndef NODE_ENGINE_PAGE_H
#define NODE_ENGINE_PAGE_H

#include "node/engine/context.h"
#include "node/metaverse/intent.h"

struct page {
    struct intent intents[ENGINE_LIST_MAX];
    size_t count;
    struct ts_arena arena; /* of this part */
    int64_t after;
};

/* At most *count with numbers above `after`, in order, copied into `arena`. */
typedef enum ts_code page_fn(struct metaverse *mv, int64_t after,
                             struct ts_arena *arena, struct intent *intents,
                             size_t *count, struct ts_err *err);

void page_begin(struct page *page);
void page_end(struct page *page);
/* The next part, which is not empty. False: there is none, or *code is an
 * error, that of `list` or one that it was before. */
bool page_next(struct page *page, struct metaverse *mv, page_fn *list,
               enum ts_code *code, struct ts_err *err);

#endif
