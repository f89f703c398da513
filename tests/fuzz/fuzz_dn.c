/* Any bytes as a DN: refused or keyed, and the same by both paths (D1, D2). */
#include <assert.h>

#include "node/ldap/dn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ldap_dn_keys *keys;
    if (keys == NULL) {
        keys = ldap_dn_keys_new();
        assert(keys != NULL);
    }
    struct ldap_dn fast;
    struct ldap_dn slow;
    struct ldap_dn again;
    struct ts_slice dn = ts_slice(data, size);
    enum ts_code rc = ldap_dn_key(keys, dn, &fast, NULL);
    assert(ldap_dn_key_slowly(keys, dn, &slow, NULL) == rc);
    assert(ldap_dn_key(keys, dn, &again, NULL) == rc);
    if (rc != TS_OK) {
        return 0;
    }
    assert(ldap_dn_key_equal(fast.key, slow.key));
    assert(ldap_dn_key_equal(fast.key, again.key));
    assert(ldap_dn_key_equal(fast.parent, slow.parent));
    assert(ts_slice_equal(fast.rdn, slow.rdn));
    if (fast.rdn.size > 0) {
        struct ldap_dn_key child;
        rc = ldap_dn_child_key(keys, fast.parent, fast.rdn, &child, NULL);
        assert(rc == TS_OK && ldap_dn_key_equal(child, fast.key));
    }
    return 0;
}
