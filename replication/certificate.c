#include "replication/certificate.h"

#include <czmq.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "node/base/cleanup.h"
#include "replication/pair_folder.h"

#define OWN_PUBLIC "node.cert"
#define OWN_SECRET "node.cert_secret"
#define PAIR_KEY   "pair.key"
#define PARTNER    "partner"

static void cleanup_config(zconfig_t **config)
{
    zconfig_destroy(config);
}

/* ---- keys and names ------------------------------------------------------ */

bool certificate_is_key(const char *text)
{
    static const char alphabet[] = "0123456789abcdefghijklmnopqrstuvwxyz"
                                   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   ".-:+=^!/*?&<>()[]{}@%$#";
    uint8_t bytes[CERTIFICATE_KEY_SIZE];
    return strlen(text) == CERTIFICATE_TEXT_SIZE - 1 &&
           strspn(text, alphabet) == CERTIFICATE_TEXT_SIZE - 1 &&
           zmq_z85_decode(bytes, text) != NULL;
}

void certificate_key_bytes(const char *text,
                           uint8_t bytes[static CERTIFICATE_KEY_SIZE])
{
    (void) zmq_z85_decode(bytes, text);
}

void certificate_key_text(const uint8_t bytes[static CERTIFICATE_KEY_SIZE],
                          char text[static CERTIFICATE_TEXT_SIZE])
{
    (void) zmq_z85_encode(text, bytes, CERTIFICATE_KEY_SIZE);
}

bool certificate_is_name(const char *name)
{
    size_t size = strlen(name);
    return size > 0 && size < CERTIFICATE_NAME_SIZE && name[0] != '.' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == size;
}

enum ts_code certificate_draw(const char *name,
                              struct certificate *ret_certificate,
                              struct ts_err *err)
{
    struct certificate fresh = { .name = "" };
    if (!certificate_is_name(name)) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot make a certificate for \"%.80s\": that is no "
                       "name of a node (1 to 63 of a-z, 0-9, - and .)",
                       name);
    }
    if (zmq_curve_keypair(fresh.public_key, fresh.secret_key) != 0) {
        return ts_fail(err, TS_E_IO, zmq_errno(),
                       "could not make keys for node \"%s\"", name);
    }
    (void) snprintf(fresh.name, sizeof fresh.name, "%s", name);
    *ret_certificate = fresh;
    certificate_done(&fresh);
    return TS_OK;
}

void certificate_done(struct certificate *certificate)
{
    if (certificate != NULL) {
        OPENSSL_cleanse(certificate, sizeof *certificate);
    }
}

/* ---- files --------------------------------------------------------------- */

static enum ts_code not_one(const char *path, const char *why,
                            struct ts_err *err)
{
    return ts_fail(err, TS_E_CORRUPT, 0,
                   "cannot use the certificate \"%s\": %s; remove it and pair "
                   "the nodes again",
                   path, why);
}

/* Copy a member's text, "" when it is not there; too long is not there. */
static void copy_member(zconfig_t *root, const char *member, char *text,
                        size_t size)
{
    const char *value = zconfig_get(root, member, "");
    (void) snprintf(text, size, "%s", strlen(value) < size ? value : "");
}

static enum ts_code parse(const char *path, const char *text,
                          struct certificate *ret_certificate,
                          struct ts_err *err)
{
    __attribute__((cleanup(cleanup_config))) zconfig_t *root =
        zconfig_str_load(text);
    if (root == NULL) {
        return not_one(path, "it is not in the format of zcert", err);
    }
    struct certificate c = { .name = "" };
    copy_member(root, "metadata/name", c.name, sizeof c.name);
    copy_member(root, "curve/public-key", c.public_key, sizeof c.public_key);
    copy_member(root, "curve/secret-key", c.secret_key, sizeof c.secret_key);
    enum ts_code code = TS_OK;
    if (!certificate_is_name(c.name)) {
        code = not_one(path, "it does not say of which node it is", err);
    } else if (!certificate_is_key(c.public_key)) {
        code = not_one(path, "its public key is no key", err);
    } else {
        *ret_certificate = c;
    }
    certificate_done(&c);
    return code;
}

static enum ts_code load(const char *path, enum pair_secrecy secrecy,
                         struct certificate *ret_certificate,
                         struct ts_err *err)
{
    uint8_t content[PAIR_FILE_SIZE_MAX + 1];
    size_t size = 0;
    enum ts_code code =
        pair_get(path, secrecy, content, PAIR_FILE_SIZE_MAX, &size, err);
    if (code == TS_OK && memchr(content, '\0', size) != NULL) {
        code = not_one(path, "it holds a NUL byte", err);
    }
    if (code == TS_OK) {
        content[size] = '\0';
        code = parse(path, (const char *) content, ret_certificate, err);
    }
    OPENSSL_cleanse(content, sizeof content);
    return code;
}

enum ts_code certificate_load(const char *path,
                              struct certificate *ret_certificate,
                              struct ts_err *err)
{
    return load(path, PAIR_PUBLIC, ret_certificate, err);
}

enum ts_code certificate_load_own(const char *state_directory,
                                  struct certificate *ret_certificate,
                                  struct ts_err *err)
{
    char path[PAIR_PATH_SIZE];
    TS_AUTOCERTIFICATE struct certificate own = { .name = "" };
    enum ts_code code = pair_path(state_directory, OWN_SECRET, path, err);
    if (code == TS_OK) {
        code = load(path, PAIR_SECRET, &own, err);
    }
    char derived[CERTIFICATE_TEXT_SIZE] = "";
    if (code == TS_OK && (!certificate_is_key(own.secret_key) ||
                          zmq_curve_public(derived, own.secret_key) != 0 ||
                          strcmp(derived, own.public_key) != 0)) {
        code = not_one(path, "its two keys are no pair", err);
    }
    if (code == TS_OK) {
        *ret_certificate = own;
    }
    return code;
}

static enum ts_code put(const char *state_directory, const char *file,
                        const struct certificate *c, enum pair_secrecy secrecy,
                        struct ts_err *err)
{
    char text[512];
    bool is_secret = secrecy == PAIR_SECRET;
    int n = snprintf(text, sizeof text,
                     "#   ZeroMQ CURVE %s certificate of a Twinsync node\n"
                     "metadata\n    name = \"%s\"\n"
                     "curve\n    public-key = \"%s\"\n%s%s%s",
                     is_secret ? "**secret**" : "public", c->name,
                     c->public_key, is_secret ? "    secret-key = \"" : "",
                     is_secret ? c->secret_key : "", is_secret ? "\"\n" : "");
    enum ts_code code = pair_put(state_directory, file,
                                 ts_slice(text, (size_t) n), secrecy, err);
    OPENSSL_cleanse(text, sizeof text);
    return code;
}

/* The secret file first: with it alone, the next start goes on. */
enum ts_code certificate_own(const char *state_directory, const char *name,
                             struct certificate *ret_certificate,
                             struct ts_err *err)
{
    TS_AUTOCERTIFICATE struct certificate own = { .name = "" };
    enum ts_code code = certificate_load_own(state_directory, &own, err);
    if (code == TS_E_NOT_FOUND) {
        code = certificate_draw(name, &own, err);
        if (code == TS_OK) {
            code = put(state_directory, OWN_SECRET, &own, PAIR_SECRET, err);
        }
    }
    if (code == TS_OK && strcmp(own.name, name) != 0) {
        code = ts_fail(err, TS_E_CONFLICT, 0,
                       "cannot use the certificate in \"%s\": it is of node "
                       "\"%s\", and this is node \"%s\"; give this node a "
                       "state directory of its own",
                       state_directory, own.name, name);
    }
    if (code == TS_OK) {
        code = put(state_directory, OWN_PUBLIC, &own, PAIR_PUBLIC, err);
    }
    if (code == TS_OK) {
        *ret_certificate = own;
    }
    return code;
}

enum ts_code certificate_peer_path(const char *state_directory,
                                   const char *name, char *path,
                                   struct ts_err *err)
{
    char file[CERTIFICATE_NAME_SIZE + 16];
    if (!certificate_is_name(name)) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot look for a certificate of \"%.80s\": that is "
                       "no name of a node",
                       name);
    }
    (void) snprintf(file, sizeof file, "peers/%s.cert", name);
    return pair_path(state_directory, file, path, err);
}

enum ts_code certificate_store_peer(const char *state_directory,
                                    const struct certificate *peer,
                                    struct ts_err *err)
{
    char file[CERTIFICATE_NAME_SIZE + 16];
    if (!certificate_is_name(peer->name) ||
        !certificate_is_key(peer->public_key)) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot store the certificate of \"%.80s\": it has no "
                       "name or no key",
                       peer->name);
    }
    (void) snprintf(file, sizeof file, "peers/%s.cert", peer->name);
    return put(state_directory, file, peer, PAIR_PUBLIC, err);
}

/* ---- whom this node is paired with --------------------------------------- */

enum ts_code pair_partner_store(const char *state_directory, const char *name,
                                struct ts_err *err)
{
    return pair_put(state_directory, PARTNER, ts_slice_str(name), PAIR_PUBLIC,
                    err);
}

enum ts_code pair_partner_load(const char *state_directory,
                               char name[static CERTIFICATE_NAME_SIZE],
                               struct ts_err *err)
{
    char path[PAIR_PATH_SIZE];
    uint8_t bytes[CERTIFICATE_NAME_SIZE];
    size_t size = 0;
    enum ts_code code = pair_path(state_directory, PARTNER, path, err);
    if (code == TS_OK) {
        code = pair_get(path, PAIR_PUBLIC, bytes, sizeof bytes - 1, &size, err);
    }
    if (code != TS_OK) {
        return code;
    }
    (void) snprintf(name, CERTIFICATE_NAME_SIZE, "%.*s", (int) size,
                    (const char *) bytes);
    return certificate_is_name(name)
               ? TS_OK
               : ts_fail(err, TS_E_CORRUPT, 0,
                         "cannot tell from \"%s\" whom this node is paired "
                         "with; remove it, or pair the nodes again",
                         path);
}

/* ---- the pair's key ------------------------------------------------------ */

enum ts_code pair_key_load(const char *state_directory,
                           uint8_t key[static PAIR_KEY_SIZE],
                           struct ts_err *err)
{
    char path[PAIR_PATH_SIZE];
    uint8_t bytes[PAIR_KEY_SIZE + 1];
    size_t size = 0;
    enum ts_code code = pair_path(state_directory, PAIR_KEY, path, err);
    if (code == TS_OK) {
        code = pair_get(path, PAIR_SECRET, bytes, sizeof bytes, &size, err);
    }
    if (code == TS_OK && size != PAIR_KEY_SIZE) {
        code = ts_fail(err, TS_E_CORRUPT, 0,
                       "cannot use the pair's key \"%s\": it is not of %d "
                       "bytes; remove it and pair the nodes again",
                       path, PAIR_KEY_SIZE);
    }
    if (code == TS_OK) {
        memcpy(key, bytes, PAIR_KEY_SIZE);
    }
    OPENSSL_cleanse(bytes, sizeof bytes);
    return code;
}

enum ts_code pair_key_store(const char *state_directory,
                            const uint8_t key[static PAIR_KEY_SIZE],
                            struct ts_err *err)
{
    return pair_put(state_directory, PAIR_KEY, ts_slice(key, PAIR_KEY_SIZE),
                    PAIR_SECRET, err);
}

enum ts_code pair_key_own(const char *state_directory,
                          uint8_t key[static PAIR_KEY_SIZE], struct ts_err *err)
{
    enum ts_code code = pair_key_load(state_directory, key, err);
    if (code != TS_E_NOT_FOUND) {
        return code;
    }
    if (RAND_priv_bytes(key, PAIR_KEY_SIZE) != 1) {
        return ts_fail(err, TS_E_IO, 0,
                       "could not make the pair's key: no random bytes");
    }
    return pair_key_store(state_directory, key, err);
}
