#include "node/engine/place.h"
#include "node/ldap/dn.h"
#include "node/ldap/rdn.h"

/* From a DN down to its entry, where the key of an entry does not follow from
 * its name. */
struct walk {
    struct engine_context *engine;
    int64_t source_id;
    struct ldap_dn_keys *keys;
    struct ts_slice rdns[LDAP_DN_DEPTH_MAX]; /* the entry's own first */
    size_t count;
};

/* Take names off the DN until the base is left. */
static bool cut(struct walk *walk, struct ts_slice dn, struct ldap_dn_key base)
{
    struct ldap_dn read;
    while (ldap_dn_key(walk->keys, dn, &read, NULL) == TS_OK) {
        struct ldap_rdn_cut first;
        if (ldap_dn_key_equal(read.key, base)) {
            return true;
        }
        if (walk->count == LDAP_DN_DEPTH_MAX || dn.size == 0 ||
            ldap_rdn_cut_first(dn, &first, NULL) != TS_OK) {
            return false;
        }
        walk->rdns[walk->count++] = first.rdn;
        dn = first.parent;
    }
    return false;
}

/* Do two RDNs mean the same? */
static bool same_name(struct walk *walk, struct ts_slice a, struct ts_slice b)
{
    static const struct ldap_dn_key root;
    struct ldap_dn_key x;
    struct ldap_dn_key y;
    return ldap_dn_child_key(walk->keys, root, a, &x, NULL) == TS_OK &&
           ldap_dn_child_key(walk->keys, root, b, &y, NULL) == TS_OK &&
           ldap_dn_key_equal(x, y);
}

static enum ts_code step(struct walk *walk, struct ts_slice rdn,
                         uint8_t key[static CONNECTOR_KEY_SIZE],
                         bool *ret_found, struct ts_err *err)
{
    static const char sql[] =
        "SELECT dn_key, rdn FROM source_object WHERE parent_key = ?1 AND "
        "+source_id = ?2 AND gone = 0";
    struct metaverse *mv = walk->engine->state.mv;
    sqlite3_stmt *stmt = NULL;
    bool row = true;
    *ret_found = false;
    enum ts_code code =
        metaverse_query(mv, sql,
                        DB_VALUES(DB_BLOB(ts_slice(key, CONNECTOR_KEY_SIZE)),
                                  DB_INT(walk->source_id)),
                        &stmt, err);
    while (code == TS_OK && row && !*ret_found) {
        code = db_step(&mv->db, stmt, &row, err);
        *ret_found = code == TS_OK && row &&
                     db_column(stmt, 0).size == CONNECTOR_KEY_SIZE &&
                     same_name(walk, db_column(stmt, 1), rdn);
    }
    if (*ret_found) {
        memcpy(key, db_column(stmt, 0).data, CONNECTOR_KEY_SIZE);
    }
    if (stmt != NULL) {
        db_reset(stmt);
    }
    return code;
}

static enum ts_code walk_down(struct walk *walk, struct ts_slice dn,
                              uint8_t key[static CONNECTOR_KEY_SIZE],
                              bool *ret_known, struct ts_err *err)
{
    size_t source = (size_t) walk->source_id - 1;
    const char *text = walk->engine->config->sources[source].base;
    struct ldap_dn base;
    enum ts_code code = ldap_dn_key(walk->keys, ts_slice_str(text), &base, err);
    if (code != TS_OK) {
        return code;
    }
    *ret_known = cut(walk, dn, base.key);
    memcpy(key, base.key.bytes, CONNECTOR_KEY_SIZE);
    while (code == TS_OK && *ret_known && walk->count > 0) {
        code = step(walk, walk->rdns[--walk->count], key, ret_known, err);
    }
    return code;
}

enum ts_code place_key(struct engine_context *engine, size_t source,
                       struct ts_slice dn,
                       uint8_t ret_key[static CONNECTOR_KEY_SIZE],
                       bool *ret_known, struct ts_err *err)
{
    struct walk walk = { .engine = engine,
                         .source_id = (int64_t) source + 1,
                         .keys = ldap_dn_keys_new() };
    struct ldap_dn read;
    enum ts_code code = TS_OK;
    if (walk.keys == NULL) {
        return ts_fail(err, TS_E_NOMEM, 0, "could not look for a DN");
    }
    if (engine->config->sources[source].type == CONFIG_SOURCE_AD) {
        code = walk_down(&walk, dn, ret_key, ret_known, err);
    } else {
        *ret_known = ldap_dn_key(walk.keys, dn, &read, NULL) == TS_OK;
        if (*ret_known) {
            memcpy(ret_key, read.key.bytes, CONNECTOR_KEY_SIZE);
        }
    }
    ldap_dn_keys_free(walk.keys);
    return code;
}
