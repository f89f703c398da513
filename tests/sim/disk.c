#include "tests/sim/disk.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/agenda.h"

static struct disk *disks[26];

void disk_init(struct disk *disk, char letter, struct sim_random *random)
{
    *disk = (struct disk){ .letter = letter, .random = random, .life = 1 };
    disks[letter - 'a'] = disk;
}

struct disk *disk_of(const char *path)
{
    return path != NULL && path[0] == '/' && path[1] >= 'a' && path[1] <= 'z' &&
                   (path[2] == '/' || path[2] == 0)
               ? disks[path[1] - 'a']
               : NULL;
}

static void free_file(struct disk_file *file)
{
    free(file->data);
    free(file->durable);
    free(file->dirty);
    *file = (struct disk_file){ .name = "" };
}

void disk_done(struct disk *disk)
{
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        free_file(&disk->files[i]);
    }
    disk_settle_renames(disk);
    if (disks[disk->letter - 'a'] == disk) {
        disks[disk->letter - 'a'] = NULL;
    }
}

struct disk_file *disk_find(struct disk *disk, const char *name)
{
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        if (strcmp(disk->files[i].name, name) == 0) {
            return &disk->files[i];
        }
    }
    return NULL;
}

struct disk_file *disk_create(struct disk *disk, const char *name)
{
    struct disk_file *file = disk_find(disk, "");
    assert(file != NULL && strlen(name) < DISK_NAME_SIZE && name[0] != 0);
    (void) snprintf(file->name, sizeof file->name, "%s", name);
    return file;
}

void disk_remove(struct disk *disk, struct disk_file *file)
{
    (void) disk;
    free_file(file);
}

static void reserve(uint8_t **bytes, size_t *capacity, size_t size)
{
    if (size > *capacity) {
        size_t grown = *capacity == 0 ? 4096 : *capacity;
        while (grown < size) {
            grown *= 2;
        }
        *bytes = sim_grow(*bytes, grown);
        *capacity = grown;
    }
}

/* One byte a block in `dirty`, which follows the content's capacity. */
static void resize(struct disk_file *file, size_t size)
{
    size_t had = file->capacity / DISK_BLOCK;
    reserve(&file->data, &file->capacity, size);
    size_t has = file->capacity / DISK_BLOCK;
    if (has > had) {
        file->dirty = sim_grow(file->dirty, has);
        memset(file->dirty + had, 0, has - had);
    }
    if (size > file->size) {
        memset(file->data + file->size, 0, size - file->size);
    }
    file->size = size;
}

void disk_write(struct disk_file *file, const void *bytes, size_t size,
                size_t at)
{
    if (size == 0) {
        return;
    }
    if (at + size > file->size) {
        resize(file, at + size);
    }
    memcpy(file->data + at, bytes, size);
    size_t first = at / DISK_BLOCK;
    size_t last = (at + size - 1) / DISK_BLOCK;
    memset(file->dirty + first, 1, last - first + 1);
    if (!file->changed) {
        file->dirty_first = first;
        file->dirty_last = last;
    }
    file->dirty_first = first < file->dirty_first ? first : file->dirty_first;
    file->dirty_last = last > file->dirty_last ? last : file->dirty_last;
    file->changed = true;
}

void disk_truncate(struct disk_file *file, size_t size)
{
    resize(file, size);
    if (!file->changed) {
        file->dirty_first = file->dirty_last = 0;
    }
    file->changed = true;
}

static void clean(struct disk_file *file)
{
    if (file->dirty_first * DISK_BLOCK < file->capacity) {
        memset(file->dirty + file->dirty_first, 0,
               file->dirty_last - file->dirty_first + 1);
    }
    file->changed = false;
}

/* Copy one block from what is seen to what is durable. */
static void harden(struct disk_file *file, size_t block)
{
    size_t at = block * DISK_BLOCK;
    size_t end = at + DISK_BLOCK;
    end = end < file->size ? end : file->size;
    end = end < file->durable_size ? end : file->durable_size;
    if (at < end) {
        memcpy(file->durable + at, file->data + at, end - at);
    }
}

static void set_durable_size(struct disk_file *file, size_t size)
{
    reserve(&file->durable, &file->durable_capacity, size);
    if (size > file->durable_size) {
        memset(file->durable + file->durable_size, 0,
               size - file->durable_size);
    }
    file->durable_size = size;
}

void disk_sync(struct disk *disk, struct disk_file *file)
{
    disk->syncs++;
    file->durable_name = true;
    if (!file->changed) {
        return;
    }
    set_durable_size(file, file->size);
    for (size_t i = file->dirty_first; i <= file->dirty_last; i++) {
        if (i * DISK_BLOCK < file->size && file->dirty[i] != 0) {
            harden(file, i);
        }
    }
    clean(file);
}

bool disk_strike(struct disk *disk)
{
    disk->writes++;
    if (disk->die_in > 0 && --disk->die_in == 0) {
        disk->dead = true;
    }
    return disk->dead;
}

/* What becomes of one file: `keep` is the chance of each block, in permille. */
static void crash_file(struct disk *disk, struct disk_file *file, int keep)
{
    if (!file->durable_name && !random_chance(disk->random, keep)) {
        free_file(file);
        return;
    }
    if (file->changed) {
        if (random_chance(disk->random, keep)) {
            set_durable_size(file, file->size);
        }
        for (size_t i = file->dirty_first; i <= file->dirty_last; i++) {
            if (i * DISK_BLOCK >= file->size || file->dirty[i] == 0) {
                continue;
            }
            if (random_chance(disk->random, keep)) {
                harden(file, i);
            } else {
                disk->bytes_lost += DISK_BLOCK;
            }
        }
        clean(file);
        resize(file, file->durable_size);
        if (file->size > 0) {
            memcpy(file->data, file->durable, file->size);
        }
    }
    file->durable_name = true;
}

/* ---- renames ------------------------------------------------------------ */

static void rename_below(struct disk *disk, const char *from, const char *to)
{
    size_t size = strlen(from);
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        struct disk_file *file = &disk->files[i];
        if (strncmp(file->name, from, size) == 0 &&
            (file->name[size] == 0 || file->name[size] == '/')) {
            char name[2 * DISK_NAME_SIZE];
            (void) snprintf(name, sizeof name, "%s%s", to, file->name + size);
            assert(strlen(name) < DISK_NAME_SIZE);
            memcpy(file->name, name, strlen(name) + 1);
        }
    }
}

void disk_rename(struct disk *disk, const char *from, const char *to)
{
    struct disk_file *over = disk_find(disk, to);
    if (disk->rename_count == DISK_RENAMES_MAX) {
        disk_settle_renames(disk);
    }
    struct disk_rename *rename = &disk->renames[disk->rename_count++];
    *rename = (struct disk_rename){ .replaced = over != NULL };
    (void) snprintf(rename->from, sizeof rename->from, "%s", from);
    (void) snprintf(rename->to, sizeof rename->to, "%s", to);
    if (over != NULL) {
        rename->bytes = sim_copy(over->durable, over->durable_size);
        rename->size = over->durable_size;
        free_file(over);
    }
    rename_below(disk, from, to);
    /* The new name is on the disk when the rename is: a crash leaves the old
     * file or the new one. */
    struct disk_file *file = disk_find(disk, to);
    if (file != NULL) {
        rename->named = file->durable_name;
        file->durable_name = true;
    }
}

void disk_settle_renames(struct disk *disk)
{
    for (size_t i = 0; i < disk->rename_count; i++) {
        free(disk->renames[i].bytes);
    }
    disk->rename_count = 0;
}

/* From the last one back to some moment. */
static void undo_renames(struct disk *disk)
{
    while (disk->rename_count > 0 && random_chance(disk->random, 500)) {
        struct disk_rename *rename = &disk->renames[--disk->rename_count];
        rename_below(disk, rename->to, rename->from);
        struct disk_file *file = disk_find(disk, rename->from);
        if (file != NULL && !rename->named &&
            random_chance(disk->random, 500)) {
            free_file(file);
        }
        if (rename->replaced) {
            file = disk_create(disk, rename->to);
            disk_write(file, rename->bytes, rename->size, 0);
            disk_sync(disk, file);
        }
        free(rename->bytes);
    }
    disk_settle_renames(disk);
}

/* What was in a folder that is lost is lost with it. */
static void drop_orphans(struct disk *disk)
{
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        struct disk_file *file = &disk->files[i];
        const char *end = strrchr(file->name, '/');
        if (file->name[0] == 0 || end == NULL || end - file->name <= 2) {
            continue;
        }
        char folder[DISK_NAME_SIZE];
        (void) snprintf(folder, sizeof folder, "%.*s", (int) (end - file->name),
                        file->name);
        if (disk_find(disk, folder) == NULL) {
            free_file(file);
        }
    }
}

void disk_end(struct disk *disk, bool keeps_all)
{
    static const int chances[] = { 0, 0, 500, 1000 };
    int keep = keeps_all ? 1000 : chances[random_below(disk->random, 4)];
    disk->life++;
    disk->dead = false;
    disk->die_in = 0;
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        struct disk_file *file = &disk->files[i];
        if (file->name[0] == 0) {
            continue;
        }
        file->opened = file->shared = 0;
        file->reserved = file->pending = file->exclusive = false;
        file->shm = NULL; /* handles hold on to it */
        crash_file(disk, file, keep);
    }
    if (keeps_all) {
        disk_settle_renames(disk);
    }
    undo_renames(disk);
    drop_orphans(disk);
}

void disk_image_take(const struct disk *disk, struct disk_image *image)
{
    image->count = 0;
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        const struct disk_file *file = &disk->files[i];
        if (file->name[0] == 0 || !file->durable_name) {
            continue;
        }
        struct disk_image_file *copy = &image->files[image->count++];
        memcpy(copy->name, file->name, sizeof copy->name);
        copy->is_folder = file->is_folder;
        copy->size = file->durable_size;
        copy->bytes = sim_copy(file->durable, file->durable_size);
    }
}

void disk_image_put(struct disk *disk, const struct disk_image *image)
{
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        free_file(&disk->files[i]);
    }
    disk_settle_renames(disk);
    for (size_t i = 0; i < image->count; i++) {
        const struct disk_image_file *from = &image->files[i];
        struct disk_file *file = disk_create(disk, from->name);
        file->is_folder = from->is_folder;
        disk_write(file, from->bytes, from->size, 0);
        disk_sync(disk, file);
    }
}

void disk_image_done(struct disk_image *image)
{
    for (size_t i = 0; i < image->count; i++) {
        free(image->files[i].bytes);
    }
    image->count = 0;
}
