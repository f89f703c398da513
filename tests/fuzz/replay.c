/*
 * replay -- run a fuzz target over a corpus, without libFuzzer.
 *
 * `fuzz_NAME FOLDER...` hands every file of each folder to the target, as
 * libFuzzer would, in an allocation of exactly the file's size so that the
 * address sanitizer sees a read past its end. A crash names its file, because
 * the name is printed before the input is run. A folder without a file is an
 * error: a replay that replays nothing proves nothing.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_SIZE_MAX ((size_t) 16 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int fail(const char *path, const char *why)
{
    (void) fprintf(stderr, "could not replay %s: %s\n", path, why);
    return -1;
}

static int replay_stream(const char *path, FILE *file)
{
    uint8_t *bytes = malloc(INPUT_SIZE_MAX);
    if (bytes == NULL) {
        return fail(path, "out of memory");
    }
    size_t size = fread(bytes, 1, INPUT_SIZE_MAX, file);
    int result = 0;
    if (ferror(file) || size == INPUT_SIZE_MAX) {
        result = fail(path, "not readable, or larger than 16 MiB");
    } else {
        uint8_t *exact = malloc(size > 0 ? size : 1);
        if (exact != NULL) {
            memcpy(exact, bytes, size);
            (void) LLVMFuzzerTestOneInput(exact, size);
        }
        free(exact);
    }
    free(bytes);
    return result;
}

static int replay_file(const char *path)
{
    (void) printf("%s\n", path);
    (void) fflush(stdout);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return fail(path, "cannot be opened");
    }
    int result = replay_stream(path, file);
    (void) fclose(file);
    return result;
}

/* How many files were replayed; -1 on an error. */
static int replay_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        return fail(folder, "no such folder");
    }
    int count = 0;
    const struct dirent *entry;
    while (count >= 0 && (entry = readdir(dir)) != NULL) {
        char path[4096];
        if (entry->d_name[0] == '.') {
            continue;
        }
        int length =
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (length < 0 || (size_t) length >= sizeof path) {
            count = fail(folder, "a name is too long");
        } else {
            count = replay_file(path) == 0 ? count + 1 : -1;
        }
    }
    (void) closedir(dir);
    if (count == 0) {
        return fail(folder, "no file in it");
    }
    return count;
}

int main(int argc, char **argv)
{
    int total = 0;
    for (int i = 1; i < argc; i++) {
        int count = replay_folder(argv[i]);
        if (count < 0) {
            return 1;
        }
        total += count;
    }
    (void) printf("%d inputs replayed\n", total);
    return total > 0 ? 0 : 1;
}
