# One Makefile, no recursion into folders. `make help` lists the targets.
#
# Variants: `make V=debug|release|asan|tsan|cov|fuzz|sim` build into build/$(V)/.
# The product's binaries that people run are build/release/*; tests use
# build/debug/* because fail-points are compiled out of release. The variants
# fuzz and asan are clang's, the others gcc's, so that both compilers' warnings
# are errors somewhere in `make check`.
V       ?= release
B       := build/$(V)
ifneq ($(filter $(V),fuzz asan),)
CC      := clang
endif
PKGS    := ldap libcurl libcrypto sqlite3 jansson libcyaml yaml-0.1 \
           libpcre2-8 libprotobuf-c libsystemd smartcols libczmq libzmq libzstd
PREFIX  ?= /usr
VERSION := 0.1.0

WARN := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wvla -Wundef \
        -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
        -Wcast-qual -Wwrite-strings -Wformat=2 -Wpointer-arith -Wswitch-enum \
        -Wnull-dereference -Wdouble-promotion -Wimplicit-fallthrough
ifneq ($(findstring clang,$(CC)),clang)
WARN += -Wduplicated-cond -Wduplicated-branches -Wlogical-op -Wjump-misses-init
else
WARN += -Wno-string-concatenation # a long string in a list, as clang-format breaks it
endif
HARDEN := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong \
          -fstack-clash-protection -fcf-protection -fPIE
HARDEN_LD := -pie -Wl,-z,relro,-z,now,-z,noexecstack

flags.debug     := -Og -g -Werror -DTS_FAILPOINTS -DTS_RULES
# The simulator: as fast as the product, and with rules that can be broken.
flags.sim       := -O2 -g -Werror -DTS_FAILPOINTS -DTS_RULES
flags.release   := -O2 -g -Werror $(HARDEN)
ldflags.release := $(HARDEN_LD)
# Not optimized: it takes a third of the time to compile, and no access that a
# sanitizer would see is optimized away. Reports name lines: -g1 is enough.
flags.asan      := -O0 -g1 -fno-omit-frame-pointer -Werror -DTS_FAILPOINTS -DTS_RULES \
                   -fsanitize=address,undefined -fno-sanitize-recover=all
ldflags.asan    := -fsanitize=address,undefined
flags.tsan      := -O1 -g1 -fsanitize=thread -DTS_FAILPOINTS -DTS_RULES
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
ALL_LDFLAGS = $(ldflags.$(V)) $(LINKER) -Wl,--as-needed $(LDFLAGS)
# A hundred test programs a variant: lld links each in a third of the time, and
# faster yet when it merges no tails of strings and starts no threads. What people
# run is linked by the system's own.
comma   := ,
ifneq ($(V),release)
LINKER := $(if $(shell command -v ld.lld),-fuse-ld=lld -Wl$(comma)-O0$(comma)--threads=1)
endif
# Empty before tools/setup has run: the targets that need no compiler still work.
DEP_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
DEP_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -llber -lunistring -lpthread

PROTO := $(wildcard proto/*.proto)
PBC   := $(PROTO:%.proto=$(B)/%.pb-c.c)
CORE  := $(filter-out node/daemon/main.c,\
           $(wildcard node/*/*.c node/*/*/*.c replication/*.c proto/*.c))
CLI   := $(wildcard tools/twinsync/*.c)
WITNESS := $(wildcard tools/witness/*.c)
SIM   := $(wildcard tests/sim/*.c)
BENCH := $(wildcard tools/bench/*.c)
UNIT  := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/*/test_*.c))
FUZZ  := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c))
DRIVE := $(patsubst %.c,$(B)/%,$(wildcard tests/system/drivers/*.c))
TLIB  := $(wildcard tests/lib/*.c)
OBJ    = $(patsubst %.c,$(B)/%.o,$(1))
BINS  := $(if $(wildcard node/daemon/main.c),$(B)/twinsyncd) \
         $(if $(CLI),$(B)/twinsync) $(if $(WITNESS),$(B)/twinsync-witness)

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all units fuzzers drivers benches check asan tsan tidy fuzz mutations storm sim sim-build sim-mutations model fault demo bench \
        lab-up lab-down install deb setup clean help FORCE

all: $(BINS)                         ## build the daemon and the command line tool

$(B)/twinsyncd: $(call OBJ,node/daemon/main.c) $(B)/libcore.a
	@echo "  LD $@"; $(CC) $(ALL_LDFLAGS) -o $@ $^ $(DEP_LIBS)

$(B)/twinsync: $(call OBJ,$(CLI)) $(B)/libcore.a
	@echo "  LD $@"; $(CC) $(ALL_LDFLAGS) -o $@ $^ $(DEP_LIBS)

$(B)/twinsync-witness: $(call OBJ,$(WITNESS)) $(B)/libcore.a
	@echo "  LD $@"; $(CC) $(ALL_LDFLAGS) -o $@ $^ $(DEP_LIBS)

# Its file system is a simulated one: tests/sim/disk_posix.c.
SIM_WRAP := open openat close read write pread pwrite fsync fdatasync ftruncate fstat lstat \
            mkdir mkdirat rmdir unlink unlinkat rename renameat access faccessat \
            opendir fdopendir readdir closedir dirfd pthread_create
$(B)/simulate: $(call OBJ,$(SIM)) $(B)/libcore.a
	@echo "  LD $@"; $(CC) $(ALL_LDFLAGS) $(SIM_WRAP:%=-Wl$(comma)--wrap=%) -o $@ $^ $(DEP_LIBS)

$(B)/libcore.a: $(call OBJ,$(CORE)) $(PBC:.c=.o)
	@rm -f $@
	@$(AR) rcs $@ $^

$(B)/tests/unit/%: $(B)/tests/unit/%.o $(call OBJ,$(TLIB)) $(B)/libcore.a
	@echo "  LD $@"; $(CC) $(ALL_LDFLAGS) -o $@ $^ $(DEP_LIBS) -lcmocka

# The command line tool's own files are no part of libcore.
$(B)/tests/unit/twinsync/%: $(B)/tests/unit/twinsync/%.o $(call OBJ,$(TLIB)) \
        $(call OBJ,$(filter-out tools/twinsync/main.c,$(CLI))) $(B)/libcore.a
	@echo "  LD $@"; $(CC) $(ALL_LDFLAGS) -o $@ $^ $(DEP_LIBS) -lcmocka

# Fuzz targets: libFuzzer under V=fuzz; elsewhere a driver replays the corpus.
ifeq ($(V),fuzz)
$(B)/tests/fuzz/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(B)/libcore.a
	@echo "  LD $@"; $(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(DEP_LIBS)
else
$(B)/tests/fuzz/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/replay.o $(B)/libcore.a
	@echo "  LD $@"; $(CC) $(ALL_LDFLAGS) -o $@ $^ $(DEP_LIBS)
endif

# Programs that system tests run, such as a provider's scripted peer.
$(B)/tests/system/drivers/%: $(B)/tests/system/drivers/%.o $(B)/libcore.a
	@echo "  LD $@"; $(CC) $(ALL_LDFLAGS) -o $@ $^ $(DEP_LIBS)

$(B)/tools/bench/%: $(B)/tools/bench/%.o $(B)/libcore.a
	@echo "  LD $@"; $(CC) $(ALL_LDFLAGS) -o $@ $^ $(DEP_LIBS)

$(B)/%.pb-c.c $(B)/%.pb-c.h: %.proto | $(B)/.flags
	@mkdir -p $(@D)
	@protoc-c --c_out=$(B) $<
$(B)/%.pb-c.o: $(B)/%.pb-c.c $(B)/.flags
	@echo "  CC $@"; $(CC) $(ALL_CFLAGS) -w -c -o $@ $<

# Schemas live as .sql files beside their module and are compiled in as text.
$(B)/%.sql.h: %.sql
	@mkdir -p $(@D)
	@{ echo "static const char $(basename $(notdir $*))_sql[] = {"; \
	   sed -e 's/[[:space:]]*--.*$$//' -e '/^$$/d' $< | od -An -v -tx1 | \
	   sed -e 's/ \(..\)/0x\1,/g'; echo "0 };"; } >$@
GENERATED := $(PBC:.c=.h) $(patsubst %.sql,$(B)/%.sql.h,$(wildcard node/*/*.sql node/*/*/*.sql replication/*.sql))

$(B)/%.o: %.c $(B)/.flags | $(GENERATED)
	@mkdir -p $(@D)
	@echo "  CC $@"; $(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Rebuild when the flags change, and only then. This is also where a build stops
# that has nothing to build with.
$(B)/.flags: FORCE
	@pkg-config --exists $(PKGS) 2>/dev/null && command -v $(CC) protoc-c >/dev/null || { \
	    echo "cannot build twinsync here: the compiler or a library that it needs is not installed;" \
	         "run tools/setup once (as root), then make again" >&2; exit 1; }
	@mkdir -p $(@D)
	@echo '$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS)' | cmp -s - $@ || echo '$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS)' >$@
FORCE:

units: $(UNIT)
fuzzers: $(FUZZ)
drivers: $(DRIVE)
benches: $(patsubst %.c,$(B)/%,$(BENCH))

# ------------------------------------------------------------------- proving

# Steps build what they need by calling make again, in variants of their own.
RUN := env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL MAKE=$(MAKE) tests/run

# setup first: the runner and the demo need an interpreter that a minimal Debian
# does not have.
check: setup                         ## set up, build, run every test; ends in "N passed, N failed"
	@$(RUN) check
asan:                                ## all unit tests under the address and undefined-behaviour sanitizers
	@$(MAKE) --no-print-directory V=asan units
	@tests/run asan
tsan:                                ## all unit tests under the thread sanitizer
	@$(MAKE) --no-print-directory V=tsan units
	@tests/run tsan
mutations: setup                     ## break each rule on purpose; its test must fail
	@tests/mutations/run

SEEDS ?= 100
storm: setup                         ## SEEDS=100 random storms of changes with kills in between; SEED=first of them
	@$(MAKE) --no-print-directory V=debug all
	@tests/storm --seeds $(SEEDS) --first $(if $(filter file,$(origin SEED)),1,$(SEED))

fault: setup                         ## the campaign against a pair: cuts, kills, freezes, losses, each judged
	@$(MAKE) --no-print-directory V=debug all
	@$(RUN) -j 2 fault
sim-build:
	@$(MAKE) --no-print-directory V=sim build/sim/simulate
sim: sim-build                       ## SEEDS=200000 simulated histories of a pair, dense with faults, on all processors; SEED=first of them
	@build/sim/simulate --seeds $(if $(filter file,$(origin SEEDS)),200000,$(SEEDS)) --first $(if $(filter file,$(origin SEED)),1,$(SEED))
sim-mutations: sim-build             ## break each rule of a pair: how soon does the simulator notice?
	@build/sim/simulate --mutations

model: setup                         ## explore the models of lease and fence, and see each broken rule break them
	@tests/model/run

SECONDS ?= 60
fuzz:                                ## run each fuzz target for SECONDS=60
	@$(MAKE) --no-print-directory V=fuzz fuzzers
	@set -e; for target in $(notdir $(FUZZ)); do \
	    name=$${target#fuzz_}; seen=build/fuzz/corpus/$$name; mkdir -p $$seen; \
	    echo "  FUZZ $$name"; \
	    build/fuzz/tests/fuzz/$$target -max_total_time=$(SECONDS) -print_final_stats=1 \
	        -artifact_prefix=$$seen- $$seen tests/fuzz/corpus/$$name >$$seen.log 2>&1 || { \
	        tail -40 $$seen.log; exit 1; }; \
	    sed -n 's/^stat::number_of_executed_units: */       inputs: /p' $$seen.log; done

# clang-tidy is slow, above all to start: one run for what has changed of a
# folder, and a stamp for each folder, renewed when a file, a header that it
# includes or the checks have changed. `check` leaves out the analyser that walks
# through paths, which takes most of the time: TIDY=quick.
TIDY  ?= all
TIDY_CHECKS.quick := --checks=-clang-analyzer-*
TIDY_SOURCES := $(CORE) $(wildcard node/daemon/main.c) $(CLI) $(WITNESS) $(SIM) $(BENCH)
TIDY_FOLDERS := $(sort $(patsubst %/,%,$(dir $(TIDY_SOURCES))))
TIDIED := $(TIDY_FOLDERS:%=build/tidy/$(TIDY)/%.ok)
tidy_files = $(foreach file,$(TIDY_SOURCES),$(if $(filter $(1)/,$(dir $(file))),$(file)))
tidy:                                ## clang-tidy over every source file
	@$(MAKE) --no-print-directory V=debug all
	@$(MAKE) --no-print-directory V=debug TIDY=$(TIDY) tidy-files
.PHONY: tidy-files
tidy-files: $(TIDIED)
$(foreach folder,$(TIDY_FOLDERS),$(eval build/tidy/$(TIDY)/$(folder).ok: $(call tidy_files,$(folder))))
$(TIDIED): build/tidy/$(TIDY)/%.ok: .clang-tidy | $(GENERATED)
	@mkdir -p $(@D)
	@echo "  TIDY $*"; clang-tidy --quiet $(TIDY_CHECKS.$(TIDY)) $(filter %.c,$^) -- -std=c17 -D_GNU_SOURCE \
	    -DTS_FAILPOINTS -DTS_VERSION='"$(VERSION)"' -I. -I$(B) $(DEP_CFLAGS) >$@.log 2>&1 || { cat $@.log; exit 1; }
	@cat $(patsubst %.c,$(B)/%.d,$(filter %.c,$^)) 2>/dev/null | sed 's,^[^ :]*\.o:,$@:,' >$(@:.ok=.d)
	@touch $@

# ------------------------------------------------------------------- showing

SEED   ?= 7
PEOPLE ?= 1000
GROUPS ?= 60
demo: setup                          ## the main job end to end; SEED= PEOPLE= GROUPS=; build/demo/report.json
	@env -u MAKEFLAGS -u MFLAGS tools/demo/demo --seed $(SEED) --people $(PEOPLE) --groups $(GROUPS)
bench: setup                         ## measure beside the peers; build/bench/report.json
	@$(MAKE) --no-print-directory V=release all benches
	@tools/bench/bench

# ---------------------------------------------------------------- installing

DATA    := $(DESTDIR)$(PREFIX)/share
UNITDIR := $(DESTDIR)$(PREFIX)/lib/systemd/system
install: all                         ## binaries, manual, completion, systemd unit; DESTDIR= PREFIX=/usr
	install -D -m 755 $(B)/twinsyncd $(DESTDIR)$(PREFIX)/sbin/twinsyncd
	install -D -m 755 $(B)/twinsync $(DESTDIR)$(PREFIX)/bin/twinsync
	[ ! -e $(B)/twinsync-witness ] || install -D -m 755 $(B)/twinsync-witness $(DESTDIR)$(PREFIX)/sbin/twinsync-witness
	set -e; for page in $(MAN); do section=$${page##*.}; \
	    install -D -m 644 $$page $(DATA)/man/man$$section/$${page##*/}; done
	install -d $(DATA)/bash-completion/completions $(UNITDIR)
	$(B)/twinsync completion bash >$(DATA)/bash-completion/completions/twinsync
	set -e; for unit in twinsyncd twinsync-witness; do \
	    sed 's,@PREFIX@,$(PREFIX),' tools/packaging/$$unit.service >$(UNITDIR)/$$unit.service; done
	install -D -m 644 tools/packaging/sysusers.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/twinsync.conf
MAN := $(wildcard tools/man/*.[1-8])
deb: setup                           ## a Debian package in build/deb
	@MAKE=$(MAKE) tools/packaging/deb $(VERSION)

LAB ?= build/lab
lab-up:                              ## start the lab alone, for playing; LAB=build/lab PEOPLE= GROUPS= SEED=
	@tools/setup
	@tools/lab/lab up $(LAB) --people $(PEOPLE) --groups $(GROUPS) --seed $(SEED)
	@tools/lab/lab env $(LAB)
lab-down:                            ## stop it
	@tools/lab/lab down $(LAB)

setup:                               ## install the packages that building and testing need
	@tools/setup
help:                                ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 20
clean:                               ## remove build/
	rm -rf build

-include $(patsubst %.o,%.d,$(call OBJ,$(CORE) node/daemon/main.c $(CLI) $(WITNESS) $(SIM) $(BENCH) $(TLIB) \
   $(wildcard tests/unit/*/*.c tests/fuzz/*.c tests/system/drivers/*.c)))
-include $(TIDIED:.ok=.d)
