#include "tests/lib/folder.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/test.h"

void folder_make(char path[static FOLDER_SIZE])
{
    /* In memory where that is to be had: these tests sync thousands of times.
     */
    (void) snprintf(path, FOLDER_SIZE, "/dev/shm/twinsync-test-XXXXXX");
    if (mkdtemp(path) == NULL) {
        (void) snprintf(path, FOLDER_SIZE, "/tmp/twinsync-test-XXXXXX");
        assert_non_null(mkdtemp(path));
    }
}

static int drop(const char *path, const struct stat *status, int type,
                struct FTW *where)
{
    (void) status;
    (void) type;
    (void) where;
    return remove(path);
}

void folder_remove(const char *path)
{
    assert_int_equal(nftw(path, drop, 8, FTW_DEPTH | FTW_PHYS), 0);
}
