# One Makefile, no recursion into folders. `make help` lists the targets.
#
# Variants: `make V=debug|release|asan|tsan|cov|fuzz` build into build/$(V)/.
# The product's binaries that people run are build/release/*; tests use
# build/debug/* because fail-points are compiled out of release.
V       ?= release
B       := build/$(V)
ifeq ($(V),fuzz)
CC      := clang
else
CC      ?= cc
endif
PKGS    := ldap libcurl libcrypto sqlite3 jansson libcyaml yaml-0.1 \
           libpcre2-8 libprotobuf-c libsystemd smartcols
PREFIX  ?= /usr
VERSION := 0.1.0

WARN := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wvla -Wundef \
        -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
        -Wcast-qual -Wwrite-strings -Wformat=2 -Wpointer-arith -Wswitch-enum \
        -Wnull-dereference -Wdouble-promotion -Wimplicit-fallthrough
ifneq ($(findstring clang,$(CC)),clang)
WARN += -Wduplicated-cond -Wduplicated-branches -Wlogical-op -Wjump-misses-init
endif
HARDEN := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong \
          -fstack-clash-protection -fcf-protection -fPIE
HARDEN_LD := -pie -Wl,-z,relro,-z,now,-z,noexecstack

flags.debug     := -Og -g3 -Werror -DTS_FAILPOINTS
flags.release   := -O2 -g -Werror $(HARDEN)
ldflags.release := $(HARDEN_LD)
flags.asan      := -O1 -g3 -fno-omit-frame-pointer -Werror -DTS_FAILPOINTS \
                   -fsanitize=address,undefined -fno-sanitize-recover=all
ldflags.asan    := -fsanitize=address,undefined
flags.tsan      := -O1 -g3 -fsanitize=thread -DTS_FAILPOINTS
ldflags.tsan    := -fsanitize=thread
flags.cov       := -O0 -g --coverage -DTS_FAILPOINTS
ldflags.cov     := --coverage
flags.fuzz      := -O1 -g -Werror -fno-omit-frame-pointer \
                   -fsanitize=address,undefined,fuzzer-no-link \
                   -fno-sanitize-recover=all
ldflags.fuzz    := -fsanitize=address,undefined
$(if $(flags.$(V)),,$(error unrecognized variant V=$(V)))

ALL_CFLAGS  = -std=c17 -D_GNU_SOURCE -DTS_VERSION='"$(VERSION)"' -I. -I$(B) \
              $(WARN) $(flags.$(V)) $(DEP_CFLAGS) $(CFLAGS)
ALL_LDFLAGS = $(ldflags.$(V)) -Wl,--as-needed $(LDFLAGS)
# Empty before tools/setup has run: the targets that need no compiler still work.
DEP_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
DEP_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -llber -lunistring -lpthread

PROTO := $(wildcard proto/*.proto)
PBC   := $(PROTO:%.proto=$(B)/%.pb-c.c)
CORE  := $(filter-out node/daemon/main.c,\
           $(wildcard node/*/*.c node/*/*/*.c replication/*.c proto/*.c))
CLI   := $(wildcard tools/twinsync/*.c)
BENCH := $(wildcard tools/bench/*.c)
UNIT  := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/*/test_*.c))
FUZZ  := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c))
TLIB  := $(wildcard tests/lib/*.c)
OBJ    = $(patsubst %.c,$(B)/%.o,$(1))
BINS  := $(if $(wildcard node/daemon/main.c),$(B)/twinsyncd) \
         $(if $(CLI),$(B)/twinsync)

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all units fuzzers clean help setup FORCE

all: $(BINS)                         ## build the daemon and the command line tool

$(B)/twinsyncd: $(call OBJ,node/daemon/main.c) $(B)/libcore.a
	@echo "  LD $@"; $(CC) $(ALL_LDFLAGS) -o $@ $^ $(DEP_LIBS)

$(B)/twinsync: $(call OBJ,$(CLI)) $(B)/libcore.a
	@echo "  LD $@"; $(CC) $(ALL_LDFLAGS) -o $@ $^ $(DEP_LIBS)

$(B)/libcore.a: $(call OBJ,$(CORE)) $(PBC:.c=.o)
	@rm -f $@
	@$(AR) rcs $@ $^

$(B)/tests/unit/%: $(B)/tests/unit/%.o $(call OBJ,$(TLIB)) $(B)/libcore.a
	@echo "  LD $@"; $(CC) $(ALL_LDFLAGS) -o $@ $^ $(DEP_LIBS) -lcmocka

# Fuzz targets: libFuzzer under V=fuzz; elsewhere a driver replays the corpus.
ifeq ($(V),fuzz)
$(B)/tests/fuzz/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(B)/libcore.a
	@echo "  LD $@"; $(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(DEP_LIBS)
else
$(B)/tests/fuzz/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/replay.o $(B)/libcore.a
	@echo "  LD $@"; $(CC) $(ALL_LDFLAGS) -o $@ $^ $(DEP_LIBS)
endif

$(B)/tools/bench/%: $(B)/tools/bench/%.o $(B)/libcore.a
	@echo "  LD $@"; $(CC) $(ALL_LDFLAGS) -o $@ $^ $(DEP_LIBS)

$(B)/%.pb-c.c $(B)/%.pb-c.h: %.proto
	@mkdir -p $(@D)
	protoc-c --c_out=$(B) $<
$(B)/%.pb-c.o: $(B)/%.pb-c.c $(B)/.flags
	@echo "  CC $@"; $(CC) $(ALL_CFLAGS) -w -c -o $@ $<

# Schemas live as .sql files beside their module and are compiled in as text.
$(B)/%.sql.h: %.sql
	@mkdir -p $(@D)
	@{ echo "static const char $(basename $(notdir $*))_sql[] ="; \
	   sed -e 's/[[:space:]]*--.*$$//' -e '/^$$/d' -e 's/\\/\\\\/g' -e 's/"/\\"/g' \
	       -e 's/.*/    "&\\n"/' $<; echo "    \"\";"; } >$@
GENERATED := $(PBC:.c=.h) $(patsubst %.sql,$(B)/%.sql.h,$(wildcard node/*/*.sql node/*/*/*.sql replication/*.sql))

$(B)/%.o: %.c $(B)/.flags | $(GENERATED)
	@mkdir -p $(@D)
	@echo "  CC $@"; $(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Rebuild when the flags change, and only then.
$(B)/.flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS)' | cmp -s - $@ || echo '$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS)' >$@
FORCE:

units: $(UNIT)                       ## build the unit tests
fuzzers: $(FUZZ)                     ## build the fuzz targets (V=fuzz) or their replay drivers
setup:                               ## install the packages that building and testing need
	tools/setup
help:                                ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 20
clean:                               ## remove build/
	rm -rf build

-include $(patsubst %.o,%.d,$(call OBJ,$(CORE) node/daemon/main.c $(CLI) $(BENCH) $(TLIB) \
   $(wildcard tests/unit/*/*.c tests/fuzz/*.c)))
