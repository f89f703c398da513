#include "tools/witness/state.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "node/base/cleanup.h"
#include "node/base/hash.h"
#include "node/base/secret.h"
#include "node/base/time.h"
#include "node/register/cell.h"

#define REASON_MAX      ((size_t) 500)
#define IDENTITY_TEXT   (2 * WITNESS_IDENTITY_SIZE)
#define FINGERPRINT_HEX 16

/* -- files --------------------------------------------------------------------
 */

static void path_of(const struct witness_state *state, const char *name,
                    char path[static WITNESS_PATH_MAX + 100])
{
    (void) snprintf(path, WITNESS_PATH_MAX + 100, "%s/%s", state->folder, name);
}

static enum ts_code make_folder(const char *path, struct ts_err *err)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST
               ? TS_OK
               : ts_fail(err, TS_E_IO, errno,
                         "could not make the folder "
                         "\"%s\"",
                         path);
}

static enum ts_code sync_path(const char *path, struct ts_err *err)
{
    TS_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0
               ? TS_OK
               : ts_fail(err, TS_E_IO, errno, "could not sync \"%s\"", path);
}

static enum ts_code append_line(const char *path, const char *line,
                                struct ts_err *err)
{
    TS_AUTOCLOSE int fd =
        open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    size_t size = strlen(line);
    return fd >= 0 && write(fd, line, size) == (ssize_t) size && fsync(fd) == 0
               ? TS_OK
               : ts_fail(err, TS_E_IO, errno, "could not write \"%s\"", path);
}

/* -- identity and key ---------------------------------------------------------
 */

static enum ts_code read_identity(struct witness_state *state,
                                  struct ts_err *err)
{
    char path[WITNESS_PATH_MAX + 100];
    path_of(state, "identity", path);
    char text[IDENTITY_TEXT + 2] = "";
    TS_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    bool ok = size >= IDENTITY_TEXT;
    for (size_t i = 0; ok && i < WITNESS_IDENTITY_SIZE; i++) {
        const char pair[3] = { text[2 * i], text[2 * i + 1], 0 };
        char *end = NULL;
        state->identity[i] = (uint8_t) strtoul(pair, &end, 16);
        ok = end == pair + 2;
    }
    return ok ? TS_OK
              : ts_fail(err, TS_E_CORRUPT, fd < 0 ? errno : 0,
                        "cannot use \"%s\": it does not hold this witness's "
                        "identity",
                        path);
}

/* The identity is written last, so that a folder with one is complete. */
static enum ts_code make_identity(struct witness_state *state,
                                  struct ts_err *err)
{
    char path[WITNESS_PATH_MAX + 100], next[WITNESS_PATH_MAX + 100];
    char line[IDENTITY_TEXT + 2];
    uint8_t random[WITNESS_IDENTITY_SIZE];
    path_of(state, "identity", path);
    path_of(state, "identity.new", next);
    if (getrandom(random, sizeof random, 0) != sizeof random) {
        return ts_fail(err, TS_E_IO, errno, "could not get random bytes");
    }
    for (size_t i = 0; i < sizeof random; i++) {
        (void) snprintf(line + 2 * i, 3, "%02x", random[i]);
    }
    memcpy(line + IDENTITY_TEXT, "\n", 2);
    (void) unlink(next);
    enum ts_code code = append_line(next, line, err);
    if (code == TS_OK && rename(next, path) != 0) {
        code = ts_fail(err, TS_E_IO, errno, "could not rename \"%s\"", next);
    }
    return code == TS_OK ? sync_path(state->folder, err) : code;
}

static enum ts_code make_key(const char *path, struct ts_err *err)
{
    char secret[WITNESS_PATH_MAX + 200];
    (void) snprintf(secret, sizeof secret, "%s_secret", path);
    zcert_t *made = zcert_new();
    bool saved = made != NULL && zcert_save(made, path) == 0;
    zcert_destroy(&made);
    if (!saved) {
        return ts_fail(err, TS_E_IO, errno,
                       "could not write the key pair "
                       "\"%s\"",
                       path);
    }
    enum ts_code code = sync_path(path, err);
    return code == TS_OK ? sync_path(secret, err) : code;
}

static enum ts_code load_key(struct witness_state *state, struct ts_err *err)
{
    char path[WITNESS_PATH_MAX + 100], secret[WITNESS_PATH_MAX + 200];
    path_of(state, "witness.cert", path);
    (void) snprintf(secret, sizeof secret, "%s_secret", path);
    enum ts_code code = ts_secret_check(secret, err);
    if (code != TS_OK) {
        return code;
    }
    static const uint8_t none[32];
    state->certificate = zcert_load(path);
    return state->certificate != NULL &&
                   memcmp(zcert_secret_key(state->certificate), none,
                          sizeof none) != 0
               ? TS_OK
               : ts_fail(err, TS_E_CORRUPT, 0,
                         "cannot use \"%s\": it is not a CURVE key pair", path);
}

enum ts_code witness_state_open(const char *folder,
                                struct witness_state *ret_state,
                                struct ts_err *err)
{
    struct witness_state state = { .lock_fd = -1 };
    char path[WITNESS_PATH_MAX + 100];
    if (strlen(folder) > WITNESS_PATH_MAX) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot keep the state in \"%.100s...\": the path is "
                       "too long",
                       folder);
    }
    (void) snprintf(state.folder, sizeof state.folder, "%s", folder);
    (void) snprintf(state.clients, sizeof state.clients, "%s/clients", folder);
    path_of(&state, "cells", path);
    enum ts_code code = make_folder(folder, err);
    code = code == TS_OK ? make_folder(state.clients, err) : code;
    code = code == TS_OK ? make_folder(path, err) : code;
    path_of(&state, "identity", path);
    if (code == TS_OK && access(path, F_OK) != 0) {
        path_of(&state, "witness.cert", path);
        code = make_key(path, err);
        code = code == TS_OK ? make_identity(&state, err) : code;
    }
    code = code == TS_OK ? read_identity(&state, err) : code;
    code = code == TS_OK ? load_key(&state, err) : code;
    if (code == TS_OK) {
        *ret_state = state;
    } else {
        witness_state_done(&state);
    }
    return code;
}

void witness_state_done(struct witness_state *state)
{
    zcert_destroy(&state->certificate);
    if (state->lock_fd >= 0) {
        (void) close(state->lock_fd);
        state->lock_fd = -1;
    }
}

enum ts_code witness_state_lock(struct witness_state *state, struct ts_err *err)
{
    char path[WITNESS_PATH_MAX + 100];
    path_of(state, "lock", path);
    TS_AUTOCLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return ts_fail(err, TS_E_IO, errno, "could not open \"%s\"", path);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        return ts_fail(err, TS_E_CONFLICT, 0,
                       "cannot serve from \"%s\": another twinsync-witness "
                       "does",
                       state->folder);
    }
    state->lock_fd = ts_take_fd(&fd);
    return TS_OK;
}

/* -- clients ------------------------------------------------------------------
 */

/* The public part of a certificate file. */
static enum ts_code load_public(const char *file, zcert_t **ret_certificate,
                                struct ts_err *err)
{
    zcert_t *loaded = access(file, R_OK) == 0 ? zcert_load(file) : NULL;
    if (loaded == NULL) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot read \"%s\" as the public certificate of a "
                       "node",
                       file);
    }
    static const uint8_t none[32];
    zcert_t *public = zcert_new_from(zcert_public_key(loaded), none);
    zcert_destroy(&loaded);
    if (public == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not read \"%s\"", file);
    }
    *ret_certificate = public;
    return TS_OK;
}

/* "FOLDER/clients/FINGERPRINT": one certificate speaks for one cluster. */
static void client_path(const struct witness_state *state, zcert_t *certificate,
                        char path[static WITNESS_PATH_MAX + 100])
{
    char text[TS_HASH_TEXT_SIZE];
    ts_hash_text(ts_hash_of(ts_slice(zcert_public_key(certificate), 32)), text);
    (void) snprintf(path, WITNESS_PATH_MAX + 100, "%s/%.*s.cert",
                    state->clients, FINGERPRINT_HEX, text);
}

static size_t count_clients(const struct witness_state *state)
{
    size_t count = 0;
    DIR *folder = opendir(state->clients);
    const struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        count += entry->d_name[0] != '.';
    }
    if (folder != NULL) {
        (void) closedir(folder);
    }
    return count;
}

static enum ts_code save_client(const struct witness_state *state,
                                zcert_t *certificate, const char *path,
                                struct ts_err *err)
{
    if (zcert_save_public(certificate, path) != 0) {
        return ts_fail(err, TS_E_IO, errno, "could not write \"%s\"", path);
    }
    enum ts_code code = sync_path(path, err);
    return code == TS_OK ? sync_path(state->clients, err) : code;
}

enum ts_code witness_state_admit(const struct witness_state *state,
                                 const char *file, const char *cluster,
                                 struct ts_err *err)
{
    if (!witness_is_cluster(ts_slice_str(cluster))) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot admit \"%s\": \"%s\" is no cluster's name", file,
                       cluster);
    }
    zcert_t *certificate = NULL;
    enum ts_code code = load_public(file, &certificate, err);
    if (code != TS_OK) {
        return code;
    }
    char path[WITNESS_PATH_MAX + 100];
    client_path(state, certificate, path);
    zcert_t *there = access(path, F_OK) == 0 ? zcert_load(path) : NULL;
    const char *other = there == NULL ? NULL : zcert_meta(there, "cluster");
    if (other != NULL && strcmp(other, cluster) != 0) {
        code = ts_fail(err, TS_E_CONFLICT, 0,
                       "cannot admit \"%s\" to cluster %s: it is admitted to "
                       "cluster %.100s; expel it first",
                       file, cluster, other);
    } else if (other == NULL && count_clients(state) >= WITNESS_CLIENTS_MAX) {
        code = ts_fail(err, TS_E_LIMIT, 0,
                       "cannot admit \"%s\": %d certificates are admitted, "
                       "and no more fit; expel those that are out of use",
                       file, WITNESS_CLIENTS_MAX);
    } else if (other == NULL) {
        zcert_set_meta(certificate, "cluster", "%s", cluster);
        code = save_client(state, certificate, path, err);
    }
    zcert_destroy(&there);
    zcert_destroy(&certificate);
    return code;
}

enum ts_code witness_state_expel(const struct witness_state *state,
                                 const char *file, struct ts_err *err)
{
    zcert_t *certificate = NULL;
    enum ts_code code = load_public(file, &certificate, err);
    if (code != TS_OK) {
        return code;
    }
    char path[WITNESS_PATH_MAX + 100];
    client_path(state, certificate, path);
    zcert_destroy(&certificate);
    if (unlink(path) != 0) {
        return ts_fail(err, errno == ENOENT ? TS_E_NOT_FOUND : TS_E_IO,
                       errno == ENOENT ? 0 : errno,
                       "could not expel \"%s\": it is not admitted", file);
    }
    return sync_path(state->clients, err);
}

/* -- cells --------------------------------------------------------------------
 */

void witness_state_cell(const struct witness_state *state, const char *cluster,
                        char path[static WITNESS_PATH_MAX + 100])
{
    (void) snprintf(path, WITNESS_PATH_MAX + 100, "%s/cells/%s.cell",
                    state->folder, cluster);
}

enum ts_code witness_state_repair(const struct witness_state *state,
                                  const char *cluster, const char *reason,
                                  struct ts_err *err)
{
    char path[WITNESS_PATH_MAX + 100], aside[REGISTER_CELL_PATH_MAX + 32];
    if (!witness_is_cluster(ts_slice_str(cluster)) || reason[0] == 0 ||
        strlen(reason) > REASON_MAX || strpbrk(reason, "\r\n") != NULL) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot repair \"%.70s\": give a cluster's name, and "
                       "with --reason one line of at most %zu bytes",
                       cluster, REASON_MAX);
    }
    witness_state_cell(state, cluster, path);
    enum ts_code code = register_cell_repair(path, aside, err);
    if (code != TS_OK) {
        return code;
    }
    char when[TS_WALL_TEXT_SIZE], line[WITNESS_PATH_MAX + 1200];
    ts_wall_text(when);
    (void) snprintf(line, sizeof line, "%s cluster=%s aside=%s reason=%s\n",
                    when, cluster, aside, reason);
    path_of(state, "repairs.log", path);
    return append_line(path, line, err);
}
