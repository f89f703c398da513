#include "tests/sim/memory.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/agenda.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

#define GRAIN      16
#define KEPT_MAX   4096 /* bytes */
#define SLAB_SIZE  ((size_t) 1 << 20)
#define NEVER_MMAP (1 << 30)

/* Before each block: its size without this head. */
struct head {
    size_t size;
    struct head *next; /* while it is free */
};

static struct head *lists[KEPT_MAX / GRAIN + 1];
static uint8_t *slab;
static size_t slab_left;

static struct head *head_of(void *block)
{
    return (struct head *) block - 1;
}

static size_t rounded(int size)
{
    return ((size_t) size + GRAIN - 1) / GRAIN * GRAIN;
}

static struct head *carve(size_t size)
{
    size_t whole = sizeof(struct head) + size;
    if (whole > slab_left) {
        slab = sim_alloc(SLAB_SIZE);
        slab_left = SLAB_SIZE;
    }
    struct head *head = (struct head *) (void *) slab;
    slab += whole;
    slab_left -= whole;
    return head;
}

static void *take(int wanted)
{
    size_t size = rounded(wanted);
    struct head *head = NULL;
    if (size > KEPT_MAX) {
        head = malloc(sizeof *head + size);
    } else if (lists[size / GRAIN] != NULL) {
        head = lists[size / GRAIN];
        lists[size / GRAIN] = head->next;
    } else {
        head = carve(size);
    }
    if (head == NULL) {
        return NULL;
    }
    head->size = size;
    return head + 1;
}

static void give_back(void *block)
{
    struct head *head = head_of(block);
    if (head->size > KEPT_MAX) {
        free(head);
        return;
    }
    head->next = lists[head->size / GRAIN];
    lists[head->size / GRAIN] = head;
}

static void *resize(void *block, int wanted)
{
    size_t had = head_of(block)->size;
    if (rounded(wanted) <= had && rounded(wanted) * 2 > had) {
        return block;
    }
    void *grown = take(wanted);
    if (grown != NULL) {
        size_t size = (size_t) wanted;
        memcpy(grown, block, size < had ? size : had);
        give_back(block);
    }
    return grown;
}

static int size_of(void *block)
{
    return block == NULL ? 0 : (int) head_of(block)->size;
}

static int round_up(int size)
{
    return (int) rounded(size);
}

static int begin(void *unused)
{
    (void) unused;
    return SQLITE_OK;
}

static void end(void *unused)
{
    (void) unused;
}

void memory_setup(void)
{
    static sqlite3_mem_methods methods = {
        .xMalloc = take,
        .xFree = give_back,
        .xRealloc = resize,
        .xSize = size_of,
        .xRoundup = round_up,
        .xInit = begin,
        .xShutdown = end,
    };
    /* A block as large as a machine's list of actions is asked for often. */
    (void) mallopt(M_MMAP_THRESHOLD, NEVER_MMAP);
    (void) mallopt(M_TRIM_THRESHOLD, NEVER_MMAP);
#ifdef SANITIZED
    (void) methods;
#else
    (void) sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
#endif
}

/* There is no second thread: who asks for one to be faster does without. */
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*run)(void *), void *context);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*run)(void *), void *context)
{
    (void) thread, (void) attributes, (void) run, (void) context;
    return EAGAIN;
}
