/*
 * disk -- a node's file system, in memory, that forgets what was not synced.
 *
 * SQLite works on it through a VFS (disk_vfs.c), in paths such as
 * "/a/state.1/state.db": the first component names the disk. Every file has two
 * contents: what programs see, and what would be found after a power cut. A
 * sync makes them one. At a crash each block of 512 bytes that was written
 * since then is kept or lost on its own, and so are the size and the name of a
 * file that was never synced.
 *
 * A disk may be told to die at its k-th write or sync from now: that and all
 * later calls fail until the crash, so that a node can lose its power in the
 * middle of a commit.
 *
 * Invariants:
 *   K1  what was synced is found after any crash.
 *   K2  a handle of before the crash can neither read nor write any more.
 */
#ifndef TESTS_SIM_DISK_H
#define TESTS_SIM_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/sim/random.h"

#define DISK_BLOCK       512
#define DISK_NAME_SIZE   96
#define DISK_FILES_MAX   24
#define DISK_SHM_LOCKS   8
#define DISK_RENAMES_MAX 8

/* SQLite's shared memory for a WAL; outlives a crash while handles hold it. */
struct disk_shm {
    int refs, attached; /* handles; those of living processes */
    size_t region_count, region_size;
    uint8_t *regions[16];
    int shared[DISK_SHM_LOCKS];
    bool exclusive[DISK_SHM_LOCKS];
};

struct disk_file {
    char name[DISK_NAME_SIZE]; /* "" : the slot is free */
    uint8_t *data, *durable, *dirty;
    size_t size, capacity, durable_size, durable_capacity;
    size_t dirty_first, dirty_last; /* no block outside is, if `changed` */
    bool durable_name, changed;
    bool is_folder;
    int opened, shared;
    bool reserved, pending, exclusive;
    struct disk_shm *shm;
};

struct disk {
    char letter;
    struct sim_random *random;
    uint32_t life;  /* grows with each crash */
    int64_t die_in; /* writes until it dies; 0: it does not */
    bool dead;
    uint64_t writes, syncs, bytes_lost;
    struct disk_file files[DISK_FILES_MAX];
    size_t rename_count; /* not yet synced */
    struct disk_rename {
        char from[DISK_NAME_SIZE], to[DISK_NAME_SIZE];
        bool named;    /* the name `from` was on the disk */
        bool replaced; /* there was a file `to`, which held these bytes */
        uint8_t *bytes;
        size_t size;
    } renames[DISK_RENAMES_MAX];
};

/* A disk as it was at some moment: what programs would find after a start. */
struct disk_image {
    size_t count;
    struct disk_image_file {
        char name[DISK_NAME_SIZE];
        bool is_folder;
        uint8_t *bytes;
        size_t size;
    } files[DISK_FILES_MAX];
};

/* Makes the VFS SQLite's default one; once per process, before any database is
 * opened. */
void disk_setup(void);
/* A path's first component is '/' and `letter`. At most one disk a letter. */
void disk_init(struct disk *disk, char letter, struct sim_random *random);
void disk_done(struct disk *disk);
struct disk *disk_of(const char *path);

/* A connection's handles, of a database and its log, stay when its process has
 * gone (kept.h): false when they may not, for they are in use, something has
 * failed, or they are the last of a living file. Likewise, false when the file
 * at `path` cannot be theirs. */
struct sqlite3_file;
bool disk_handles_leave(struct sqlite3_file *main, struct sqlite3_file *log);
bool disk_handles_return(const char *path, struct sqlite3_file *main,
                         struct sqlite3_file *log);

/* When no process runs: a file that one left open, NULL when there is none. */
const char *disk_left_open(void);

/* Files as programs see them; NULL when there is none, or no room. */
struct disk_file *disk_find(struct disk *disk, const char *name);
struct disk_file *disk_create(struct disk *disk, const char *name);
void disk_remove(struct disk *disk, struct disk_file *file);
void disk_write(struct disk_file *file, const void *bytes, size_t size,
                size_t at);
void disk_truncate(struct disk_file *file, size_t size);
void disk_sync(struct disk *disk, struct disk_file *file);
/* Over what is called `to`; with what is below it, when it is a folder. */
void disk_rename(struct disk *disk, const char *from, const char *to);
/* A folder was synced: renames are on the disk. */
void disk_settle_renames(struct disk *disk);
/* Counts a write or sync; true when the disk is, or now becomes, dead. */
bool disk_strike(struct disk *disk);

/* Power is lost: what was not synced is kept or lost at random. Or only the
 * process ended: the system still writes everything. */
void disk_end(struct disk *disk, bool keeps_all);
/* What a copy of the disk taken now would hold, were power lost now. */
void disk_image_take(const struct disk *disk, struct disk_image *image);
/* All of it synced; the disk must have no open handles of this life. */
void disk_image_put(struct disk *disk, const struct disk_image *image);
void disk_image_done(struct disk_image *image);

#endif
