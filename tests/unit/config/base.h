/* A configuration that is right; tests make it wrong in one place. */
#ifndef TESTS_UNIT_CONFIG_BASE_H
#define TESTS_UNIT_CONFIG_BASE_H

static const char base_yaml[] =
    /*  1 */ "cluster: corp\n"
             /*  2 */ "this-node: alpha\n"
             /*  3 */ "sources:\n"
             /*  4 */ "  - name: corp\n"
             /*  5 */ "    type: contentsync\n"
             /*  6 */ "    uri: ldaps://ldap.example.org\n"
             /*  7 */ "    base: dc=example,dc=org\n"
             /*  8 */ "    bind: {dn: cn=reader, password-file: "
             "/etc/twinsync/bind}\n"
             /*  9 */ "rules:\n"
             /* 10 */ "  - kind: user\n"
             /* 11 */ "    sources: [corp]\n"
             /* 12 */ "    when: mail IS NOT NULL\n"
             /* 13 */ "    match: [userName]\n"
             /* 14 */ "    flow:\n"
             /* 15 */ "      userName: mail\n"
             /* 16 */ "      displayName: first(cn)\n"
             /* 17 */ "    references: {manager: manager}\n"
             /* 18 */ "  - kind: group\n"
             /* 19 */ "    sources: [corp]\n"
             /* 20 */ "    when: \"has('objectClass', 'groupOfNames')\"\n"
             /* 21 */ "    flow: {displayName: first(cn)}\n"
             /* 22 */ "    references: {members: [member, uniqueMember]}\n"
             /* 23 */ "target:\n"
             /* 24 */ "  type: scim\n"
             /* 25 */ "  url: https://scim.example.org/v2\n"
             /* 26 */ "  token-file: /etc/twinsync/token\n"
             /* 27 */ "schedule: {every-seconds: 60}\n";

#endif
