#include "node/config/table.h"

#include <assert.h>
#include <string.h>

#include "node/config/table_rows.h"

/* ---- rules -------------------------------------------------------------- */

static const struct config_option flow_options[] = {
    { AT("path", CONFIG_TEXT, config_flow, path), .required = true,
      .max = TEXT_MAX, .help = "path at the target" },
    { AT("expression", CONFIG_TEXT, config_flow, expression),
      .format = CONFIG_EXPRESSION, .required = true, .max = EXPRESSION_MAX,
      .help = "SQL expression" },
    { AT("line", CONFIG_LINE, config_flow, line), .of = "expression" },
};
static const struct config_section flow_section = {
    SECTION_OF("Flow", flow_options, config_flow),
};

static const struct config_option reference_options[] = {
    { AT("path", CONFIG_TEXT, config_reference, path), .required = true,
      .max = TEXT_MAX, .help = "path at the target" },
    { LIST_AT("attributes", CONFIG_TEXTS, config_reference, attributes),
      .format = CONFIG_ATTRIBUTE, .required = true, .min = 1, .max = 16,
      .help = "source attributes" },
};
static const struct config_section reference_section = {
    SECTION_OF("References", reference_options, config_reference),
};

static const cyaml_strval_t kind_words[] = {
    { "user", CONFIG_KIND_USER },
    { "group", CONFIG_KIND_GROUP },
};
static const cyaml_strval_t nested_words[] = {
    { "send", CONFIG_NESTED_SEND },
    { "omit", CONFIG_NESTED_OMIT },
    { "flatten", CONFIG_NESTED_FLATTEN },
};
static const cyaml_strval_t members_words[] = {
    { "authoritative", CONFIG_MEMBERS_AUTHORITATIVE },
    { "additive", CONFIG_MEMBERS_ADDITIVE },
};
static const struct config_option rule_options[] = {
    { AT("kind", CONFIG_WORD, config_rule, kind), .effect = true,
      WORDS(kind_words), .required = true,
      .help = "What the rule makes at the target." },
    { LIST_AT("sources", CONFIG_TEXTS, config_rule, sources), .effect = true,
      .format = CONFIG_NAME, .required = true, .min = 1, .max = 16,
      .help = "Names of the sources that the rule reads. Their order is their "
              "precedence." },
    { AT("when", CONFIG_TEXT, config_rule, when), .effect = true,
      .format = CONFIG_EXPRESSION, .required = true, .max = EXPRESSION_MAX,
      .help = "SQL expression that is true for the entries in scope. The "
              "first rule whose expression is true decides." },
    { AT("when-line", CONFIG_LINE, config_rule, when_line), .of = "when" },
    { LIST_AT("join", CONFIG_TEXTS, config_rule, join), .effect = true,
      .max = 16,
      .help = "What makes entries of several sources one object: paths of "
              "flow with equal values, tried in order." },
    { LIST_AT("match", CONFIG_TEXTS, config_rule, match), .effect = true,
      .max = ITEMS_MAX,
      .help = "What makes an object without our mark, found at the target, "
              "the same as ours: paths of flow or once with equal values." },
    { LIST_AT("flow", CONFIG_MAP, config_rule, flow), .effect = true,
      .section = &flow_section, .required = true, .min = 1, .max = 256,
      .help = "What is written: a path at the target and the SQL expression "
              "that gives its value, at every change." },
    { LIST_AT("once", CONFIG_MAP, config_rule, once), .effect = true,
      .section = &flow_section, .max = 256,
      .help = "The same, but written only when the object is created." },
    { LIST_AT("references", CONFIG_MAP, config_rule, references),
      .effect = true, .section = &reference_section, .max = ITEMS_MAX,
      .help = "A path at the target that refers to other objects, and the "
              "attribute, or list of attributes, whose DNs say to which." },
    { AT("nested", CONFIG_WORD, config_rule, nested), .effect = true,
      WORDS(nested_words), .fallback = "send", .only_if = "kind",
      .only_is = "group",
      .help = "Groups that are members of groups: send them as members, omit "
              "them, or flatten them into the people below them." },
    { AT("members", CONFIG_WORD, config_rule, members), .effect = true,
      WORDS(members_words), .fallback = "authoritative", .only_if = "kind",
      .only_is = "group",
      .help = "Members that the target has and the source does not: "
              "authoritative removes them, additive leaves them." },
    { LIST_AT("dummy-members", CONFIG_TEXTS, config_rule, dummy_members),
      .effect = true, .max = ITEMS_MAX, .only_if = "kind", .only_is = "group",
      .help = "DNs that are members only because a group must have one, and "
              "are nobody's, beside the group's own DN and the empty one." },
};
static const struct config_section rule_section = {
    SECTION_OF("Rules", rule_options, config_rule),
};

/* ---- deprovision, target, schedule -------------------------------------- */

static const cyaml_strval_t leaver_words[] = {
    { "deactivate", CONFIG_LEAVER_DEACTIVATE },
    { "delete", CONFIG_LEAVER_DELETE },
    { "keep", CONFIG_LEAVER_KEEP },
};
static const cyaml_strval_t group_leaver_words[] = {
    { "delete", CONFIG_LEAVER_DELETE },
    { "keep", CONFIG_LEAVER_KEEP },
};
static const cyaml_strval_t return_words[] = {
    { "reactivate", CONFIG_RETURN_REACTIVATE },
    { "keep", CONFIG_RETURN_KEEP },
};
static const struct config_option deprovision_options[] = {
    { AT("user", CONFIG_WORD, config_deprovision, user), .effect = true,
      WORDS(leaver_words), .fallback = "deactivate",
      .help = "What becomes of a user at the target whose entry was deleted "
              "at every source." },
    { AT("group", CONFIG_WORD, config_deprovision, group), .effect = true,
      WORDS(group_leaver_words), .fallback = "delete",
      .help = "What becomes of a group whose entry was deleted." },
    { AT("out-of-scope", CONFIG_WORD, config_deprovision, out_of_scope),
      .effect = true, WORDS(leaver_words), .fallback = "deactivate",
      .help = "What becomes of a user whose entry is still there but that no "
              "rule's when is true for. Groups out of scope are treated as "
              "group says." },
    { AT("delete-after-days", CONFIG_NUMBER, config_deprovision,
         delete_after_days),
      .effect = true, .min = 0, .max = 3650, .fallback = "0",
      .help = "Days after which a user that was deactivated because every "
              "source lost the entry is deleted. 0: never." },
    { AT("group-delay-days", CONFIG_NUMBER, config_deprovision,
         group_delay_days),
      .effect = true, .min = 0, .max = 3650, .fallback = "0",
      .help = "Days that a group stays at the target after its entry is gone. "
              "Many services cannot bring a deleted group back." },
    { AT("return", CONFIG_WORD, config_deprovision, returning), .effect = true,
      WORDS(return_words), .fallback = "reactivate",
      .help = "What becomes of a deactivated user whose entry comes back: "
              "reactivate, or keep deactivated until an operator retries it." },
};
static const struct config_section deprovision_section = {
    SECTION_OF("Leavers", deprovision_options, config_deprovision),
};

static const struct config_option oauth_options[] = {
    { AT("token-url", CONFIG_TEXT, config_oauth, token_url),
      .format = CONFIG_URL, .max = TEXT_MAX, .required = true,
      .help = "Token endpoint (RFC 6749, client credentials)." },
    { AT("client-id", CONFIG_TEXT, config_oauth, client_id), .max = TEXT_MAX,
      .required = true, .help = "Our name at the authorization server." },
    { AT("client-secret-file", CONFIG_TEXT, config_oauth, client_secret_file),
      .format = CONFIG_SECRET, .max = TEXT_MAX, .local = true,
      .help = "File with the client secret." },
    { AT("private-key-file", CONFIG_TEXT, config_oauth, private_key_file),
      .format = CONFIG_SECRET, .max = TEXT_MAX, .local = true,
      .help = "PEM file with the private key, RSA or P-256, that signs our "
              "assertions (RFC 7523, private_key_jwt)." },
    { AT("key-id", CONFIG_TEXT, config_oauth, key_id), .max = TEXT_MAX,
      .help = "Name of that key at the authorization server (kid)." },
    { AT("scope", CONFIG_TEXT, config_oauth, scope), .max = TEXT_MAX,
      .help = "Scopes to ask for, separated by spaces." },
    { AT("resource", CONFIG_TEXT, config_oauth, resource), .max = TEXT_MAX,
      .help = "Resource to ask for (RFC 8707)." },
    { AT("registration", CONFIG_SECTION_OPTIONAL, config_oauth, registration),
      .section = &config_table_registration,
      .help = "Where a client of its own is registered for each epoch, so "
              "that a node that lost the lease can be shut out." },
};
static const struct config_section oauth_section = {
    SECTION_OF("OAuth 2.0", oauth_options, config_oauth),
    .exactly_one = { "client-secret-file", "private-key-file" },
};

static const cyaml_strval_t bulk_words[] = {
    { "auto", CONFIG_BULK_AUTO },
    { "never", CONFIG_BULK_NEVER },
};
static const cyaml_strval_t target_words[] = {
    { "scim", CONFIG_TARGET_SCIM },
};
static const cyaml_strval_t foreign_words[] = {
    { "overwrite", CONFIG_FOREIGN_OVERWRITE },
    { "report", CONFIG_FOREIGN_REPORT },
};
static const cyaml_strval_t fence_words[] = {
    { "none", CONFIG_FENCE_NONE },
    { "registration", CONFIG_FENCE_REGISTRATION },
    { "exec", CONFIG_FENCE_EXEC },
};
static const struct config_option target_options[] = {
    { AT("type", CONFIG_WORD, config_target, type), .effect = true,
      WORDS(target_words), .required = true,
      .help = "Kind of service: SCIM 2.0 (RFC 7644)." },
    { AT("url", CONFIG_TEXT, config_target, url), .effect = true,
      .format = CONFIG_URL, .max = TEXT_MAX, .required = true,
      .help = "Base URL, below which ServiceProviderConfig, Users and Groups "
              "are found." },
    { AT("tls", CONFIG_SECTION, config_target, tls),
      .section = &config_table_tls,
      .help = "Certificates, also for the token endpoint." },
    { AT("oauth", CONFIG_SECTION_OPTIONAL, config_target, oauth),
      .section = &oauth_section, .help = "Where access tokens come from." },
    { AT("token-file", CONFIG_TEXT, config_target, token_file),
      .format = CONFIG_SECRET, .max = TEXT_MAX, .local = true,
      .help = "File with a bearer token that never changes. A service that "
              "knows us only by such a token cannot shut a dead node out." },
    { AT("allow-plaintext-loopback", CONFIG_SWITCH, config_target,
         allow_plaintext_loopback),
      .fallback = "false",
      .help = "Permit http:// to 127.0.0.0/8 and ::1. To other addresses it "
              "is never permitted." },
    { AT("bulk", CONFIG_WORD, config_target, bulk), WORDS(bulk_words),
      .fallback = "auto",
      .help = "Bulk requests: auto where the service offers them and they are "
              "measured to be faster." },
    { AT("foreign-edits", CONFIG_WORD, config_target, foreign_edits),
      .effect = true, WORDS(foreign_words), .fallback = "overwrite",
      .help = "What somebody else changed of the values that we write: "
              "overwrite them at the next full cycle, or only report them." },
    { LIST_AT("never-match", CONFIG_TEXTS, config_target, never_match),
      .effect = true, .max = ITEMS_MAX,
      .help = "Values of match (userName, for instance) of objects that are "
              "never adopted: administrators, service accounts, our own." },
    { AT("block-soft-match", CONFIG_SWITCH, config_target, block_soft_match),
      .effect = true, .fallback = "false",
      .help = "Adopt nothing by a rule's match, only by the anchor." },
    { AT("block-hard-match-takeover", CONFIG_SWITCH, config_target,
         block_hard_match_takeover),
      .effect = true, .fallback = "false",
      .help = "Adopt nothing by the anchor that is not in the ledger." },
    { AT("connections-max", CONFIG_NUMBER, config_target, connections_max),
      .min = 1, .max = 64, .fallback = "8",
      .help = "Most connections at a time." },
    { AT("request-timeout-seconds", CONFIG_NUMBER, config_target,
         request_timeout_seconds),
      .min = 1, .max = 600, .fallback = "30",
      .help = "Longest wait for an answer." },
    { AT("quiesce-seconds", CONFIG_NUMBER, config_target, quiesce_seconds),
      .min = 1, .max = 3600, .fallback = "30",
      .help = "Longest time that the service may still work on a request whose "
              "answer was lost; only then is the object looked up." },
    { AT("fence", CONFIG_WORD, config_target, fence), WORDS(fence_words),
      .fallback = "none",
      .help = "How a node that lost the lease is shut out of the service: "
              "registration deletes the client that was registered for its "
              "epoch, exec runs fence-command, none does not, and then only "
              "the lease keeps two nodes from writing. To be said where nodes "
              "names two." },
    { LIST_AT("fence-command", CONFIG_TEXTS, config_target, fence_command),
      .required = true, .min = 1, .max = ITEMS_MAX, .only_if = "fence",
      .only_is = "exec",
      .help = "Program, by its absolute path, and arguments. It is told in "
              "TWINSYNC_FENCE_EPOCH below which epoch nobody may write, and "
              "ends with 0 when that is certain, 75 when it is not yet." },
};
static const struct config_section target_section = {
    SECTION_OF("Target", target_options, config_target),
    .exactly_one = { "oauth", "token-file" },
};

static const struct config_option schedule_options[] = {
    { AT("every-seconds", CONFIG_NUMBER, config_schedule, every_seconds),
      .min = 1, .max = 86400, .fallback = "120",
      .help = "From the start of one cycle to the start of the next." },
    { AT("full-every-days", CONFIG_NUMBER, config_schedule, full_every_days),
      .min = 1, .max = 30, .fallback = "7",
      .help = "Longest time without a full import." },
};
static const struct config_section schedule_section = {
    SECTION_OF("Schedule", schedule_options, config_schedule),
};

#define COUNT_OPTION(key, member, fallback_, help_)              \
    {                                                            \
        AT(key, CONFIG_NUMBER, config_guard, member),            \
            .min = 0, .max = 100000000, .fallback = (fallback_), \
            .help = (help_)                                      \
    }
#define PERCENT_OPTION(key, member, fallback_, help_)                      \
    {                                                                      \
        AT(key, CONFIG_NUMBER, config_guard, member),                      \
            .min = 1, .max = 100, .fallback = (fallback_), .help = (help_) \
    }
static const struct config_option guard_options[] = {
    { AT("window-hours", CONFIG_NUMBER, config_guard, window_hours), .min = 1,
      .max = 720, .fallback = "24",
      .help = "Length of the sliding window in which writes are counted." },
    COUNT_OPTION("deletes", deletes, "500",
                 "Most deletions of one kind in a window."),
    COUNT_OPTION("deactivations", deactivations, "500",
                 "Most deactivations in a window."),
    COUNT_OPTION("creates", creates, "2000",
                 "Most creations of one kind in a window."),
    COUNT_OPTION("key-changes", key_changes, "100",
                 "Most changes of a unique value in a window."),
    PERCENT_OPTION("percent", percent, "10",
                   "Share of the objects of one kind, as they were when the "
                   "window began, that deletions, deactivations, exits from "
                   "the scope and changes of unique values may each reach."),
    PERCENT_OPTION("attribute-loss-percent", attribute_loss_percent, "5",
                   "Share of a source's objects that may lose the same "
                   "attribute in one run."),
    PERCENT_OPTION("member-loss-percent", member_loss_percent, "50",
                   "Share of a group's members, and of all memberships, that "
                   "may be removed in a window."),
    COUNT_OPTION("always-allowed", always_allowed, "2",
                 "So many are allowed whatever the percentages say."),
};
static const struct config_section guard_section = {
    SECTION_OF("Guard", guard_options, config_guard),
};

/* ---- the file ----------------------------------------------------------- */

static const cyaml_strval_t unprotected_words[] = {
    { "continue", CONFIG_UNPROTECTED_CONTINUE },
    { "hold-deletes", CONFIG_UNPROTECTED_HOLD_DELETES },
    { "stop", CONFIG_UNPROTECTED_STOP },
};
static const struct config_option options[] = {
    { AT("cluster", CONFIG_TEXT, config, cluster), .format = CONFIG_NAME,
      .max = 32, .required = true,
      .help = "Name of the pair of computers, the same on both: 1 to 32 of "
              "a-z, 0-9 and -." },
    { AT("this-node", CONFIG_TEXT, config, this_node), .format = CONFIG_NAME,
      .max = 32, .required = true, .local = true,
      .help =
          "Name of this computer, of the same letters: the only option that "
          "differs between the two." },
    { AT("state-directory", CONFIG_TEXT, config, state_directory),
      .format = CONFIG_FOLDER, .max = TEXT_MAX, .local = true,
      .fallback = "/var/lib/twinsync",
      .help = "Folder of everything that is remembered." },
    { LIST_AT("nodes", CONFIG_SECTIONS, config, nodes),
      .section = &config_table_node, .max = 4,
      .help = "The computers of the pair, and up to two that are to replace "
              "them. Without it this computer is alone." },
    { AT("lease", CONFIG_SECTION, config, lease),
      .section = &config_table_lease,
      .help = "How long the right to export lasts." },
    { AT("register", CONFIG_SECTION_OPTIONAL, config, reg),
      .section = &config_table_register,
      .help = "Where it is written who may export: outside both nodes." },
    { AT("unprotected", CONFIG_WORD, config, unprotected),
      WORDS(unprotected_words), .fallback = "continue",
      .help = "What is exported while the standby does not confirm that it "
              "has each change: everything (continue), all but what takes "
              "away (hold-deletes), nothing (stop)." },
    { LIST_AT("sources", CONFIG_SECTIONS, config, sources), .effect = true,
      .section = &config_table_source, .required = true, .min = 1, .max = 16,
      .help = "Directories that people and groups are read from." },
    { LIST_AT("rules", CONFIG_SECTIONS, config, rules), .effect = true,
      .section = &rule_section, .required = true, .min = 1, .max = ITEMS_MAX,
      .help = "What becomes of an entry." },
    { AT("deprovision", CONFIG_SECTION, config, deprovision), .effect = true,
      .section = &deprovision_section,
      .help = "What becomes of objects whose entries are gone." },
    { AT("target", CONFIG_SECTION, config, target), .effect = true,
      .section = &target_section, .required = true,
      .help = "The service that is kept in step." },
    { AT("schedule", CONFIG_SECTION, config, schedule),
      .section = &schedule_section, .help = "When it happens." },
    { AT("guard", CONFIG_SECTION, config, guard), .section = &guard_section,
      .help = "How much may be written in a window; what exceeds it is held as "
              "a whole until somebody approves it." },
};
const struct config_section config_table = {
    SECTION_OF("Twinsync", options, config),
};

const struct config_option *
config_table_find(const struct config_section *section, const char *name)
{
    for (uint32_t i = 0; i < section->option_count; i++) {
        if (strcmp(section->options[i].name, name) == 0) {
            return &section->options[i];
        }
    }
    return NULL;
}

/* ---- the same table as libcyaml's schema -------------------------------- */

static const cyaml_schema_field_t *
add_fields(struct config_schema *schema, const struct config_section *section);

/* How libcyaml sees one value of `option`; a list's is added apart. */
static cyaml_schema_value_t value_of(struct config_schema *schema,
                                     const struct config_option *option)
{
    cyaml_schema_value_t value = { .flags = CYAML_FLAG_OPTIONAL };
    switch (option->type) {
    case CONFIG_TEXT:
    case CONFIG_TEXTS:
        value.type = CYAML_STRING;
        value.flags |= CYAML_FLAG_POINTER;
        value.data_size = sizeof(char);
        value.string.max = CYAML_UNLIMITED;
        break;
    case CONFIG_NUMBER:
    case CONFIG_SECONDS:
    case CONFIG_LINE:
        value.type = CYAML_UINT;
        value.data_size = sizeof(uint32_t);
        break;
    case CONFIG_SWITCH:
        value.type = CYAML_BOOL;
        value.data_size = sizeof(bool);
        break;
    case CONFIG_WORD:
        value.type = CYAML_ENUM;
        value.flags |= CYAML_FLAG_STRICT;
        value.data_size = sizeof(enum config_kind);
        value.enumeration.strings = option->words;
        value.enumeration.count = option->word_count;
        break;
    case CONFIG_SECTION:
    case CONFIG_SECTION_OPTIONAL:
    case CONFIG_SECTIONS:
    case CONFIG_MAP:
        value.type = CYAML_MAPPING;
        if (option->type == CONFIG_SECTION_OPTIONAL) {
            value.flags |= CYAML_FLAG_POINTER;
        }
        value.data_size = option->section->size;
        value.mapping.fields = add_fields(schema, option->section);
        break;
    }
    return value;
}

static bool is_list(enum config_option_type type)
{
    return type == CONFIG_TEXTS || type == CONFIG_SECTIONS ||
           type == CONFIG_MAP;
}

static cyaml_schema_field_t field_of(struct config_schema *schema,
                                     const struct config_option *option)
{
    cyaml_schema_field_t field = { .key = option->name,
                                   .data_offset = option->offset };
    cyaml_schema_value_t value = value_of(schema, option);
    if (!is_list(option->type)) {
        field.value = value;
        return field;
    }
    assert(schema->value_count < CONFIG_SCHEMA_VALUES_MAX);
    cyaml_schema_value_t *entry = &schema->values[schema->value_count++];
    *entry = value;
    entry->flags &= ~(unsigned) CYAML_FLAG_OPTIONAL;
    field.count_offset = option->count_offset;
    field.count_size = sizeof(uint32_t);
    field.value = (cyaml_schema_value_t){
        .type = CYAML_SEQUENCE,
        .flags = CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER,
        .data_size = option->type == CONFIG_TEXTS ? sizeof(char *)
                                                  : option->section->size,
        .sequence = { .entry = entry, .max = CYAML_UNLIMITED },
    };
    return field;
}

/* A section used twice is added twice: a few unused rows are cheaper than
 * remembering. */
static const cyaml_schema_field_t *
add_fields(struct config_schema *schema, const struct config_section *section)
{
    cyaml_schema_field_t *fields = &schema->fields[schema->field_count];
    schema->field_count += section->option_count + 1; /* and the end mark */
    assert(schema->field_count <= CONFIG_SCHEMA_FIELDS_MAX);
    for (uint32_t i = 0; i < section->option_count; i++) {
        fields[i] = field_of(schema, &section->options[i]);
    }
    fields[section->option_count] = (cyaml_schema_field_t) CYAML_FIELD_END;
    return fields;
}

void config_schema_init(struct config_schema *schema)
{
    schema->field_count = 0;
    schema->value_count = 0;
    schema->top = (cyaml_schema_value_t){
        .type = CYAML_MAPPING,
        .flags = CYAML_FLAG_POINTER,
        .data_size = config_table.size,
        .mapping = { .fields = add_fields(schema, &config_table) },
    };
}
