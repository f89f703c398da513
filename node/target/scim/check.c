/* What `twinsync check` says about the service. */
#include "node/base/json.h"
#include "node/target/scim/scim.h"

struct findings {
    struct target_finding *rows;
    size_t count;
    struct ts_arena *arena;
};

static void add(struct findings *findings, const char *name, bool ok,
                const char *value, const char *fix)
{
    if (findings->count < TARGET_FINDINGS_MAX && value != NULL) {
        findings->rows[findings->count++] =
            (struct target_finding){ name, ok, value, ok ? NULL : fix };
    }
}

static const char *keep(struct findings *findings, const char *text)
{
    return (const char *) ts_arena_copy(findings->arena, ts_slice_str(text))
        .data;
}

/* What a failed first request proves about reachability, TLS and token. */
static void add_failure(struct findings *findings, enum ts_code rc,
                        const struct ts_err *err)
{
    const char *why = keep(findings, err->text);
    if (rc == TS_E_AUTH || rc == TS_E_CONFIG || rc == TS_E_REFUSED ||
        rc == TS_E_NOT_FOUND) {
        add(findings, "token", false, why,
            "check client-id, its secret or key, scope and the certificate "
            "authority in tls: ca-file");
    } else {
        add(findings, "reachable", false, why,
            "check the target's URL, the network and the service itself");
    }
}

static const char *yes(bool flag)
{
    return flag ? "yes" : "no";
}

static void add_discovery(struct findings *findings, const struct scim *scim)
{
    const struct scim_schema *schema = &scim->schema;
    add(findings, "discovery", true,
        scim_print(findings->arena,
                   "patch %s, bulk %s, etag %s, filter %s, schemas %s",
                   yes(schema->patch), yes(schema->bulk), yes(schema->etag),
                   yes(schema->filter),
                   schema->read ? "read from the service" : "of RFC 7643"),
        NULL);
    add(findings, "filter", schema->filter,
        schema->filter ? "objects can be looked up" : "not offered",
        "objects are looked up by externalId; a service without filters cannot "
        "be exported to safely");
}

/* Reading one object of each kind shows the right to read; that to write can
 * only be shown by writing. */
static void add_rights(struct findings *findings, struct scim *scim)
{
    static const char *const names[CONFIG_KINDS] = { "read-users",
                                                     "read-groups" };
    for (size_t kind = 0; kind < CONFIG_KINDS; kind++) {
        TS_AUTOJSON json_t *json = NULL;
        struct scim_page page;
        struct ts_err err;
        const char *path =
            scim_print(findings->arena, "%s?startIndex=1&count=1",
                       scim->schema.endpoint[kind]);
        enum ts_code rc =
            path == NULL
                ? TS_E_NOMEM
                : scim_get(scim, path, SCIM_ANSWER_SIZE_MAX, &json, &err);
        if (rc == TS_OK) {
            rc = scim_decode_page(json, &page, &err);
        }
        add(findings, names[kind], rc == TS_OK,
            rc == TS_OK
                ? scim_print(findings->arena, "%zu there", page.total)
                : keep(findings, rc == TS_E_NOMEM ? "out of memory" : err.text),
            "grant the client the right to read and write these resources");
    }
}

static void add_paths(struct findings *findings, const struct scim *scim)
{
    for (size_t kind = 0; kind < CONFIG_KINDS; kind++) {
        const struct target_paths *paths = &scim->options.paths[kind];
        for (size_t i = 0; i < paths->path_count; i++) {
            struct target_attribute attribute;
            struct ts_err err;
            if (target_describe(&scim->base, (enum config_kind) kind,
                                paths->paths[i], &attribute, &err) != TS_OK) {
                add(findings, "path", false, keep(findings, err.text),
                    "correct the path in the rule's flow");
            }
        }
    }
}

size_t scim_check(struct target *target, struct ts_arena *arena,
                  struct target_finding rows[])
{
    struct scim *scim = scim_of(target);
    struct findings findings = { .rows = rows, .arena = arena };
    struct ts_err err;

    enum ts_code rc = scim_discover(scim, &err);
    if (rc != TS_OK) {
        add_failure(&findings, rc, &err);
        return findings.count;
    }
    add(&findings, "reachable", true, keep(&findings, scim->url), NULL);
    add(&findings, "token", true,
        scim->options.config->oauth == NULL
            ? "static: it cannot be fenced when this computer is replaced"
            : "issued and accepted",
        NULL);
    add_discovery(&findings, scim);
    add_rights(&findings, scim);
    add_paths(&findings, scim);
    return findings.count;
}
