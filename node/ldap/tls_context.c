#include "node/ldap/tls_context.h"

#include <pthread.h>
#include <sys/stat.h>

#include "node/base/hash.h"

/* One source needs one, two while a refusal is being explained. */
#define CONTEXTS_MAX 16

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct {
    struct ts_hash name; /* of what it was made from */
    void *context;       /* libldap's; its reference is never given back */
} contexts[CONTEXTS_MAX];
static size_t context_next; /* the slot that is overwritten next */

static void add_file(struct ts_hasher *hasher, const char *path)
{
    struct stat status = { .st_size = 0 };
    if (path != NULL && stat(path, &status) != 0) {
        status.st_size = -1;
    }
    const int64_t mark[] = { (int64_t) status.st_ino, (int64_t) status.st_dev,
                             (int64_t) status.st_size,
                             (int64_t) status.st_mtim.tv_sec,
                             (int64_t) status.st_mtim.tv_nsec };
    ts_hasher_add_field(hasher, ts_slice_str(path));
    ts_hasher_add(hasher, ts_slice(mark, sizeof mark));
}

static struct ts_hash name_of(const struct ldap_tls_files *files, int demand)
{
    struct ts_hasher *hasher = ts_hasher_new();
    ts_hasher_begin(hasher);
    add_file(hasher, files->ca);
    add_file(hasher, files->certificate);
    add_file(hasher, files->key);
    ts_hasher_add(hasher, ts_slice(&demand, sizeof demand));
    struct ts_hash name = ts_hasher_end(hasher);
    ts_hasher_free(hasher);
    return name;
}

static int use_locked(LDAP *ld, struct ts_hash name)
{
    for (size_t i = 0; i < CONTEXTS_MAX; i++) {
        if (contexts[i].context != NULL &&
            ts_hash_equal(contexts[i].name, name)) {
            return ldap_set_option(ld, LDAP_OPT_X_TLS_CTX, contexts[i].context);
        }
    }
    const int client = 0;
    void *context = NULL;
    int result = ldap_set_option(ld, LDAP_OPT_X_TLS_NEWCTX, &client);
    if (result == LDAP_OPT_SUCCESS &&
        ldap_get_option(ld, LDAP_OPT_X_TLS_CTX, (void *) &context) ==
            LDAP_OPT_SUCCESS) {
        contexts[context_next].name = name;
        contexts[context_next].context = context;
        context_next = (context_next + 1) % CONTEXTS_MAX;
    }
    return result;
}

int ldap_tls_context_use(LDAP *ld, const struct ldap_tls_files *files,
                         int demand)
{
    struct ts_hash name = name_of(files, demand);
    (void) pthread_mutex_lock(&mutex);
    int result = use_locked(ld, name);
    (void) pthread_mutex_unlock(&mutex);
    return result == LDAP_OPT_SUCCESS ? LDAP_SUCCESS : LDAP_LOCAL_ERROR;
}
