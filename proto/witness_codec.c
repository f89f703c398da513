#include "proto/witness_codec.h"

#include "proto/witness.pb-c.h"

/* ---- what both directions check ----------------------------------------- */

static bool is_name_character(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

bool witness_is_cluster(struct ts_slice name)
{
    if (name.size == 0 || name.size > WITNESS_CLUSTER_MAX ||
        name.data[0] == '.') {
        return false;
    }
    for (size_t i = 0; i < name.size; i++) {
        if (!is_name_character(name.data[i])) {
            return false;
        }
    }
    return true;
}

static bool is_printable(struct ts_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < 0x20 || text.data[i] > 0x7e) {
            return false;
        }
    }
    return text.size <= WITNESS_TEXT_MAX;
}

/* What is wrong with it, or NULL. */
static const char *request_fault(const struct witness_request *request)
{
    if (!witness_is_cluster(request->cluster)) {
        return "the cluster's name is not 1 to 63 letters, digits, dots, "
               "underscores and dashes";
    }
    if (request->expected.size > WITNESS_VALUE_MAX ||
        request->value.size > WITNESS_VALUE_MAX) {
        return "a value is larger than 48 KiB";
    }
    if (request->server.size != 0 &&
        request->server.size != WITNESS_IDENTITY_SIZE) {
        return "an identity has not 16 bytes";
    }
    switch (request->verb) {
    case WITNESS_READ:
        return request->expected.size + request->value.size == 0
                   ? NULL
                   : "a read carries a value";
    case WITNESS_SWAP:
        return request->value.size > 0 ? NULL : "a swap carries no value";
    }
    return "its verb is not known";
}

static const char *reply_fault(const struct witness_reply *reply)
{
    if (reply->identity.size != WITNESS_IDENTITY_SIZE ||
        (reply->machine.size != 0 &&
         reply->machine.size != WITNESS_IDENTITY_SIZE)) {
        return "an identity has not 16 bytes";
    }
    if (reply->value.size > WITNESS_VALUE_MAX) {
        return "the value is larger than 48 KiB";
    }
    if (!is_printable(reply->text)) {
        return "its text is too long or not printable";
    }
    switch (reply->status) {
    case WITNESS_VALUE:
    case WITNESS_DONE:
    case WITNESS_LOST:
    case WITNESS_OTHER:
        return reply->status == WITNESS_VALUE || reply->value.size == 0
                   ? NULL
                   : "an outcome carries a value";
    case WITNESS_REFUSED:
    case WITNESS_UNKNOWN:
        return reply->text.size > 0 && reply->value.size == 0
                   ? NULL
                   : "a refusal gives no reason";
    }
    return "its status is not known";
}

static ProtobufCBinaryData borrow(struct ts_slice bytes)
{
    /* protobuf-c only reads it; the field lacks const. */
    union {
        const uint8_t *in;
        uint8_t *out;
    } data = { .in = bytes.data };
    return (ProtobufCBinaryData){ .len = bytes.size, .data = data.out };
}

/* ---- packing ------------------------------------------------------------ */

static enum ts_code pack(const ProtobufCMessage *message,
                         struct ts_arena *arena, struct ts_slice *ret_bytes,
                         struct ts_err *err)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes =
        size <= WITNESS_MESSAGE_MAX ? ts_arena_take(arena, size) : NULL;
    if (bytes == NULL) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not pack a message of the witness: its %zu bytes "
                       "pass the limit",
                       size);
    }
    (void) protobuf_c_message_pack(message, bytes);
    *ret_bytes = ts_slice(bytes, size);
    return TS_OK;
}

enum ts_code witness_request_pack(const struct witness_request *request,
                                  struct ts_arena *arena,
                                  struct ts_slice *ret_bytes,
                                  struct ts_err *err)
{
    const char *fault = request_fault(request);
    if (fault != NULL) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot pack a request to the witness: %s", fault);
    }
    char cluster[WITNESS_CLUSTER_MAX + 1] = { 0 };
    memcpy(cluster, request->cluster.data, request->cluster.size);
    Twinsync__V1__WitnessRequest message;
    twinsync__v1__witness_request__init(&message);
    message.version = WITNESS_VERSION;
    message.number = request->number;
    message.cluster = cluster;
    message.verb = request->verb;
    message.expected = borrow(request->expected);
    message.value = borrow(request->value);
    message.server = borrow(request->server);
    return pack(&message.base, arena, ret_bytes, err);
}

enum ts_code witness_reply_pack(const struct witness_reply *reply,
                                struct ts_arena *arena,
                                struct ts_slice *ret_bytes, struct ts_err *err)
{
    const char *fault = reply_fault(reply);
    if (fault != NULL) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot pack a reply of the witness: %s", fault);
    }
    char text[WITNESS_TEXT_MAX + 1] = { 0 };
    if (reply->text.size > 0) {
        memcpy(text, reply->text.data, reply->text.size);
    }
    Twinsync__V1__WitnessReply message;
    twinsync__v1__witness_reply__init(&message);
    message.version = WITNESS_VERSION;
    message.number = reply->number;
    message.status = reply->status;
    message.value = borrow(reply->value);
    message.identity = borrow(reply->identity);
    message.machine = borrow(reply->machine);
    message.text = text;
    return pack(&message.base, arena, ret_bytes, err);
}

/* ---- unpacking ---------------------------------------------------------- */

static void *take(void *context, size_t size)
{
    return ts_arena_take(context, size);
}

static void keep(void *context, void *piece)
{
    (void) context; /* the arena gives everything back at once */
    (void) piece;
}

static struct ts_slice slice_of(ProtobufCBinaryData bytes)
{
    return ts_slice(bytes.data, bytes.len);
}

/* NULL with the error told. */
static ProtobufCMessage *unpack(const ProtobufCMessageDescriptor *descriptor,
                                struct ts_slice bytes, struct ts_arena *arena,
                                struct ts_err *err)
{
    if (bytes.size > WITNESS_MESSAGE_MAX) {
        (void) ts_fail(err, TS_E_LIMIT, 0,
                       "cannot read a message of %zu bytes between node and "
                       "witness: the limit is %zu",
                       bytes.size, WITNESS_MESSAGE_MAX);
        return NULL;
    }
    ProtobufCAllocator allocator = { take, keep, arena };
    ProtobufCMessage *message = protobuf_c_message_unpack(
        descriptor, &allocator, bytes.size, bytes.data);
    if (message == NULL) {
        (void) ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot read a message between node and witness: its "
                       "%zu bytes are none",
                       bytes.size);
    }
    return message;
}

static enum ts_code check_version(uint32_t version, struct ts_err *err)
{
    return version == WITNESS_VERSION
               ? TS_OK
               : ts_fail(err, TS_E_VERSION, 0,
                         "cannot read a message between node and witness: it "
                         "is of protocol version %u, and version %u is "
                         "spoken here: update the older of the two",
                         version, WITNESS_VERSION);
}

enum ts_code witness_request_unpack(struct ts_slice bytes,
                                    struct ts_arena *arena,
                                    struct witness_request *ret_request,
                                    struct ts_err *err)
{
    const ProtobufCMessage *base =
        unpack(&twinsync__v1__witness_request__descriptor, bytes, arena, err);
    if (base == NULL) {
        return bytes.size > WITNESS_MESSAGE_MAX ? TS_E_LIMIT : TS_E_PROTOCOL;
    }
    const Twinsync__V1__WitnessRequest *message = (const void *) base;
    enum ts_code code = check_version(message->version, err);
    if (code != TS_OK) {
        return code;
    }
    struct witness_request request = {
        .number = message->number,
        .cluster = ts_slice_str(message->cluster),
        .verb = (enum witness_verb) message->verb,
        .expected = slice_of(message->expected),
        .value = slice_of(message->value),
        .server = slice_of(message->server),
    };
    const char *fault = request_fault(&request);
    if (fault != NULL) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot read a request to the witness: %s", fault);
    }
    *ret_request = request;
    return TS_OK;
}

enum ts_code witness_reply_unpack(struct ts_slice bytes, struct ts_arena *arena,
                                  struct witness_reply *ret_reply,
                                  struct ts_err *err)
{
    const ProtobufCMessage *base =
        unpack(&twinsync__v1__witness_reply__descriptor, bytes, arena, err);
    if (base == NULL) {
        return bytes.size > WITNESS_MESSAGE_MAX ? TS_E_LIMIT : TS_E_PROTOCOL;
    }
    const Twinsync__V1__WitnessReply *message = (const void *) base;
    enum ts_code code = check_version(message->version, err);
    if (code != TS_OK) {
        return code;
    }
    struct witness_reply reply = {
        .number = message->number,
        .status = (enum witness_status) message->status,
        .value = slice_of(message->value),
        .identity = slice_of(message->identity),
        .machine = slice_of(message->machine),
        .text = ts_slice_str(message->text),
    };
    const char *fault = reply_fault(&reply);
    if (fault != NULL) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot read a reply of the witness: %s", fault);
    }
    *ret_reply = reply;
    return TS_OK;
}
