#include "node/target/scim/path.h"

#include <stdio.h>
#include <strings.h>

#define NAME_CHARS \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_$"

/* -- parsing --------------------------------------------------------------- */

/* A cursor over what is left to read. */
struct cursor {
    const char *at, *end;
};

static struct ts_slice take_name(struct cursor *cursor)
{
    const char *from = cursor->at;
    while (cursor->at < cursor->end && *cursor->at != '\0' &&
           strchr(NAME_CHARS, *cursor->at) != NULL) {
        cursor->at++;
    }
    return ts_slice(from, (size_t) (cursor->at - from));
}

static bool take_word(struct cursor *cursor, const char *word)
{
    size_t size = strlen(word);
    if ((size_t) (cursor->end - cursor->at) < size ||
        strncasecmp(cursor->at, word, size) != 0) {
        return false;
    }
    cursor->at += size;
    return true;
}

/* `type eq "work"` up to and with the bracket. A value with a backslash is
 * refused: no type, no flag and no label has one. */
static bool take_filter(struct cursor *cursor, struct scim_path *path)
{
    path->filter_name = take_name(cursor);
    if (path->filter_name.size == 0 || !take_word(cursor, " eq ")) {
        return false;
    }
    const char *from = cursor->at;
    if (take_word(cursor, "\"")) {
        from = cursor->at;
        while (cursor->at < cursor->end && *cursor->at != '"') {
            if (*cursor->at == '\\' || (unsigned char) *cursor->at < 0x20) {
                return false;
            }
            cursor->at++;
        }
        path->filter_value = ts_slice(from, (size_t) (cursor->at - from));
        return take_word(cursor, "\"") && take_word(cursor, "]");
    }
    path->filter_flag = true;
    if (!take_word(cursor, "true") && !take_word(cursor, "false")) {
        return false;
    }
    path->filter_value = ts_slice(from, (size_t) (cursor->at - from));
    return take_word(cursor, "]");
}

static bool is_core(struct ts_slice urn)
{
    return scim_name_equal(urn, SCIM_URN_USER) ||
           scim_name_equal(urn, SCIM_URN_GROUP);
}

/* "urn:…:" in front: up to the last colon before any bracket. */
static void take_urn(struct cursor *cursor, struct scim_path *path)
{
    struct cursor ahead = *cursor;
    if (!take_word(&ahead, "urn:")) {
        return;
    }
    const char *colon = NULL;
    while (ahead.at < ahead.end && *ahead.at != '[') {
        colon = *ahead.at == ':' ? ahead.at : colon;
        ahead.at++;
    }
    if (colon != NULL) {
        struct ts_slice urn =
            ts_slice(cursor->at, (size_t) (colon - cursor->at));
        path->urn = is_core(urn) ? TS_SLICE_NONE : urn;
        cursor->at = colon + 1;
    }
}

enum ts_code scim_path_parse(struct ts_slice text, struct scim_path *ret_path,
                             struct ts_err *err)
{
    struct scim_path path = { .text = text };
    const char *from = text.size == 0 ? "" : (const char *) text.data;
    struct cursor cursor = { from, from + text.size };
    bool good = text.size > 0 && text.size <= SCIM_PATH_SIZE_MAX;

    if (good) {
        take_urn(&cursor, &path);
        path.attribute = take_name(&cursor);
        good = path.attribute.size > 0;
    }
    if (good && take_word(&cursor, "[")) {
        good = take_filter(&cursor, &path);
        good = good && cursor.at < cursor.end && *cursor.at == '.';
    }
    if (good && take_word(&cursor, ".")) {
        path.sub = take_name(&cursor);
        good = path.sub.size > 0;
    }
    if (!good || cursor.at != cursor.end) {
        return ts_fail(err, TS_E_CONFIG, 0,
                       "cannot use the path \"%.*s\": write attribute, "
                       "attribute.sub, attribute[type eq \"work\"].sub, or "
                       "one of these after a schema's URN and a colon",
                       text.size > 200 ? 200 : (int) text.size, from);
    }
    *ret_path = path;
    return TS_OK;
}

/* -- members --------------------------------------------------------------- */

bool scim_name_equal(struct ts_slice a, const char *b)
{
    /* Mostly another name: its first letter tells, in either case. */
    return (a.size == 0 || ((a.data[0] ^ (uint8_t) b[0]) & ~0x20U) == 0) &&
           strlen(b) == a.size &&
           (a.size == 0 || strncasecmp((const char *) a.data, b, a.size) == 0);
}

/* The key as `object` spells it, or NULL. */
static const char *spelling(json_t *object, struct ts_slice name)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        if (scim_name_equal(name, key)) {
            return key;
        }
    }
    return NULL;
}

json_t *scim_member(json_t *object, struct ts_slice name)
{
    json_t *exact =
        json_object_getn(object, (const char *) name.data, name.size);
    if (exact != NULL) {
        return exact;
    }
    const char *key = spelling(object, name);
    return key == NULL ? NULL : json_object_get(object, key);
}

bool scim_member_set(json_t *object, struct ts_slice name, json_t *value)
{
    const char *key = spelling(object, name);
    return key != NULL ? json_object_set_new(object, key, value) == 0
                       : json_object_setn_new(object, (const char *) name.data,
                                              name.size, value) == 0;
}

void scim_member_remove(json_t *object, struct ts_slice name)
{
    const char *key = spelling(object, name);
    if (key != NULL) {
        (void) json_object_del(object, key);
    }
}

/* -- reading --------------------------------------------------------------- */

json_t *scim_path_attribute(const struct scim_path *path, json_t *resource)
{
    json_t *holder =
        path->urn.size == 0 ? resource : scim_member(resource, path->urn);
    return scim_member(holder, path->attribute);
}

bool scim_path_matches(const struct scim_path *path, json_t *element)
{
    const json_t *value = scim_member(element, path->filter_name);
    if (path->filter_flag) {
        bool want = path->filter_value.data[0] == 't' ||
                    path->filter_value.data[0] == 'T';
        return json_is_true(value) ? want : !want && !json_is_string(value);
    }
    /* Types and labels are compared as services do: "Work" is "work". */
    return json_is_string(value) &&
           scim_name_equal(path->filter_value, json_string_value(value));
}

size_t scim_path_match_count(const struct scim_path *path, json_t *resource)
{
    const json_t *list = scim_path_attribute(path, resource);
    size_t index, count = 0;
    json_t *element;
    json_array_foreach(list, index, element)
    {
        count += scim_path_matches(path, element) ? 1 : 0;
    }
    return count;
}

/* -- writing --------------------------------------------------------------- */

json_t *scim_path_new_element(const struct scim_path *path)
{
    json_t *element = json_object();
    json_t *value = path->filter_flag
                        ? json_boolean(path->filter_value.data[0] == 't' ||
                                       path->filter_value.data[0] == 'T')
                        : json_stringn((const char *) path->filter_value.data,
                                       path->filter_value.size);
    if (!scim_member_set(element, path->filter_name, value)) {
        json_decref(element);
        return NULL;
    }
    return element;
}

/* The member, made as `fresh` (taken over) when there is none. */
static json_t *member_or_new(json_t *object, struct ts_slice name,
                             json_t *fresh)
{
    json_t *there = scim_member(object, name);
    if (there != NULL && !json_is_null(there)) {
        json_decref(fresh);
        return there;
    }
    return scim_member_set(object, name, fresh) ? scim_member(object, name)
                                                : NULL;
}

/* Keep the first matching element, drop the others; make one if there is none.
 */
static json_t *sole_element(const struct scim_path *path, json_t *list)
{
    json_t *found = NULL;
    for (size_t i = 0; i < json_array_size(list);) {
        json_t *element = json_array_get(list, i);
        if (!scim_path_matches(path, element)) {
            i++;
        } else if (found == NULL) {
            found = element;
            i++;
        } else {
            (void) json_array_remove(list, i);
        }
    }
    if (found == NULL) {
        found = scim_path_new_element(path);
        if (found != NULL && json_array_append_new(list, found) != 0) {
            return NULL;
        }
    }
    return found;
}

bool scim_path_put(const struct scim_path *path, json_t *resource,
                   json_t *value)
{
    json_t *holder = resource;
    if (path->urn.size > 0) {
        holder = member_or_new(resource, path->urn, json_object());
    }
    if (path->filter_name.size > 0) {
        json_t *list =
            json_is_object(holder)
                ? member_or_new(holder, path->attribute, json_array())
                : NULL;
        holder = json_is_array(list) ? sole_element(path, list) : NULL;
    } else if (path->sub.size > 0) {
        holder = json_is_object(holder)
                     ? member_or_new(holder, path->attribute, json_object())
                     : NULL;
    }
    if (!json_is_object(holder)) {
        json_decref(value);
        return false;
    }
    return scim_member_set(
        holder, path->sub.size > 0 ? path->sub : path->attribute, value);
}

static void clear_elements(const struct scim_path *path, json_t *list)
{
    for (size_t i = 0; i < json_array_size(list);) {
        json_t *element = json_array_get(list, i);
        if (scim_path_matches(path, element)) {
            scim_member_remove(element, path->sub);
            if (json_object_size(element) <= 1) {
                (void) json_array_remove(list, i);
                continue;
            }
        }
        i++;
    }
}

void scim_path_clear(const struct scim_path *path, json_t *resource)
{
    json_t *holder =
        path->urn.size == 0 ? resource : scim_member(resource, path->urn);
    if (path->filter_name.size > 0) {
        clear_elements(path, scim_member(holder, path->attribute));
    } else if (path->sub.size > 0) {
        scim_member_remove(scim_member(holder, path->attribute), path->sub);
    } else {
        scim_member_remove(holder, path->attribute);
    }
}

const char *scim_path_whole(const struct scim_path *path,
                            struct ts_arena *arena)
{
    size_t size = path->urn.size + path->attribute.size + 2;
    char *text = ts_arena_take(arena, size);
    if (text != NULL) {
        (void) snprintf(
            text, size, "%.*s%s%.*s",
            path->urn.size == 0 ? 0 : (int) path->urn.size,
            path->urn.size == 0 ? "" : (const char *) path->urn.data,
            path->urn.size == 0 ? "" : ":", TS_SLICE_ARGS(path->attribute));
    }
    return text;
}
