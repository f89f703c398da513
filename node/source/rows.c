#include "node/source/rows.h"

#include <assert.h>
#include <stdlib.h>
#include <strings.h>

#include "proto/entry_codec.h"

#define BINARY_OPTION ";binary"
#define RANGE_OPTION  ";range="
#define RANGE_MAX     INT32_MAX

/* One attribute that was asked for, and its values in the present entry. */
struct slot {
    const char *name;  /* as given in the options */
    const char *alias; /* as the server calls it, if otherwise; ours to free */
    size_t name_size, alias_size;
    bool reference;
    bool extra; /* for the driver alone: not part of a row */
    struct ts_slice *values;
    size_t count, capacity;
    uint32_t next; /* ranged: the index of the next value; 0: none */
    const struct source_link *patch; /* links instead of values, or NULL */
};

struct source_rows {
    struct slot *slots; /* in byte order of their names (E1) */
    size_t slot_count;
    size_t hint; /* where the next attribute probably is */
    const struct source_rows_kind *kind;
    size_t extras[SOURCE_EXTRAS_MAX]; /* the slots of the kind's extras */
    const char **attributes;
    struct ts_attribute *packing; /* slot_count of them, and one */
    struct ldap_dn_keys *keys;
    struct ts_hasher *hasher;
};

/* --- life ------------------------------------------------------------------
 */

static int by_name(const void *a, const void *b)
{
    const struct slot *x = a;
    const struct slot *y = b;
    return strcmp(x->name, y->name);
}

static bool is_listed(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static struct slot *slot_called(struct source_rows *rows, const char *name)
{
    for (size_t i = 0; i < rows->slot_count; i++) {
        if (strcasecmp(rows->slots[i].name, name) == 0) {
            return &rows->slots[i];
        }
    }
    return NULL;
}

static void take_names(struct source_rows *rows, const char *const *names,
                       size_t count, const struct source_options *options)
{
    for (size_t i = 0; i < count; i++) {
        if (slot_called(rows, names[i]) == NULL) {
            rows->slots[rows->slot_count++] = (struct slot){
                .name = names[i],
                .name_size = strlen(names[i]),
                .reference = is_listed(options->references,
                                       options->reference_count, names[i]),
            };
        }
    }
}

static size_t count_extras(const struct source_rows_kind *kind)
{
    size_t count = 0;
    while (kind->extras[count] != NULL) {
        count++;
    }
    return count;
}

static void take_extras(struct source_rows *rows)
{
    const char *const *names = rows->kind->extras;
    for (size_t i = 0; names[i] != NULL; i++) {
        if (slot_called(rows, names[i]) == NULL) {
            rows->slots[rows->slot_count++] = (struct slot){
                .name = names[i], .name_size = strlen(names[i]), .extra = true
            };
        }
    }
    qsort(rows->slots, rows->slot_count, sizeof *rows->slots, by_name);
    for (size_t i = 0; names[i] != NULL; i++) {
        rows->extras[i] = (size_t) (slot_called(rows, names[i]) - rows->slots);
    }
    for (size_t i = 0; i < rows->slot_count; i++) {
        rows->attributes[i] = rows->slots[i].name;
    }
}

enum ts_code source_rows_new(const struct source_options *options,
                             const struct source_rows_kind *kind,
                             struct source_rows **ret_rows, struct ts_err *err)
{
    size_t extras = count_extras(kind);
    size_t count = options->attribute_count + options->reference_count;
    assert(extras <= SOURCE_EXTRAS_MAX);
    if (count > TS_ENTRY_ATTRIBUTES_MAX) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "cannot read %zu attributes of source \"%s\": the limit "
                       "is %d",
                       count, options->config->name, TS_ENTRY_ATTRIBUTES_MAX);
    }
    count += extras;
    struct source_rows *rows = calloc(1, sizeof *rows);
    if (rows != NULL) {
        rows->slots = calloc(count + 1, sizeof *rows->slots);
        rows->attributes = calloc(count + 1, sizeof *rows->attributes);
        rows->packing = calloc(count + 1, sizeof *rows->packing);
        rows->keys = ldap_dn_keys_new();
        rows->hasher = ts_hasher_new();
    }
    if (rows == NULL || rows->slots == NULL || rows->attributes == NULL ||
        rows->packing == NULL || rows->keys == NULL) {
        source_rows_free(rows);
        return ts_fail(err, TS_E_NOMEM, 0, "could not prepare source \"%s\"",
                       options->config->name);
    }
    rows->kind = kind;
    take_names(rows, options->attributes, options->attribute_count, options);
    take_names(rows, options->references, options->reference_count, options);
    take_extras(rows);
    *ret_rows = rows;
    return TS_OK;
}

void source_rows_free(struct source_rows *rows)
{
    if (rows == NULL) {
        return;
    }
    for (size_t i = 0; i < rows->slot_count; i++) {
        free(rows->slots[i].values);
        free((void *) (uintptr_t) rows->slots[i].alias);
    }
    free(rows->slots);
    free(rows->attributes);
    free(rows->packing);
    ldap_dn_keys_free(rows->keys);
    ts_hasher_free(rows->hasher);
    free(rows);
}

enum ts_code source_rows_alias(struct source_rows *rows, const char *asked,
                               const char *answered, struct ts_err *err)
{
    for (size_t i = 0; i < rows->slot_count; i++) {
        struct slot *slot = &rows->slots[i];
        if (strcasecmp(slot->name, asked) == 0 && slot->alias == NULL) {
            slot->alias = strdup(answered);
            if (slot->alias == NULL) {
                return ts_fail(err, TS_E_NOMEM, 0, "could not keep a name");
            }
            slot->alias_size = strlen(answered);
        }
    }
    return TS_OK;
}

const char *const *source_rows_attributes(const struct source_rows *rows)
{
    return rows->attributes;
}

/* --- reading an entry --------------------------------------------------------
 */

static bool is_named(const char *name, size_t size, struct berval type)
{
    return size == type.bv_len && strncasecmp(name, type.bv_val, size) == 0;
}

/* The slot for the type that the server answered with, or NULL. The server
 * sends the attributes of one entry much as those of the last. */
static struct slot *find_slot(struct source_rows *rows, struct berval type)
{
    for (size_t n = 0; n < rows->slot_count; n++) {
        size_t i = (rows->hint + n) % rows->slot_count;
        struct slot *slot = &rows->slots[i];
        if (is_named(slot->name, slot->name_size, type) ||
            (slot->alias != NULL &&
             is_named(slot->alias, slot->alias_size, type))) {
            rows->hint = i + 1;
            return slot;
        }
    }
    const size_t suffix = sizeof BINARY_OPTION - 1;
    if (type.bv_len > suffix && strncasecmp(type.bv_val + type.bv_len - suffix,
                                            BINARY_OPTION, suffix) == 0) {
        type.bv_len -= suffix;
        return find_slot(rows, type);
    }
    return NULL;
}

static bool slot_add(struct slot *slot, struct ts_slice value)
{
    if (slot->count == slot->capacity) {
        size_t capacity = slot->capacity == 0 ? 4 : 2 * slot->capacity;
        struct ts_slice *values =
            reallocarray(slot->values, capacity, sizeof *values);
        if (values == NULL) {
            return false;
        }
        slot->values = values;
        slot->capacity = capacity;
    }
    slot->values[slot->count++] = value;
    return true;
}

/* "member;range=0-1499" without its range; *ret_next is 1500, or 0 after
 * "1500-*". False: it has none that can be read. */
static bool cut_range(struct berval *type, uint32_t *ret_next)
{
    const size_t size = sizeof RANGE_OPTION - 1;
    char text[64];
    const char *option = NULL;
    for (size_t i = 0; i + size < type->bv_len && option == NULL; i++) {
        if (strncasecmp(type->bv_val + i, RANGE_OPTION, size) == 0) {
            option = type->bv_val + i;
        }
    }
    size_t used = option == NULL ? 0 : (size_t) (option - type->bv_val);
    if (option == NULL || type->bv_len - used >= sizeof text) {
        return false;
    }
    memcpy(text, option, type->bv_len - used);
    text[type->bv_len - used] = 0;
    const char *end = strchr(text + size, '-');
    char *rest = NULL;
    unsigned long last = end == NULL ? 0 : strtoul(end + 1, &rest, 10);
    if (end == NULL || (strcmp(end, "-*") != 0 &&
                        (*rest != 0 || rest == end + 1 || last >= RANGE_MAX))) {
        return false;
    }
    *ret_next = strcmp(end, "-*") == 0 ? 0 : (uint32_t) last + 1;
    type->bv_len = used;
    return true;
}

static enum ts_code take_attribute(struct source_rows *rows, struct berval type,
                                   const struct berval *values,
                                   struct source_seen *seen, struct ts_err *err)
{
    bool only_ranged = seen->dn.data != NULL; /* a further part */
    uint32_t next = 0;
    bool ranged = rows->kind->ranges && cut_range(&type, &next);
    struct slot *slot = find_slot(rows, type);
    if (slot == NULL || (only_ranged && !ranged)) {
        return TS_OK;
    }
    if (ranged) {
        slot->next = next;
    }
    for (size_t i = 0; values != NULL && values[i].bv_val != NULL; i++) {
        struct ts_slice value = ts_slice(values[i].bv_val, values[i].bv_len);
        /* What a reference grows to: a link and the text of its DN. */
        seen->size += value.size +
                      (slot->reference ? sizeof(struct source_link) + 16 : 8);
        if (!slot_add(slot, value)) {
            return ts_fail(err, TS_E_NOMEM, 0, "could not take in an entry");
        }
    }
    return TS_OK;
}

enum ts_code source_rows_read_more(struct source_rows *rows, LDAP *ld,
                                   LDAPMessage *entry, struct source_seen *seen,
                                   struct ts_err *err)
{
    BerElement *ber = NULL;
    struct berval dn = { 0, NULL };
    int result = ldap_get_dn_ber(ld, entry, &ber, &dn);
    enum ts_code rc = TS_OK;
    while (result == LDAP_SUCCESS && rc == TS_OK) {
        struct berval type = { 0, NULL };
        BerVarray values = NULL;
        result = ldap_get_attribute_ber(ld, entry, ber, &type, &values);
        if (result != LDAP_SUCCESS || type.bv_val == NULL) {
            ber_memfree(values);
            break;
        }
        rc = take_attribute(rows, type, values, seen, err);
        ber_memfree(values);
    }
    ber_free(ber, 0);
    if (result != LDAP_SUCCESS) {
        return ts_fail(err, TS_E_PROTOCOL, 0,
                       "cannot read an entry that the directory sent: %s",
                       ldap_err2string(result));
    }
    if (seen->dn.data == NULL) {
        seen->dn = ts_slice(dn.bv_val, dn.bv_len);
    }
    return rc;
}

enum ts_code source_rows_read(struct source_rows *rows, LDAP *ld,
                              LDAPMessage *entry, struct source_seen *ret_seen,
                              struct ts_err *err)
{
    *ret_seen = (struct source_seen){ .size = sizeof(struct source_row) };
    for (size_t i = 0; i < rows->slot_count; i++) {
        rows->slots[i].count = 0;
        rows->slots[i].next = 0;
        rows->slots[i].patch = NULL;
    }
    rows->hint = 0;
    enum ts_code rc = source_rows_read_more(rows, ld, entry, ret_seen, err);
    ret_seen->size += ret_seen->dn.size;
    return rc;
}

const char *source_rows_next_range(const struct source_rows *rows,
                                   uint32_t *ret_from)
{
    for (size_t i = 0; i < rows->slot_count; i++) {
        if (rows->slots[i].next > 0) {
            *ret_from = rows->slots[i].next;
            return rows->slots[i].name;
        }
    }
    return NULL;
}

void source_rows_patch(struct source_rows *rows, const char *name,
                       const struct source_link *links, size_t count)
{
    struct slot *slot = slot_called(rows, name);
    assert(slot != NULL && slot->reference && links != NULL);
    slot->patch = links;
    slot->count = count;
    slot->next = 0;
}

struct source_values source_rows_extra(const struct source_rows *rows,
                                       size_t index)
{
    const struct slot *slot = &rows->slots[rows->extras[index]];
    return (struct source_values){ slot->values, slot->count };
}

/* --- making a row
 * -------------------------------------------------------------
 */

static enum ts_code pack_values(struct source_rows *rows,
                                const struct source_seen *seen,
                                struct ts_arena *arena, struct source_row *row,
                                struct ts_err *err)
{
    struct ts_entry entry = { .attributes = rows->packing };
    for (size_t i = 0; i < rows->slot_count; i++) {
        struct slot *slot = &rows->slots[i];
        if (slot->reference || slot->extra || slot->count == 0) {
            continue;
        }
        enum ts_kind kind = TS_KIND_TEXT;
        for (size_t v = 0; v < slot->count && kind == TS_KIND_TEXT; v++) {
            kind = ts_kind_of_bytes(slot->values[v]);
        }
        entry.attributes[entry.count++] = (struct ts_attribute){
            .name = ts_slice(slot->name, slot->name_size),
            .kind = kind,
            .value_count = slot->count,
            .values = slot->values,
        };
    }
    struct ts_slice never = seen->never;
    if (never.size > 0) {
        entry.attributes[entry.count++] = (struct ts_attribute){
            .name = ts_slice_str(TS_ENTRY_NEVER),
            .kind = TS_KIND_TEXT,
            .value_count = 1,
            .values = &never,
        };
    }
    ts_entry_normalise(&entry);
    return entry_pack(&entry, arena, &row->packed, err);
}

static int by_key(const void *a, const void *b)
{
    const struct source_link *x = a;
    const struct source_link *y = b;
    int order = memcmp(x->key.bytes, y->key.bytes, sizeof x->key.bytes);
    return order != 0 ? order : ts_slice_compare(x->dn, y->dn);
}

static struct source_dn_key key_of(struct ldap_dn_key key)
{
    struct source_dn_key out;
    static_assert(sizeof out.bytes == sizeof key.bytes, "one size of keys");
    memcpy(out.bytes, key.bytes, sizeof out.bytes);
    return out;
}

/* Drop links with the key of the one before; the first spelling stays. */
static size_t drop_twins(struct source_link *links, size_t count)
{
    size_t kept = count > 0;
    for (size_t i = 1; i < count; i++) {
        if (memcmp(links[i].key.bytes, links[kept - 1].key.bytes,
                   sizeof links[i].key.bytes) != 0) {
            links[kept++] = links[i];
        }
    }
    return kept;
}

static enum ts_code link_by_dn(struct source_rows *rows, struct ts_slice text,
                               struct ts_arena *arena, struct source_link *link,
                               struct ts_err *err)
{
    struct ldap_dn dn;
    enum ts_code rc = ldap_dn_key(rows->keys, text, &dn, NULL);
    if (rc == TS_E_NOMEM) {
        return ts_fail(err, rc, 0, "could not take in a reference");
    }
    /* What is no DN refers to nothing, and says so as a dangling link. */
    link->key =
        key_of(rc == TS_OK ? dn.key : ldap_dn_opaque_key(rows->keys, text));
    link->dn = ts_arena_copy(arena, text);
    return link->dn.data != NULL
               ? TS_OK
               : ts_fail(err, TS_E_LIMIT, 0,
                         "could not take in the references of one entry");
}

static enum ts_code fill_patch(const struct slot *slot, struct ts_arena *arena,
                               struct source_link *links, struct ts_err *err)
{
    for (size_t i = 0; i < slot->count; i++) {
        links[i] = slot->patch[i];
        links[i].attribute = ts_slice(slot->name, slot->name_size);
        links[i].dn = ts_arena_copy(arena, slot->patch[i].dn);
        if (links[i].dn.data == NULL && slot->patch[i].dn.size > 0) {
            return ts_fail(err, TS_E_LIMIT, 0,
                           "could not take in the references of one entry");
        }
    }
    return TS_OK;
}

static enum ts_code fill_slot_links(struct source_rows *rows,
                                    const struct slot *slot,
                                    struct ts_arena *arena,
                                    struct source_link *links,
                                    struct ts_err *err)
{
    const struct source_rows_kind *kind = rows->kind;
    enum ts_code rc = TS_OK;
    if (slot->patch != NULL) {
        return fill_patch(slot, arena, links, err);
    }
    for (size_t i = 0; rc == TS_OK && i < slot->count; i++) {
        links[i] = (struct source_link){
            .attribute = ts_slice(slot->name, slot->name_size),
        };
        rc = kind->link == NULL
                 ? link_by_dn(rows, slot->values[i], arena, &links[i], err)
                 : kind->link(kind->context, slot->values[i], arena, &links[i],
                              err);
    }
    return rc;
}

static enum ts_code fill_links(struct source_rows *rows, struct ts_arena *arena,
                               struct source_row *row, struct ts_err *err)
{
    size_t total = 0;
    for (size_t i = 0; i < rows->slot_count; i++) {
        const struct slot *slot = &rows->slots[i];
        total += slot->reference ? slot->count : 0;
        if (slot->patch != NULL) {
            row->partial = ts_slice(slot->name, slot->name_size);
        }
    }
    if (total == 0) {
        return TS_OK;
    }
    struct source_link *links = ts_arena_array(arena, total, sizeof *links);
    if (links == NULL) {
        return ts_fail(err, TS_E_LIMIT, 0,
                       "could not take in %zu references of one entry", total);
    }
    size_t count = 0;
    for (size_t i = 0; i < rows->slot_count; i++) {
        const struct slot *slot = &rows->slots[i];
        if (!slot->reference || slot->count == 0) {
            continue;
        }
        enum ts_code rc =
            fill_slot_links(rows, slot, arena, links + count, err);
        if (rc != TS_OK) {
            return rc;
        }
        qsort(links + count, slot->count, sizeof *links, by_key);
        count += drop_twins(links + count, slot->count);
    }
    row->links = links;
    row->link_count = count;
    return TS_OK;
}

/* Over its place (for a kind of its own not the DN, which changes with every
 * name above), packed values and links; a link counts by attribute and key, so
 * that another spelling of the same DN is no change. */
static struct ts_hash hash_row(struct source_rows *rows,
                               const struct source_row *row)
{
    ts_hasher_begin(rows->hasher);
    if (rows->kind->place == NULL) {
        ts_hasher_add_field(rows->hasher, row->dn);
    } else {
        ts_hasher_add(rows->hasher,
                      ts_slice(row->key.bytes, sizeof row->key.bytes));
        ts_hasher_add(rows->hasher,
                      ts_slice(row->parent.bytes, sizeof row->parent.bytes));
        ts_hasher_add_field(rows->hasher, row->rdn);
    }
    ts_hasher_add_field(rows->hasher, row->packed);
    for (size_t i = 0; i < row->link_count; i++) {
        const struct source_link *link = &row->links[i];
        if (i == 0 || !ts_slice_equal(link[-1].attribute, link->attribute)) {
            ts_hasher_add(rows->hasher, ts_slice("a", 1));
            ts_hasher_add_field(rows->hasher, link->attribute);
        }
        uint8_t key[1 + sizeof link->key.bytes] = { 'k' };
        memcpy(key + 1, link->key.bytes, sizeof link->key.bytes);
        ts_hasher_add(rows->hasher, ts_slice(key, sizeof key));
    }
    return ts_hasher_end(rows->hasher);
}

static enum ts_code place_by_dn(struct source_rows *rows,
                                struct source_row *row, struct ts_err *err)
{
    struct ldap_dn dn;
    enum ts_code rc = ldap_dn_key(rows->keys, row->dn, &dn, err);
    if (rc == TS_OK) {
        row->key = key_of(dn.key);
        row->parent = key_of(dn.parent);
        row->rdn = dn.rdn;
    }
    return rc;
}

enum ts_code source_rows_fill(struct source_rows *rows,
                              const struct source_seen *seen,
                              struct ts_arena *arena, struct source_row *row,
                              struct ts_err *err)
{
    row->dn = ts_arena_copy(arena, seen->dn);
    if (row->dn.data == NULL) {
        return ts_fail(err, TS_E_LIMIT, 0, "could not take in an entry");
    }
    const struct source_rows_kind *kind = rows->kind;
    enum ts_code rc = kind->place == NULL
                          ? place_by_dn(rows, row, err)
                          : kind->place(kind->context, seen, arena, row, err);
    if (rc == TS_OK) {
        rc = pack_values(rows, seen, arena, row, err);
    }
    if (rc == TS_OK) {
        rc = fill_links(rows, arena, row, err);
    }
    if (rc == TS_OK) {
        row->hash = hash_row(rows, row);
    } else {
        ts_err_wrap(err, "reading entry \"%.*s\"",
                    (int) (seen->dn.size < 200 ? seen->dn.size : 200),
                    (const char *) seen->dn.data);
    }
    return rc;
}
