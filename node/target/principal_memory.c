/* What fences have come to, across a crash of this process (F4 in fence.h). */
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/base/cleanup.h"
#include "node/base/json.h"
#include "node/target/principal_private.h"
#include "node/vault/seal_file.h"

#define BOOT_FILE   "/proc/sys/kernel/random/boot_id"
#define BOOT_SIZE   40
#define MEMORY_MAX  ((size_t) 64 * 1024)
#define CANARY_MAX  ((size_t) 6 * 1024) /* eight of them have to fit */
#define CONTEXT     "twinsync fence/"
#define BEARER_SIZE strlen("Authorization: Bearer ")

/* The clocks that are kept are those of this boot: it is part of the context,
 * so that what was sealed before the last boot does not open. */
static bool context_of(char context[static sizeof CONTEXT + BOOT_SIZE])
{
    char boot[BOOT_SIZE] = "";
    TS_AUTOCLOSE int fd = open(BOOT_FILE, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, boot, sizeof boot - 1);
    (void) snprintf(context, sizeof CONTEXT + BOOT_SIZE, CONTEXT "%s", boot);
    return size > 0;
}

/* -- one slot ----------------------------------------------------------------
 */

static json_t *clocks_out(struct ts_clocks clocks)
{
    return json_pack("[I, I]", (json_int_t) clocks.boot_ms,
                     (json_int_t) clocks.raw_ms);
}

static bool clocks_in(const json_t *json, const char *name,
                      struct ts_clocks *ret_clocks)
{
    const json_t *list = json_object_get(json, name);
    const json_t *boot = json_array_get(list, 0),
                 *raw = json_array_get(list, 1);
    if (!json_is_integer(boot) || !json_is_integer(raw)) {
        return false;
    }
    *ret_clocks =
        (struct ts_clocks){ json_integer_value(boot), json_integer_value(raw) };
    return true;
}

/* A canary that is too long to be kept counts as none. */
static json_t *slot_out(const struct principal_slot *slot)
{
    struct fence_memory memory;
    fence_remember(&slot->fence, &memory);
    bool kept = slot->canary != NULL && strlen(slot->canary) <= CANARY_MAX;
    return json_pack(
        "{s:I, s:s, s:s?, s:b, s:b, s:b, s:I, s:o, s:o, s:o}", "epoch",
        (json_int_t) slot->epoch, "id", slot->id, "canary",
        kept ? slot->canary : NULL, "admitted", kept && memory.admitted, "seen",
        kept && memory.seen, "gone", memory.gone, "life",
        (json_int_t) memory.canary_life_ms, "canary_from",
        clocks_out(memory.canary_from), "admitted_at",
        clocks_out(memory.admitted_at), "gone_at", clocks_out(memory.gone_at));
}

static void slot_in(const json_t *json, struct principal_slot *slot)
{
    struct fence_memory memory = { 0 };
    const char *canary = ts_json_text(json, "canary");
    if (!clocks_in(json, "canary_from", &memory.canary_from) ||
        !clocks_in(json, "admitted_at", &memory.admitted_at) ||
        !clocks_in(json, "gone_at", &memory.gone_at)) {
        return;
    }
    if (canary != NULL && strlen(canary) > BEARER_SIZE) {
        slot->canary = strdup(canary);
    }
    memory.canary = slot->canary != NULL;
    memory.admitted = memory.canary && ts_json_flag(json, "admitted", false);
    memory.seen = memory.canary && ts_json_flag(json, "seen", false);
    memory.gone = ts_json_flag(json, "gone", false);
    memory.canary_life_ms = ts_json_number(json, "life", 0);
    fence_resume(&slot->fence, &memory, ts_clocks_now());
}

/* -- the file -----------------------------------------------------------------
 */

void principal_memory_save(const struct principal_keeper *keeper)
{
    char context[sizeof CONTEXT + BOOT_SIZE];
    const char *path = keeper->options.memory_file;
    struct ts_arena arena;
    struct ts_err ignored;
    if (path == NULL || !context_of(context)) {
        return;
    }
    TS_AUTOJSON json_t *list = json_array();
    for (size_t i = 0; i < REGISTER_PRINCIPALS_MAX; i++) {
        if (keeper->slots[i].epoch != 0) {
            (void) json_array_append_new(list, slot_out(&keeper->slots[i]));
        }
    }
    ts_arena_init(&arena, 2 * MEMORY_MAX);
    struct ts_slice text = ts_json_print(list, &arena);
    if (text.data != NULL) {
        (void) !seal_file_put(path, &keeper->key, ts_slice_str(context), text,
                              &ignored);
    }
    ts_arena_done(&arena);
}

void principal_memory_load(const struct principal_keeper *keeper,
                           struct principal_slot *slot)
{
    char context[sizeof CONTEXT + BOOT_SIZE];
    const char *path = keeper->options.memory_file;
    TS_AUTOFREE uint8_t *plain = path == NULL ? NULL : malloc(MEMORY_MAX);
    struct seal_room room = { plain, MEMORY_MAX };
    TS_AUTOJSON json_t *list = NULL;
    struct ts_err ignored;
    if (plain == NULL || !context_of(context) ||
        principal_file_get(keeper, path, ts_slice_str(context), &room,
                           &ignored) != TS_OK) {
        return;
    }
    bool parsed =
        ts_json_parse(ts_slice(plain, room.size), &list, &ignored) == TS_OK;
    OPENSSL_cleanse(plain, room.size);
    const json_t *item;
    size_t i;
    json_array_foreach(parsed ? list : NULL, i, item)
    {
        const char *id = ts_json_text(item, "id");
        if (ts_json_number(item, "epoch", -1) == (int64_t) slot->epoch &&
            id != NULL && strcmp(id, slot->id) == 0) {
            slot_in(item, slot);
        }
    }
}
