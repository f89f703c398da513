#include "tools/twinsync/output.h"

#include <assert.h>
#include <langinfo.h>
#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* --- the screen --------------------------------------------------------- */

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);
    return value != NULL && value[0] != 0;
}

static bool is_dumb(void)
{
    const char *term = getenv("TERM");
    return term == NULL || term[0] == 0 || strcmp(term, "dumb") == 0;
}

/* The locale that the user asked for, whatever main() made of it. */
static bool speaks_utf8(void)
{
    static const char *const variables[] = { "LC_ALL", "LC_CTYPE", "LANG" };
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        if (is_set(variables[i])) {
            const char *locale = getenv(variables[i]);
            assert(locale != NULL); /* is_set */
            return strcasestr(locale, "UTF-8") != NULL ||
                   strcasestr(locale, "utf8") != NULL;
        }
    }
    return false;
}

struct screen screen_of(FILE *out)
{
    struct screen screen = { .out = out, .unicode = speaks_utf8() };
    int fd = fileno(out);
    if (fd >= 0 && isatty(fd)) {
        struct winsize size;
        screen.moves = !is_dumb();
        screen.color = screen.moves && !is_set("NO_COLOR");
        screen.width = 80;
        if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
            screen.width = size.ws_col;
        }
    }
    return screen;
}

static const char *sequence_of(enum tone tone)
{
    switch (tone) {
    case TONE_GOOD:
        return "\033[32m";
    case TONE_BUSY:
        return "\033[36m";
    case TONE_WARN:
        return "\033[33m";
    case TONE_BAD:
        return "\033[31m";
    case TONE_FAINT:
        return "\033[2m";
    case TONE_STRONG:
        return "\033[1m";
    case TONE_PLAIN:
        break;
    }
    return "\033[0m";
}

/* C0, DEL, and C1 in its UTF-8 form (0xC2 0x80 to 0xC2 0x9F): what a terminal
 * may take for a command. */
static size_t control_size(const unsigned char *at, size_t size)
{
    if (at[0] < 0x20 || at[0] == 0x7f) {
        return 1;
    }
    bool c1 = size > 1 && at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f;
    return c1 ? 2 : 0;
}

void put_bytes(const struct screen *screen, const char *text, size_t size)
{
    const unsigned char *at = (const unsigned char *) text;
    const unsigned char *end = at + size;
    while (at < end) {
        size_t control = control_size(at, (size_t) (end - at));
        (void) putc(control != 0 ? '?' : *at, screen->out);
        at += control != 0 ? control : 1;
    }
}

void put_text(const struct screen *screen, const char *text)
{
    put_bytes(screen, text, strlen(text));
}

/* Characters, which is columns for all but the widest scripts. */
static int columns_of(const char *text, size_t size)
{
    int columns = 0;
    for (size_t i = 0; i < size; i++) {
        columns += ((unsigned char) text[i] & 0xc0) != 0x80;
    }
    return columns;
}

void put_tone(const struct screen *screen, enum tone tone)
{
    if (screen->color) {
        (void) fputs(sequence_of(tone), screen->out);
    }
}

void put_toned(const struct screen *screen, enum tone tone, int width,
               const char *text)
{
    if (tone != TONE_PLAIN) {
        put_tone(screen, tone);
    }
    put_text(screen, text);
    if (tone != TONE_PLAIN) {
        put_tone(screen, TONE_PLAIN);
    }
    for (int i = columns_of(text, strlen(text)); i < width; i++) {
        (void) putc(' ', screen->out);
    }
}

void put_heading(const struct screen *screen, const char *title)
{
    (void) putc('\n', screen->out);
    put_toned(screen, TONE_STRONG, 0, title);
    (void) putc('\n', screen->out);
}

void put_wrapped(const struct screen *screen, int indent, const char *text)
{
    int column = indent;
    while (*text != 0) {
        size_t size = strcspn(text, " ");
        int columns = columns_of(text, size);
        if (screen->width > 0 && column > indent &&
            column + columns > screen->width) {
            (void) fprintf(screen->out, "\n%*s", indent, "");
            column = indent;
        }
        put_bytes(screen, text, size);
        text += size;
        column += columns;
        if (*text == ' ') {
            text++;
            if (screen->width == 0 || column < screen->width) {
                (void) putc(' ', screen->out);
                column++;
            }
        }
    }
    (void) putc('\n', screen->out);
}

const char *mark(const struct screen *screen, const char *picture,
                 const char *plain)
{
    return screen->unicode ? picture : plain;
}

/* --- tables ------------------------------------------------------------- */

struct libscols_table *table_new(const struct screen *screen,
                                 const struct column *columns)
{
    struct libscols_table *table = scols_new_table();
    if (table == NULL) {
        return NULL;
    }
    (void) scols_table_set_stream(table, screen->out);
    (void) scols_table_enable_colors(table, screen->color);
    (void) scols_table_set_column_separator(table, "  ");
    if (screen->width > 0) {
        (void) scols_table_set_termforce(table, SCOLS_TERMFORCE_ALWAYS);
        (void) scols_table_set_termwidth(table, (size_t) screen->width);
    } else {
        (void) scols_table_set_termforce(table, SCOLS_TERMFORCE_NEVER);
    }
    for (size_t i = 0; columns[i].title != NULL; i++) {
        int flags = (columns[i].right ? SCOLS_FL_RIGHT : 0) |
                    (columns[i].wraps ? SCOLS_FL_WRAP : 0);
        if (scols_table_new_column(table, columns[i].title,
                                   columns[i].wraps ? 0.3 : 0.05,
                                   flags) == NULL) {
            scols_unref_table(table);
            return NULL;
        }
    }
    return table;
}

void table_row(const struct screen *screen, struct libscols_table *table,
               enum tone tone, const char *const *cells)
{
    struct libscols_line *line =
        table == NULL ? NULL : scols_table_new_line(table, NULL);
    if (line == NULL) {
        return;
    }
    if (screen->color && tone != TONE_PLAIN) {
        (void) scols_line_set_color(line, sequence_of(tone));
    }
    for (size_t i = 0; i < scols_table_get_ncols(table); i++) {
        // The library escapes control characters itself.
        (void) scols_line_set_data(line, i, cells[i] == NULL ? "" : cells[i]);
    }
}

void table_done(struct libscols_table *table)
{
    if (table == NULL) {
        return;
    }
    (void) scols_print_table(table);
    scols_unref_table(table);
}

/* --- numbers and times --------------------------------------------------- */

const char *count_text(char text[static TEXT_SIZE], int64_t count)
{
    char digits[24];
    (void) snprintf(digits, sizeof digits, "%lld", (long long) count);
    size_t used = 0;
    size_t length = strlen(digits);
    for (size_t i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0 && digits[i - 1] != '-') {
            text[used++] = ',';
        }
        text[used++] = digits[i];
    }
    text[used] = 0;
    return text;
}

const char *span_text(char text[static TEXT_SIZE], int64_t ms)
{
    long long s = ms / 1000;
    if (ms < 1000) {
        (void) snprintf(text, TEXT_SIZE, "%lld ms", (long long) ms);
    } else if (ms < 60000) {
        (void) snprintf(text, TEXT_SIZE, "%lld.%lld s", s,
                        (long long) (ms % 1000 / 100));
    } else if (s < 3600) {
        (void) snprintf(text, TEXT_SIZE, "%lld min %lld s", s / 60, s % 60);
    } else if (s < 86400) {
        (void) snprintf(text, TEXT_SIZE, "%lld h %lld min", s / 3600,
                        s % 3600 / 60);
    } else {
        (void) snprintf(text, TEXT_SIZE, "%lld d %lld h", s / 86400,
                        s % 86400 / 3600);
    }
    return text;
}

int64_t time_of(const char *when)
{
    struct tm parts = { 0 };
    const char *rest = strptime(when, "%Y-%m-%dT%H:%M:%S", &parts);
    if (rest == NULL) {
        return -1;
    }
    int64_t ms = 0;
    if (*rest == '.') {
        char *end = NULL;
        long fraction = strtol(rest + 1, &end, 10);
        ms = end - rest == 4 ? fraction : 0;
        rest = end;
    }
    return strcmp(rest, "Z") == 0 ? (int64_t) timegm(&parts) * 1000 + ms : -1;
}

const char *ago_text(char text[static TEXT_SIZE], const char *when,
                     int64_t now_seconds)
{
    if (when == NULL || when[0] == 0) {
        (void) snprintf(text, TEXT_SIZE, "never");
        return text;
    }
    int64_t then = time_of(when);
    if (then < 0) {
        (void) snprintf(text, TEXT_SIZE, "%s", when);
        return text;
    }
    int64_t seconds = now_seconds - then / 1000;
    bool ahead = seconds < 0;
    char span[TEXT_SIZE];
    (void) span_text(span, (ahead ? -seconds : seconds) * 1000);
    if (seconds > -60 && seconds < 60) { // whole seconds are exact enough
        (void) snprintf(span, sizeof span, "%lld s",
                        (long long) (ahead ? -seconds : seconds));
    }
    (void) snprintf(text, TEXT_SIZE, ahead ? "in %.40s" : "%.40s ago", span);
    return text;
}

/* --- reading documents --------------------------------------------------- */

const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

int64_t count_at(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

bool flag_at(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}
