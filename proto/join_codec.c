#include "proto/join_codec.h"

#include <openssl/crypto.h>

#include "node/base/entry.h"
#include "proto/join.pb-c.h"
#include "proto/packing.h"

#define PB(Name) Twinsync__V1__##Name

/* The structs of protobuf-c and the bytes themselves, a few times over. */
#define UNPACKED_MAX (8 * JOIN_SIZE_MAX)

/* ---- packing ------------------------------------------------------------- */

/* A name stands in file names, logs and sentences. */
static bool is_plain(const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if ((unsigned char) *at <= ' ' || (unsigned char) *at >= 0x7f) {
            return false;
        }
    }
    return text[0] != '\0';
}

static bool is_sentence(const char *text)
{
    return text[0] == '\0' ||
           ts_kind_of_bytes(ts_slice_str(text)) == TS_KIND_TEXT;
}

static ProtobufCBinaryData put_key(const uint8_t key[static JOIN_KEY_SIZE])
{
    return packing_bytes(key, JOIN_KEY_SIZE);
}

/* Every field has its bound, so that a message always fits. */
static enum ts_code pack(const ProtobufCMessage *message, bool is_sound,
                         struct join_bytes *ret_bytes, struct ts_err *err)
{
    size_t size = is_sound ? protobuf_c_message_get_packed_size(message) : 0;
    if (!is_sound || size > JOIN_SIZE_MAX) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot write a message of joining (%s): a name in it "
                       "is empty or not plain text",
                       message->descriptor->short_name);
    }
    ret_bytes->size = protobuf_c_message_pack(message, ret_bytes->data);
    return TS_OK;
}

enum ts_code join_pack_token(const struct join_token *token,
                             struct join_bytes *ret_bytes, struct ts_err *err)
{
    PB(Token) m;
    twinsync__v1__token__init(&m);
    m.version_min = JOIN_VERSION_MIN;
    m.cluster = packing_text(token->cluster);
    m.issuer = packing_text(token->issuer);
    m.endpoint = packing_text(token->endpoint);
    m.issuer_key = put_key(token->issuer_key);
    m.guest_public = put_key(token->guest_public);
    m.guest_secret = put_key(token->guest_secret);
    m.expires = (uint64_t) token->expires;
    m.node = packing_text(token->node);
    return pack(&m.base,
                is_plain(token->cluster) && is_plain(token->issuer) &&
                    is_plain(token->endpoint) && is_plain(token->node) &&
                    token->expires >= 0,
                ret_bytes, err);
}

enum ts_code join_pack_invitation(const struct join_invitation *invitation,
                                  struct join_bytes *ret_bytes,
                                  struct ts_err *err)
{
    PB(Invitation) m;
    twinsync__v1__invitation__init(&m);
    m.guest_public = put_key(invitation->guest_public);
    m.expires = (uint64_t) invitation->expires;
    m.node = packing_text(invitation->node);
    if (invitation->is_taken) {
        m.taken_by = put_key(invitation->taken_by);
    }
    return pack(&m.base, is_plain(invitation->node) && invitation->expires >= 0,
                ret_bytes, err);
}

enum ts_code join_pack_request(const struct join_request *request,
                               struct join_bytes *ret_bytes, struct ts_err *err)
{
    PB(JoinRequest) m;
    twinsync__v1__join_request__init(&m);
    m.version = JOIN_VERSION;
    m.version_min = JOIN_VERSION_MIN;
    m.cluster = packing_text(request->cluster);
    m.node = packing_text(request->node);
    m.public_key = put_key(request->public_key);
    return pack(&m.base, is_plain(request->cluster) && is_plain(request->node),
                ret_bytes, err);
}

enum ts_code join_pack_answer(const struct join_answer *answer,
                              struct join_bytes *ret_bytes, struct ts_err *err)
{
    PB(JoinAnswer) m;
    twinsync__v1__join_answer__init(&m);
    m.version = JOIN_VERSION;
    m.version_min = JOIN_VERSION_MIN;
    m.issuer = packing_text(answer->issuer);
    m.refusal = packing_text(answer->is_refused ? answer->refusal : "");
    if (!answer->is_refused) {
        m.pair_key = put_key(answer->pair_key);
    }
    return pack(&m.base,
                is_plain(answer->issuer) && is_sentence(answer->refusal),
                ret_bytes, err);
}

/* ---- unpacking ----------------------------------------------------------- */

/* What is read of one message; a field that is wrong spoils it. */
struct reader {
    struct ts_arena arena;
    const char *what;
    bool is_sound;
};

/* The message, or NULL with *ret_code and the sentence.
 * Owns     reader_done() in either case. */
static ProtobufCMessage *
reader_begin(struct reader *r, const ProtobufCMessageDescriptor *descriptor,
             struct ts_slice bytes)
{
    struct packing packing;
    ts_arena_init(&r->arena, UNPACKED_MAX);
    packing_init(&packing, &r->arena);
    r->what = descriptor->short_name;
    r->is_sound = true;
    return bytes.size > JOIN_SIZE_MAX
               ? NULL
               : protobuf_c_message_unpack(descriptor, &packing.allocator,
                                           bytes.size, bytes.data);
}

static void reader_done(struct reader *r)
{
    ts_arena_done(&r->arena);
}

static enum ts_code not_one(const struct reader *r, struct ts_err *err)
{
    return ts_fail(err, TS_E_CORRUPT, 0,
                   "cannot take a message of joining (%s): it is damaged, or "
                   "none",
                   r->what);
}

static enum ts_code check_version(const struct reader *r, uint32_t version_min,
                                  struct ts_err *err)
{
    if (version_min > JOIN_VERSION) {
        return ts_fail(err, TS_E_VERSION, 0,
                       "cannot take a message of joining (%s): it needs "
                       "version %u and this node speaks %d; upgrade this node",
                       r->what, version_min, JOIN_VERSION);
    }
    return TS_OK;
}

static void get_name(struct reader *r, const char *from, char *to, size_t size)
{
    r->is_sound = r->is_sound && strlen(from) < size && is_plain(from);
    if (r->is_sound) {
        memcpy(to, from, strlen(from) + 1);
    }
}

static void get_key(struct reader *r, ProtobufCBinaryData from,
                    uint8_t to[static JOIN_KEY_SIZE])
{
    r->is_sound = r->is_sound && from.len == JOIN_KEY_SIZE;
    if (r->is_sound) {
        memcpy(to, from.data, JOIN_KEY_SIZE);
    }
}

static int64_t get_time(struct reader *r, uint64_t from)
{
    r->is_sound = r->is_sound && from <= INT64_MAX;
    return (int64_t) from;
}

static enum ts_code end(struct reader *r, uint32_t version_min,
                        struct ts_err *err)
{
    enum ts_code code = check_version(r, version_min, err);
    if (code == TS_OK && !r->is_sound) {
        code = not_one(r, err);
    }
    reader_done(r);
    return code;
}

enum ts_code join_unpack_token(struct ts_slice bytes, struct join_token *ret,
                               struct ts_err *err)
{
    struct reader r;
    struct join_token token = { .expires = 0 };
    const PB(Token) *m = (const PB(Token) *) reader_begin(
        &r, &twinsync__v1__token__descriptor, bytes);
    if (m == NULL) {
        reader_done(&r);
        return not_one(&r, err);
    }
    get_name(&r, m->cluster, token.cluster, sizeof token.cluster);
    get_name(&r, m->issuer, token.issuer, sizeof token.issuer);
    get_name(&r, m->endpoint, token.endpoint, sizeof token.endpoint);
    get_key(&r, m->issuer_key, token.issuer_key);
    get_key(&r, m->guest_public, token.guest_public);
    get_key(&r, m->guest_secret, token.guest_secret);
    token.expires = get_time(&r, m->expires);
    get_name(&r, m->node, token.node, sizeof token.node);
    enum ts_code code = end(&r, m->version_min, err);
    if (code == TS_OK) {
        *ret = token;
    }
    OPENSSL_cleanse(&token, sizeof token);
    return code;
}

enum ts_code join_unpack_invitation(struct ts_slice bytes,
                                    struct join_invitation *ret,
                                    struct ts_err *err)
{
    struct reader r;
    struct join_invitation invitation = { .is_taken = false };
    const PB(Invitation) *m = (const PB(Invitation) *) reader_begin(
        &r, &twinsync__v1__invitation__descriptor, bytes);
    if (m == NULL) {
        reader_done(&r);
        return not_one(&r, err);
    }
    get_key(&r, m->guest_public, invitation.guest_public);
    invitation.expires = get_time(&r, m->expires);
    get_name(&r, m->node, invitation.node, sizeof invitation.node);
    invitation.is_taken = m->taken_by.len > 0;
    if (invitation.is_taken) {
        get_key(&r, m->taken_by, invitation.taken_by);
    }
    enum ts_code code = end(&r, 0, err);
    if (code == TS_OK) {
        *ret = invitation;
    }
    return code;
}

enum ts_code join_unpack_request(struct ts_slice bytes,
                                 struct join_request *ret, struct ts_err *err)
{
    struct reader r;
    struct join_request request = { .node = "" };
    const PB(JoinRequest) *m = (const PB(JoinRequest) *) reader_begin(
        &r, &twinsync__v1__join_request__descriptor, bytes);
    if (m == NULL) {
        reader_done(&r);
        return not_one(&r, err);
    }
    get_name(&r, m->cluster, request.cluster, sizeof request.cluster);
    get_name(&r, m->node, request.node, sizeof request.node);
    get_key(&r, m->public_key, request.public_key);
    enum ts_code code = end(&r, m->version_min, err);
    if (code == TS_OK) {
        *ret = request;
    }
    return code;
}

enum ts_code join_unpack_answer(struct ts_slice bytes, struct join_answer *ret,
                                struct ts_err *err)
{
    struct reader r;
    struct join_answer answer = { .is_refused = false };
    const PB(JoinAnswer) *m = (const PB(JoinAnswer) *) reader_begin(
        &r, &twinsync__v1__join_answer__descriptor, bytes);
    if (m == NULL) {
        reader_done(&r);
        return not_one(&r, err);
    }
    get_name(&r, m->issuer, answer.issuer, sizeof answer.issuer);
    answer.is_refused = m->pair_key.len == 0;
    if (!answer.is_refused) {
        get_key(&r, m->pair_key, answer.pair_key);
    }
    r.is_sound = r.is_sound && strlen(m->refusal) < sizeof answer.refusal &&
                 is_sentence(m->refusal);
    if (r.is_sound) {
        memcpy(answer.refusal, m->refusal, strlen(m->refusal) + 1);
    }
    enum ts_code code = end(&r, m->version_min, err);
    if (code == TS_OK) {
        *ret = answer;
    }
    OPENSSL_cleanse(&answer, sizeof answer);
    return code;
}
