#include <string.h>

#include "node/config/describe.h"
#include "node/config/format.h"
#include "node/config/table.h"

#define SECTIONS_MAX 16

/* Sections in the order in which the table reaches them, each once, with the
 * names it is reached by. */
struct chapters {
    const struct config_section *sections[SECTIONS_MAX];
    const char *names[SECTIONS_MAX];
    const char *parents[SECTIONS_MAX][2];
    uint32_t count;
};

static void collect(struct chapters *chapters, const char *parent,
                    const struct config_section *section)
{
    for (uint32_t i = 0; i < section->option_count; i++) {
        const struct config_option *option = &section->options[i];
        if (option->section == NULL || option->type == CONFIG_MAP) {
            continue;
        }
        uint32_t at = 0;
        while (at < chapters->count &&
               chapters->sections[at] != option->section) {
            at++;
        }
        if (at < chapters->count) { /* met before: it has one more parent */
            chapters->parents[at][1] = parent;
        } else if (at < SECTIONS_MAX) {
            chapters->sections[at] = option->section;
            chapters->names[at] = option->name;
            chapters->parents[at][0] = parent;
            chapters->count++;
            collect(chapters, option->name, option->section);
        }
    }
}

/* New sentence, new line, as mdoc wants it; no line begins with a dot. */
static void put_sentences(FILE *out, const char *text)
{
    while (*text != '\0') {
        const char *end = strstr(text, ". ");
        size_t size = end == NULL ? strlen(text) : (size_t) (end - text) + 1;
        (void) fprintf(out, "%.*s\n", (int) size, text);
        text += size;
        text += *text == ' ';
    }
}

static const char *kind_of(const struct config_option *option)
{
    switch (option->type) {
    case CONFIG_TEXT:
        return config_format_text(option->format);
    case CONFIG_NUMBER:
        return "number";
    case CONFIG_SECONDS:
        return "seconds";
    case CONFIG_SWITCH:
        return "true | false";
    case CONFIG_SECTION:
    case CONFIG_SECTION_OPTIONAL:
        return "mapping";
    case CONFIG_TEXTS:
        return "list";
    case CONFIG_SECTIONS:
        return "list of mappings";
    case CONFIG_MAP:
        return "mapping of paths";
    case CONFIG_WORD:
    case CONFIG_LINE:
        break;
    }
    return "word";
}

static void put_head(FILE *out, const struct config_option *option)
{
    (void) fprintf(out, ".It Ic %s : ", option->name);
    if (option->type != CONFIG_WORD) {
        (void) fprintf(out, "Ar %s\n", kind_of(option));
        return;
    }
    for (uint32_t i = 0; i < option->word_count; i++) {
        (void) fprintf(out, "%s%s", i == 0 ? "Cm " : " | ",
                       option->words[i].str);
    }
    (void) fputs("\n", out);
}

static void put_option(FILE *out, const struct config_option *option)
{
    put_head(out, option);
    put_sentences(out, option->help);
    if (option->only_if != NULL) {
        (void) fprintf(out, "Applies only where\n.Ic %s\nis\n.Cm %s .\n",
                       option->only_if, option->only_is);
    }
    if (option->type == CONFIG_NUMBER) {
        (void) fprintf(out, "From %u to %u.\n", option->min, option->max);
    }
    if (option->type == CONFIG_SECONDS) {
        (void) fprintf(out, "From %g to %g.\n", option->min / 1000.0,
                       option->max / 1000.0);
    }
    if (option->fallback != NULL) {
        (void) fprintf(out, "The default is\n.Cm %s .\n", option->fallback);
    } else if (option->required) {
        (void) fputs("Required.\n", out);
    }
}

static void put_pairs(FILE *out, const struct config_section *section)
{
    if (section->exactly_one[0] != NULL) {
        (void) fprintf(out, "Exactly one of\n.Ic %s\nand\n.Ic %s\nis given.\n",
                       section->exactly_one[0], section->exactly_one[1]);
    }
    if (section->both[0] != NULL) {
        (void) fprintf(out, ".Ic %s\nand\n.Ic %s\ncome together.\n",
                       section->both[0], section->both[1]);
    }
}

static void put_section(FILE *out, const struct config_section *section)
{
    (void) fputs(".Bl -tag -width Ds\n", out);
    for (uint32_t i = 0; i < section->option_count; i++) {
        if (section->options[i].type != CONFIG_LINE) {
            put_option(out, &section->options[i]);
        }
    }
    (void) fputs(".El\n", out);
}

void config_manual(FILE *out)
{
    struct chapters chapters = { .count = 0 };
    collect(&chapters, NULL, &config_table);
    (void) fputs(".Ss The file\n", out);
    put_section(out, &config_table);
    for (uint32_t i = 0; i < chapters.count; i++) {
        const struct config_section *section = chapters.sections[i];
        const char *const *parents = chapters.parents[i];
        (void) fprintf(out, ".Ss %s\nThe options of\n.Ic %s", section->title,
                       chapters.names[i]);
        if (parents[0] == NULL) {
            (void) fputs(" .\n", out);
        } else if (parents[1] == NULL) {
            (void) fprintf(out, "\nin\n.Ic %s .\n", parents[0]);
        } else {
            (void) fprintf(out, "\nin\n.Ic %s\nand\n.Ic %s .\n", parents[0],
                           parents[1]);
        }
        put_pairs(out, section);
        put_section(out, section);
    }
}
