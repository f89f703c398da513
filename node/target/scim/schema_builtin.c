/* RFC 7643 sections 3.1, 4.1 to 4.3 and 8.7: what a service has that does not
 * answer /Schemas. */
#include "node/target/scim/schema.h"

#define E SCIM_URN_ENTERPRISE
#define ROW(urn_, name_, sub_, kind_, value_, ...)              \
    {                                                           \
        .urn = (urn_), .name = (name_), .sub = (sub_),          \
        .kind = CONFIG_KIND_##kind_, .value = TS_KIND_##value_, \
        .returned = true, __VA_ARGS__                           \
    }
#define USER(name_, sub_, value_, ...) \
    ROW("", name_, sub_, USER, value_, __VA_ARGS__)
#define MULTI(name_)                                        \
    USER(name_, "", JSON, .multi_valued = true),            \
        USER(name_, "value", TEXT, .multi_valued = true),   \
        USER(name_, "display", TEXT, .multi_valued = true), \
        USER(name_, "type", TEXT, .multi_valued = true),    \
        USER(name_, "primary", BOOLEAN, .multi_valued = true)

const struct scim_attribute scim_builtin[] = {
    USER("externalId", "", TEXT, .case_exact = true),
    USER("userName", "", TEXT, .unique = true, .required = true),
    USER("name", "", JSON, .case_exact = false),
    USER("name", "formatted", TEXT, .case_exact = false),
    USER("name", "familyName", TEXT, .case_exact = false),
    USER("name", "givenName", TEXT, .case_exact = false),
    USER("name", "middleName", TEXT, .case_exact = false),
    USER("name", "honorificPrefix", TEXT, .case_exact = false),
    USER("name", "honorificSuffix", TEXT, .case_exact = false),
    USER("displayName", "", TEXT, .case_exact = false),
    USER("nickName", "", TEXT, .case_exact = false),
    USER("profileUrl", "", TEXT, .case_exact = true),
    USER("title", "", TEXT, .case_exact = false),
    USER("userType", "", TEXT, .case_exact = false),
    USER("preferredLanguage", "", TEXT, .case_exact = false),
    USER("locale", "", TEXT, .case_exact = false),
    USER("timezone", "", TEXT, .case_exact = false),
    USER("active", "", BOOLEAN, .case_exact = false),
    MULTI("emails"),
    MULTI("phoneNumbers"),
    MULTI("ims"),
    MULTI("photos"),
    USER("addresses", "", JSON, .multi_valued = true),
    USER("addresses", "formatted", TEXT, .multi_valued = true),
    USER("addresses", "streetAddress", TEXT, .multi_valued = true),
    USER("addresses", "locality", TEXT, .multi_valued = true),
    USER("addresses", "region", TEXT, .multi_valued = true),
    USER("addresses", "postalCode", TEXT, .multi_valued = true),
    USER("addresses", "country", TEXT, .multi_valued = true),
    USER("addresses", "type", TEXT, .multi_valued = true),
    USER("addresses", "primary", BOOLEAN, .multi_valued = true),
    MULTI("entitlements"),
    MULTI("roles"),
    MULTI("x509Certificates"),
    ROW(E, "employeeNumber", "", USER, TEXT, .case_exact = false),
    ROW(E, "costCenter", "", USER, TEXT, .case_exact = false),
    ROW(E, "organization", "", USER, TEXT, .case_exact = false),
    ROW(E, "division", "", USER, TEXT, .case_exact = false),
    ROW(E, "department", "", USER, TEXT, .case_exact = false),
    ROW(E, "manager", "", USER, JSON, .case_exact = false),
    ROW(E, "manager", "value", USER, TEXT, .case_exact = true),
    ROW(E, "manager", "displayName", USER, TEXT, .case_exact = false),
    ROW("", "externalId", "", GROUP, TEXT, .case_exact = true),
    ROW("", "displayName", "", GROUP, TEXT, .required = true),
    ROW("", "members", "", GROUP, JSON, .multi_valued = true),
    ROW("", "members", "value", GROUP, TEXT, .multi_valued = true),
};
const size_t scim_builtin_count = sizeof scim_builtin / sizeof scim_builtin[0];
