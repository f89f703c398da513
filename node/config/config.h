/*
 * config -- what the operator wrote, as structs.
 *
 * Loaded by node/config/loader.h from YAML, checked there against ranges and
 * cross-references, and read-only afterwards: every other module may trust
 * what it finds here. Strings are NUL-terminated UTF-8; optional strings are
 * NULL when absent; lists are (pointer, _count). Units are in the names.
 *
 * What is secret is named by file, never held here: config can be printed.
 */
#ifndef NODE_CONFIG_CONFIG_H
#define NODE_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config_tls {
    char *ca_file;          /* NULL: the system's trust store */
    char *certificate_file; /* client certificate, with key_file; else NULL */
    char *key_file;
};

enum config_bind_method {
    CONFIG_BIND_SIMPLE,
    CONFIG_BIND_EXTERNAL
};

struct config_bind {
    enum config_bind_method method;
    char *dn;            /* simple */
    char *password_file; /* simple */
};

enum config_source_type {
    CONFIG_SOURCE_CONTENTSYNC,
    CONFIG_SOURCE_AD
};

enum config_consistency_guid {
    CONFIG_CONSISTENCY_PREFER, /* mS-DS-ConsistencyGuid, where it is set */
    CONFIG_CONSISTENCY_IGNORE
};

struct config_source {
    char *name;
    enum config_source_type type;
    char *uri; /* one or more LDAP URIs, tried in order, separated by spaces */
    char *base;
    char *filter;
    struct config_bind bind;
    struct config_tls tls;
    bool start_tls;
    bool allow_plaintext_loopback;
    char *anchor; /* contentsync: attribute; entryUUID by default */
    enum config_consistency_guid consistency_guid; /* ad */
    char **canaries; /* DNs without which an enumeration is not believed */
    uint32_t canaries_count;
    uint32_t connect_timeout_seconds;
    uint32_t operation_timeout_seconds;
};

/* One line of a `flow:` or `once:` mapping: target path, SQL expression. */
struct config_flow {
    char *path;
    char *expression;
    uint32_t line; /* in the file, for messages; 0 when not from a file */
};

/* One line of a `references:` mapping: target path, source attributes. */
struct config_reference {
    char *path;
    char **attributes;
    uint32_t attributes_count;
};

enum config_kind {
    CONFIG_KIND_USER,
    CONFIG_KIND_GROUP,
    CONFIG_KINDS
};
enum config_nested {
    CONFIG_NESTED_SEND,
    CONFIG_NESTED_OMIT,
    CONFIG_NESTED_FLATTEN
};
enum config_members {
    CONFIG_MEMBERS_AUTHORITATIVE,
    CONFIG_MEMBERS_ADDITIVE
};

struct config_rule {
    enum config_kind kind;
    char **sources; /* names, in order of precedence */
    uint32_t sources_count;
    char *when;
    uint32_t when_line; /* in the file; 0 when not from a file */
    char **join;        /* source to metaverse: flow paths */
    uint32_t join_count;
    char **match; /* metaverse to a target object without an anchor: paths */
    uint32_t match_count;
    struct config_flow *flow;
    uint32_t flow_count;
    struct config_flow *once;
    uint32_t once_count;
    struct config_reference *references;
    uint32_t references_count;
    enum config_nested nested;
    enum config_members members;
    char **dummy_members; /* DNs that stand in groups for nobody */
    uint32_t dummy_members_count;
};

enum config_leaver {
    CONFIG_LEAVER_DEACTIVATE,
    CONFIG_LEAVER_DELETE,
    CONFIG_LEAVER_KEEP
};

enum config_return {
    CONFIG_RETURN_REACTIVATE,
    CONFIG_RETURN_KEEP /* stays deactivated until an operator retries it */
};

struct config_deprovision {
    enum config_leaver user;
    enum config_leaver group;
    enum config_leaver out_of_scope;
    uint32_t delete_after_days; /* after a deactivation; 0: never */
    uint32_t group_delay_days;  /* before a group is deleted */
    enum config_return returning;
};

/* How much may be written before somebody has to look; see node/engine/guard.h.
 * Counts are of one kind and one class in one window. */
struct config_guard {
    uint32_t window_hours;
    uint32_t deletes;
    uint32_t deactivations;
    uint32_t creates;
    uint32_t key_changes;
    uint32_t percent;                /* of the ledger, for what takes away */
    uint32_t attribute_loss_percent; /* of a source's objects, in one run */
    uint32_t member_loss_percent;    /* of one group's members, and of all */
    uint32_t always_allowed;
};

enum config_bulk {
    CONFIG_BULK_AUTO,
    CONFIG_BULK_NEVER
};
enum config_target_type {
    CONFIG_TARGET_SCIM
};
enum config_foreign_edits {
    CONFIG_FOREIGN_OVERWRITE,
    CONFIG_FOREIGN_REPORT
};

/* A client of its own for each epoch (RFC 7591). */
struct config_registration {
    char *url;
    char *token_file;
    char *revocation_url;    /* RFC 7009; NULL: none */
    char *introspection_url; /* RFC 7662; NULL: none */
};

struct config_oauth {
    char *token_url;
    char *client_id;
    char *client_secret_file; /* exactly one of the two */
    char *private_key_file;   /* PEM: RFC 7523 private_key_jwt, RS256/ES256 */
    char *key_id;             /* "kid" of the assertion; NULL: none */
    char *scope;
    char *resource;                           /* RFC 8707; NULL: none */
    struct config_registration *registration; /* NULL: none */
};

enum config_fence {
    CONFIG_FENCE_NONE,
    CONFIG_FENCE_REGISTRATION, /* oauth->registration is there */
    CONFIG_FENCE_EXEC
};

struct config_target {
    enum config_target_type type;
    char *url;
    struct config_tls tls;
    struct config_oauth *oauth; /* exactly one of oauth and token_file */
    char *token_file;           /* static bearer token: cannot be fenced */
    bool allow_plaintext_loopback;
    enum config_bulk bulk;
    enum config_foreign_edits foreign_edits;
    char **never_match; /* match values of objects that are never adopted */
    uint32_t never_match_count;
    bool block_soft_match;
    bool block_hard_match_takeover;
    uint32_t connections_max;
    uint32_t request_timeout_seconds;
    uint32_t
        quiesce_seconds; /* longest work on a request whose answer was lost */
    enum config_fence fence;
    char **fence_command; /* exec: program and arguments */
    uint32_t fence_command_count;
};

struct config_schedule {
    uint32_t every_seconds;
    uint32_t full_every_days;
};

/* One of the nodes of the cluster. */
struct config_member {
    char *name;
    char *endpoint;    /* tcp://ADDRESS:PORT */
    char *certificate; /* NULL: STATE/pair/peers/NAME.cert */
};

struct config_lease {
    uint32_t ttl_ms, renew_ms, margin_ms;
    uint32_t clock_error_percent;
};

enum config_register_type {
    CONFIG_REGISTER_PEER,
    CONFIG_REGISTER_ETCD,
    CONFIG_REGISTER_LDAP,
    CONFIG_REGISTER_MANUAL
};

/* Only what belongs to `type` is set. */
struct config_register {
    enum config_register_type type;
    char *endpoint, *certificate; /* peer */
    char **endpoints;             /* etcd */
    uint32_t endpoints_count;
    char *key;                  /* NULL: twinsync/CLUSTER */
    char *user, *password_file; /* both or neither */
    char *uri, *dn, *attribute; /* ldap */
    struct config_bind *bind;
    bool start_tls;
    struct config_tls tls;
    bool allow_plaintext_loopback;
    uint32_t timeout_ms;
};

enum config_unprotected {
    CONFIG_UNPROTECTED_CONTINUE,
    CONFIG_UNPROTECTED_HOLD_DELETES,
    CONFIG_UNPROTECTED_STOP
};

struct config {
    char *cluster;
    char *this_node;
    char *state_directory;
    struct config_member *nodes; /* none: this node is alone, no register */
    uint32_t nodes_count;
    struct config_lease lease;
    struct config_register *reg; /* NULL: alone */
    enum config_unprotected unprotected;
    struct config_source *sources;
    uint32_t sources_count;
    struct config_rule *rules;
    uint32_t rules_count;
    struct config_deprovision deprovision;
    struct config_target target;
    struct config_schedule schedule;
    struct config_guard guard;
};

#endif
