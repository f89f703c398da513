#include "tests/sim/coverage.h"

#include <string.h>

const char *fault_name(enum sim_fault fault)
{
    static const char *const names[FAULT_KINDS] = {
        [FAULT_POWER] = "power cut",
        [FAULT_KILL] = "kill",
        [FAULT_MID_STEP] = "cut between effects",
        [FAULT_MID_WRITE] = "cut in a write",
        [FAULT_FREEZE] = "freeze",
        [FAULT_MID_SEND] = "freeze at a send",
        [FAULT_SUSPEND] = "suspend",
        [FAULT_PAUSE_VM] = "pause of the VM",
        [FAULT_LINK_BOTH] = "link cut",
        [FAULT_LINK_OUT] = "link cut, out",
        [FAULT_LINK_IN] = "link cut, in",
        [FAULT_LINK_BAD] = "bad link",
        [FAULT_CELL_CUT] = "register cut off",
        [FAULT_CELL_BAD] = "register ambiguous",
        [FAULT_CELL_DOWN] = "register down",
        [FAULT_CELL_BACK] = "register put back",
        [FAULT_TARGET_CUT] = "target cut off",
        [FAULT_TARGET_BAD] = "target failing",
        [FAULT_SOURCE_CUT] = "source cut, stale",
        [FAULT_HANG] = "exporter hangs",
        [FAULT_REVIVE] = "old disk image",
        [FAULT_REPLAY] = "fence replayed",
        [FAULT_OPERATOR] = "operator",
    };
    return names[fault];
}

size_t coverage_step(struct sim_coverage *coverage, const char *step)
{
    const char *name = step == NULL || step[0] == 0 ? "-" : step;
    for (size_t i = 0; i < coverage->step_count; i++) {
        if (strcmp(coverage->steps[i], name) == 0) {
            return i;
        }
    }
    if (coverage->step_count == COVERAGE_STEPS_MAX) {
        return COVERAGE_STEPS_MAX - 1;
    }
    (void) snprintf(coverage->steps[coverage->step_count],
                    sizeof coverage->steps[0], "%s", name);
    return coverage->step_count++;
}

void coverage_merge(struct sim_coverage *into, const struct sim_coverage *from)
{
    for (size_t i = 0; i < from->step_count; i++) {
        size_t at = coverage_step(into, from->steps[i]);
        for (int role = 0; role < MEMBER_ROLES; role++) {
            into->seen[role][at] += from->seen[role][i];
            for (int fault = 0; fault < FAULT_KINDS; fault++) {
                into->cells[fault][role][at] += from->cells[fault][role][i];
            }
        }
    }
    for (int a = 0; a < MEMBER_ROLES; a++) {
        for (int b = 0; b < MEMBER_ROLES; b++) {
            into->transitions[a][b] += from->transitions[a][b];
        }
    }
}

static void print_head(const struct sim_coverage *coverage, FILE *out)
{
    (void) fprintf(out, "%-20s", "");
    for (int role = 0; role < MEMBER_ROLES; role++) {
        for (size_t i = 0; i < coverage->step_count; i++) {
            if (coverage->seen[role][i] > 0) {
                (void) fprintf(out, " %.4s/%-6.6s",
                               member_role_name((enum member_role) role),
                               coverage->steps[i]);
            }
        }
    }
    (void) fputc('\n', out);
}

size_t coverage_print(const struct sim_coverage *coverage, FILE *out)
{
    size_t empty = 0;
    print_head(coverage, out);
    for (int fault = 0; fault < FAULT_KINDS; fault++) {
        (void) fprintf(out, "%-20s", fault_name((enum sim_fault) fault));
        for (int role = 0; role < MEMBER_ROLES; role++) {
            for (size_t i = 0; i < coverage->step_count; i++) {
                if (coverage->seen[role][i] > 0) {
                    uint64_t met = coverage->cells[fault][role][i];
                    empty += met == 0;
                    (void) fprintf(out, " %11llu", (unsigned long long) met);
                }
            }
        }
        (void) fputc('\n', out);
    }
    return empty;
}
