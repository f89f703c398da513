#include "node/config/secrets.h"

#include <stdio.h>

struct listing {
    struct config_secret *list;
    size_t room, count;
};

static void add(struct listing *to, enum config_secret_kind kind,
                const char *name, const char *file)
{
    if (file == NULL || to->count == to->room) {
        return;
    }
    struct config_secret *secret = &to->list[to->count++];
    *secret = (struct config_secret){ .kind = kind, .file = file };
    (void) snprintf(secret->name, sizeof secret->name, "%s", name);
}

static void add_source(struct listing *to, const struct config *config,
                       uint32_t index)
{
    const struct config_source *source = &config->sources[index];
    char name[CONFIG_SECRET_NAME_MAX];
    size_t before = to->count;
    if (source->bind.method != CONFIG_BIND_SIMPLE) {
        return;
    }
    (void) snprintf(name, sizeof name, "source/%s", source->name);
    add(to, CONFIG_SECRET_SOURCE, name, source->bind.password_file);
    if (to->count > before) {
        to->list[before].source = index;
    }
}

size_t config_secrets(const struct config *config, struct config_secret *list,
                      size_t room)
{
    struct listing to = { list, room, 0 };
    const struct config_target *target = &config->target;
    const struct config_register *reg = config->reg;
    for (uint32_t i = 0; i < config->sources_count; i++) {
        add_source(&to, config, i);
    }
    add(&to, CONFIG_SECRET_TARGET, "target", target->token_file);
    if (target->oauth != NULL) {
        add(&to, CONFIG_SECRET_TARGET, "target",
            target->oauth->client_secret_file);
        add(&to, CONFIG_SECRET_TARGET, "target",
            target->oauth->private_key_file);
        if (target->oauth->registration != NULL) {
            add(&to, CONFIG_SECRET_REGISTRATION, "registration",
                target->oauth->registration->token_file);
        }
    }
    if (reg != NULL) {
        bool simple =
            reg->bind != NULL && reg->bind->method == CONFIG_BIND_SIMPLE;
        add(&to, CONFIG_SECRET_REGISTER, "register", reg->password_file);
        add(&to, CONFIG_SECRET_REGISTER, "register",
            simple ? reg->bind->password_file : NULL);
    }
    return to.count;
}
