#include "node/source/trail.h"

#include <inttypes.h>
#include <stdio.h>

#define SECONDS_DIGITS_MAX 19
#define FIELDS             7

static const int64_t delays[TRAIL_LOOKS] = {
    [TRAIL_SOON] = TRAIL_SOON_SECONDS,
    [TRAIL_LATE] = TRAIL_LATE_SECONDS,
};

static struct ts_slice bytes_of(const struct contentsync_mark *mark)
{
    return ts_slice(mark->bytes, mark->size);
}

static bool equal(const struct contentsync_mark *a,
                  const struct contentsync_mark *b)
{
    return ts_slice_equal(bytes_of(a), bytes_of(b));
}

static void set(struct contentsync_mark *mark, struct ts_slice bytes)
{
    mark->size = bytes.size;
    if (bytes.size > 0) {
        memmove(mark->bytes, bytes.data, bytes.size);
    }
}

void trail_rest(struct trail *trail, const struct contentsync_mark *mark)
{
    for (int i = 0; i < TRAIL_LOOKS; i++) {
        struct trail_look *look = &trail->looks[i];
        set(&look->from, bytes_of(mark));
        set(&look->to, bytes_of(mark));
        look->since = 0;
    }
    set(&trail->newest, bytes_of(mark));
}

static bool due(const struct trail_look *look, int64_t delay, int64_t now)
{
    return now >= look->since && now - look->since >= delay;
}

/* Is there nothing up to `mark` that the look has still to see? */
static bool at_rest(const struct trail_look *look,
                    const struct contentsync_mark *mark)
{
    return equal(&look->from, &look->to) && equal(&look->from, mark);
}

enum trail_kind trail_next(const struct trail *trail, int64_t now)
{
    const struct trail_look *late = &trail->looks[TRAIL_LATE];
    return due(late, delays[TRAIL_LATE], now) ? TRAIL_LATE : TRAIL_SOON;
}

const struct contentsync_mark *trail_from(const struct trail *trail,
                                          enum trail_kind kind)
{
    return &trail->looks[kind].from;
}

static void see(struct trail_look *look, struct ts_slice mark, int64_t now)
{
    set(&look->to, mark);
    look->since = now;
}

void trail_answer(struct trail *trail, enum trail_kind kind, int64_t asked,
                  const struct contentsync_mark *mark, int64_t now)
{
    for (enum trail_kind i = TRAIL_SOON; i < TRAIL_LOOKS; i++) {
        struct trail_look *look = &trail->looks[i];
        if (at_rest(look, mark)) {
            continue; /* the same text: nothing to be written down */
        }
        if (look->since > asked) {
            look->since = now; /* the clock was set back */
        } else if (i <= kind && due(look, delays[i], asked)) {
            set(&look->from, bytes_of(&look->to));
            see(look, bytes_of(mark), now);
        }
    }
    if (!trail_is_past(trail, mark)) {
        set(&trail->newest, bytes_of(mark));
    }
}

static bool covers(const struct contentsync_cookie *state,
                   const struct contentsync_mark *mark)
{
    struct contentsync_cookie seen;
    bool all = contentsync_cookie_parse(bytes_of(mark), &seen, NULL) == TS_OK;
    for (size_t i = 0; all && i < seen.count; i++) {
        all = contentsync_cookie_covers(state, &seen.csns[i]);
    }
    return all;
}

bool trail_is_past(const struct trail *trail,
                   const struct contentsync_mark *mark)
{
    struct contentsync_cookie state;
    if (contentsync_cookie_parse(bytes_of(mark), &state, NULL) != TS_OK) {
        return true;
    }
    for (int i = 0; i < TRAIL_LOOKS; i++) {
        if (!covers(&state, &trail->looks[i].to)) {
            return true;
        }
    }
    return !covers(&state, &trail->newest);
}

void trail_extend(struct trail *trail, const struct contentsync_mark *mark,
                  int64_t now)
{
    for (int i = 0; i < TRAIL_LOOKS; i++) {
        see(&trail->looks[i], bytes_of(mark), now);
    }
    set(&trail->newest, bytes_of(mark));
}

/* --- as text -------------------------------------------------------------- */

struct writer {
    uint8_t *text;
    size_t size;
};

static void put(struct writer *writer, struct ts_slice bytes)
{
    if (writer->size > 0) {
        writer->text[writer->size++] = ' ';
    }
    if (bytes.size > 0) {
        memcpy(writer->text + writer->size, bytes.data, bytes.size);
    }
    writer->size += bytes.size;
}

size_t trail_print(const struct trail *trail,
                   uint8_t text[static TRAIL_TEXT_MAX])
{
    struct writer writer = { .text = text };
    const struct contentsync_mark *mark = &trail->looks[TRAIL_LATE].from;
    if (at_rest(&trail->looks[TRAIL_SOON], mark) &&
        at_rest(&trail->looks[TRAIL_LATE], mark) &&
        equal(&trail->newest, mark)) {
        put(&writer, bytes_of(mark));
        return writer.size;
    }
    for (int i = 0; i < TRAIL_LOOKS; i++) {
        const struct trail_look *look = &trail->looks[i];
        char seconds[SECONDS_DIGITS_MAX + 2];
        (void) snprintf(seconds, sizeof seconds, "%" PRId64, look->since);
        put(&writer, bytes_of(&look->from));
        put(&writer, bytes_of(&look->to));
        put(&writer, ts_slice_str(seconds));
    }
    put(&writer, bytes_of(&trail->newest));
    return writer.size;
}

static enum ts_code unreadable(struct ts_err *err)
{
    return ts_fail(err, TS_E_PROTOCOL, 0,
                   "cannot use a watermark that is not one of ours");
}

/* Cut `text` at its spaces. Returns how many fields there are; more than there
 * can be is one more. */
static size_t split(struct ts_slice text, struct ts_slice fields[static FIELDS])
{
    size_t count = 0;
    while (count < FIELDS) {
        const uint8_t *space =
            text.size == 0 ? NULL : memchr(text.data, ' ', text.size);
        size_t size = space == NULL ? text.size : (size_t) (space - text.data);
        fields[count++] = ts_slice(text.data, size);
        if (space == NULL) {
            return count;
        }
        text = ts_slice(space + 1, text.size - size - 1);
    }
    return FIELDS + 1;
}

static bool parse_mark(struct ts_slice text, struct contentsync_mark *mark)
{
    struct contentsync_cookie cookie;
    if (contentsync_cookie_parse(text, &cookie, NULL) != TS_OK) {
        return false;
    }
    set(mark, text);
    return true;
}

static bool parse_seconds(struct ts_slice text, int64_t *ret_seconds)
{
    int64_t seconds = 0;
    if (text.size == 0 || text.size >= SECONDS_DIGITS_MAX) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        seconds = 10 * seconds + (text.data[i] - '0');
    }
    *ret_seconds = seconds;
    return true;
}

enum ts_code trail_parse(struct ts_slice text, struct trail *ret_trail,
                         struct ts_err *err)
{
    struct ts_slice fields[FIELDS];
    size_t count = split(text, fields);
    if (count == 1) {
        struct contentsync_mark mark;
        if (!parse_mark(fields[0], &mark)) {
            return unreadable(err);
        }
        trail_rest(ret_trail, &mark);
        return TS_OK;
    }
    if (count != FIELDS) {
        return unreadable(err);
    }
    for (int i = 0; i < TRAIL_LOOKS; i++) {
        struct trail_look *look = &ret_trail->looks[i];
        const struct ts_slice *field = &fields[3 * i];
        if (!parse_mark(field[0], &look->from) ||
            !parse_mark(field[1], &look->to) ||
            !parse_seconds(field[2], &look->since)) {
            return unreadable(err);
        }
    }
    return parse_mark(fields[FIELDS - 1], &ret_trail->newest) ? TS_OK
                                                              : unreadable(err);
}
