#include "node/daemon/board.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

enum ts_code board_new(struct board **ret_board, struct ts_err *err)
{
    void *page = mmap(NULL, sizeof(struct board), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        return ts_fail(err, TS_E_NOMEM, errno,
                       "could not share a page with the worker");
    }
    *ret_board = page; // zeroed by the kernel
    return TS_OK;
}

void board_clear(struct board *board)
{
    atomic_store(&board->epoch, 0);
}

void board_note(struct board *board, const char *boot, uint64_t epoch)
{
    (void) snprintf(board->boot, sizeof board->boot, "%s", boot);
    atomic_store(&board->epoch, epoch);
}
