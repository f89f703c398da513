#include "node/engine/page.h"

void page_begin(struct page *page)
{
    page->count = 0;
    page->after = 0;
    ts_arena_init(&page->arena, ENGINE_OBJECT_MEMORY);
}

void page_end(struct page *page)
{
    ts_arena_done(&page->arena);
}

bool page_next(struct page *page, struct metaverse *mv, page_fn *list,
               enum ts_code *code, struct ts_err *err)
{
    if (*code != TS_OK) {
        return false;
    }
    ts_arena_reset(&page->arena);
    page->count = ENGINE_LIST_MAX;
    *code =
        list(mv, page->after, &page->arena, page->intents, &page->count, err);
    if (*code != TS_OK || page->count == 0) {
        return false;
    }
    page->after = page->intents[page->count - 1].id;
    return true;
}
