#include "tests/sim/coverage.h"

#include <string.h>

#define EMPTY_SHOWN 40

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

/* A role, and a step of a takeover ("": none). */
static const struct place {
    enum member_role role;
    const char *step, *name;
} places[COVERAGE_PLACES] = {
    { MEMBER_STARTING, "", "starting" },
    { MEMBER_LEARNER, "", "learner" },
    { MEMBER_STANDBY, "", "standby" },
    { MEMBER_STANDBY, "mint", "mint" },
    { MEMBER_STANDBY, "claim", "claim" },
    { MEMBER_FENCING, "persist", "persist" },
    { MEMBER_FENCING, "fence", "fence" },
    { MEMBER_FENCING, "confirm", "confirm" },
    { MEMBER_FENCING, "activate", "activate" },
    { MEMBER_ACTIVE, "", "active" },
    { MEMBER_DRAINING, "", "draining" },
};
#define PLACE_PERSIST 5

/* Why a node is in no other step of its role, or not in the role at all. */
static const char *const reasons[MEMBER_ROLES] = {
    [MEMBER_STARTING] = "no takeover begins before the register was read",
    [MEMBER_LEARNER] = "a learner is no candidate",
    [MEMBER_STANDBY] = "the later steps are those of who holds the lease",
    [MEMBER_FENCING] = "who holds the lease has claimed it",
    [MEMBER_ACTIVE] = "the takeover is over",
    [MEMBER_DRAINING] = "who leaves takes nothing over",
    [MEMBER_STOPPED] = "nobody asks a process here to stop: it is killed",
    [MEMBER_RETIRED] = "no operator here takes a node out for good",
};

/* Of the places that nodes come to. */
static const struct impossible {
    enum sim_fault fault;
    size_t place;
    const char *why;
} impossible[] = {
    { FAULT_CELL_BACK, PLACE_PERSIST,
      "the new epoch is in the register only: that it is forgotten there is "
      "claimed to be found by nobody" },
};

size_t coverage_place(enum member_role role, const char *step)
{
    const char *name = step == NULL ? "" : step;
    size_t i = 0;
    while (i < COVERAGE_PLACES &&
           (places[i].role != role || strcmp(places[i].step, name) != 0)) {
        i++;
    }
    return i;
}

const char *coverage_unreachable(enum member_role role)
{
    return reasons[role];
}

const char *coverage_impossible(enum sim_fault fault, size_t place)
{
    for (size_t i = 0; i < sizeof impossible / sizeof impossible[0]; i++) {
        if (impossible[i].fault == fault && impossible[i].place == place) {
            return impossible[i].why;
        }
    }
    return NULL;
}

struct coverage_wish coverage_wish(uint64_t seed)
{
    uint64_t cell = seed % ((uint64_t) FAULT_KINDS * COVERAGE_PLACES);
    return (struct coverage_wish){ (enum sim_fault)(cell / COVERAGE_PLACES),
                                   cell % COVERAGE_PLACES,
                                   places[cell % COVERAGE_PLACES].role };
}

void coverage_merge(struct sim_coverage *into, const struct sim_coverage *from)
{
    for (size_t place = 0; place < COVERAGE_PLACES; place++) {
        into->seen[place] += from->seen[place];
        for (int fault = 0; fault < FAULT_KINDS; fault++) {
            into->cells[fault][place] += from->cells[fault][place];
        }
    }
    for (int a = 0; a < MEMBER_ROLES; a++) {
        for (int b = 0; b < MEMBER_ROLES; b++) {
            into->transitions[a][b] += from->transitions[a][b];
        }
    }
}

static void print_row(const struct sim_coverage *coverage, int fault, FILE *out)
{
    (void) fprintf(out, "%-20s", fault_name((enum sim_fault) fault));
    for (size_t place = 0; place < COVERAGE_PLACES; place++) {
        if (coverage_impossible((enum sim_fault) fault, place) != NULL) {
            (void) fprintf(out, " %8s", "-");
        } else {
            (void) fprintf(out, " %8llu",
                           (unsigned long long) coverage->cells[fault][place]);
        }
    }
    (void) fputc('\n', out);
}

static size_t print_empty(const struct sim_coverage *coverage, FILE *out)
{
    size_t empty = 0;
    for (int fault = 0; fault < FAULT_KINDS; fault++) {
        for (size_t place = 0; place < COVERAGE_PLACES; place++) {
            if (coverage->cells[fault][place] > 0 ||
                coverage_impossible((enum sim_fault) fault, place) != NULL) {
                continue;
            }
            if (++empty <= EMPTY_SHOWN) {
                (void) fprintf(
                    out, "%s%s in %s", empty == 1 ? "\nempty: " : ", ",
                    fault_name((enum sim_fault) fault), places[place].name);
            }
        }
    }
    if (empty > 0) {
        (void) fprintf(out, "%s (%zu)\n", empty > EMPTY_SHOWN ? ", ..." : "",
                       empty);
    }
    return empty;
}

size_t coverage_print(const struct sim_coverage *coverage, FILE *out)
{
    (void) fprintf(out, "%-20s", "fault \\ role, step");
    for (size_t place = 0; place < COVERAGE_PLACES; place++) {
        (void) fprintf(out, " %8s", places[place].name);
    }
    (void) fputc('\n', out);
    for (int fault = 0; fault < FAULT_KINDS; fault++) {
        print_row(coverage, fault, out);
    }
    for (size_t i = 0; i < sizeof impossible / sizeof impossible[0]; i++) {
        (void) fprintf(out, "-: %s in %s: %s\n",
                       fault_name(impossible[i].fault),
                       places[impossible[i].place].name, impossible[i].why);
    }
    return print_empty(coverage, out);
}
