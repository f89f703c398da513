/* Whatever the file says: it is loaded or refused with a sentence; what passed
 * our checks libcyaml also takes; and what was loaded prints to the same. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/config/loader.h"
#include "node/config/print.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void prints_to_the_same(const struct config *config)
{
    char *text = NULL;
    size_t size = 0;
    struct config *again = NULL;
    struct ts_err err = { .text = "" };
    FILE *out = open_memstream(&text, &size);
    assert(out != NULL);
    assert(config_print(config, out, NULL) == TS_OK);
    assert(fclose(out) == 0);

    enum ts_code code =
        config_parse(ts_slice(text, size), "again", &again, NULL, &err);
    if (code != TS_OK) {
        (void) fprintf(stderr, "%s\n%s", err.text, text);
        abort();
    }
    json_t *a = config_json(config), *b = config_json(again);
    assert(json_equal(a, b));
    json_decref(a);
    json_decref(b);
    config_free(again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *config = NULL;
    struct config_problems problems;
    struct ts_err err = { .text = "" };
    if (config_parse(ts_slice(data, size), "c", &config, &problems, &err) ==
        TS_OK) {
        prints_to_the_same(config);
        config_free(config);
        return 0;
    }
    assert(problems.count >= 1);
    for (size_t i = 0; i < problems.count; i++) {
        const char *text = problems.items[i].text;
        /* "c:LINE:COLUMN: sentence"; libcyaml's own would have no position */
        assert(strncmp(text, "c:", 2) == 0 && strstr(text, ": ") != NULL);
    }
    return 0;
}
