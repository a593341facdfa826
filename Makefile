# fcvm: GNU make, no generated files, no recursion. `make help` lists the targets.

PREFIX      ?= /usr/local
BINDIR      ?= $(PREFIX)/bin
LIBEXECDIR  ?= $(PREFIX)/libexec/fcvm
SHAREDIR    ?= $(PREFIX)/share/fcvm
MANDIR      ?= $(PREFIX)/share/man
BASHCOMPDIR ?= $(PREFIX)/share/bash-completion/completions
DESTDIR     ?=

CC       ?= cc
CLANG    ?= clang
CFLAGS   ?= -O2 -g
WARN      = -Wall -Wextra -Werror -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wformat=2 \
            -Wvla -Wundef -Wpointer-arith -Wwrite-strings
HARDEN    = -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
LANGUAGE  = -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Ilib $(WARN)
ALL_CFLAGS = $(LANGUAGE) $(CFLAGS)

B := build
Q := $(if $(V),,@)

# A program is a folder in bin/: C files, or one script of the folder's name. Adding a file needs
# no edit here; a library beyond the common ones is one line below.
C_TOOLS  := $(sort $(notdir $(patsubst %/,%,$(dir $(wildcard bin/*/main.c)))))
SH_TOOLS := $(notdir $(foreach d,$(wildcard bin/*/),$(wildcard $(d)$(notdir $(patsubst %/,%,$(d))))))
LIB_SRC  := $(wildcard lib/*.c)
LIBS              = -ljansson -lnettle
LIBS_fcvm-boot    = -lseccomp
LIBS_fcvm-cache   = -larchive -llz4
LIBS_fcvm-cp      = -larchive
LIBS_fcvm-kernel  = -larchive -llz4 -lzstd -llzma -lbz2 -lz
LIBS_fcvm-net     = -lnftables
LIBS_fcvm-snapshot = -larchive
LIBS_fcvm-vol     = -lseccomp
AGENT_LIBS        = -ljansson -lcap

PROGRAMS := $(C_TOOLS:%=$(B)/bin/%) $(SH_TOOLS:%=$(B)/bin/%) $(B)/bin/fcvm
AGENT    := $(B)/libexec/fcvm/fcvm-agent

all: $(PROGRAMS) $(AGENT) $(B)/share/fcvm ## build everything into build/

# --- programs ---------------------------------------------------------------------------------

# With these goals, packages are installed before the first compiler starts, in whatever order
# -j would otherwise choose.
DEPS_FIRST := $(if $(filter check quickstart,$(MAKECMDGOALS)),deps)

$(B)/obj/%.o: %.c | $(DEPS_FIRST)
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(ALL_CFLAGS) $(HARDEN) -MMD -MP -c -o $@ $<

$(B)/libfcvm.a: $(LIB_SRC:%.c=$(B)/obj/%.o)
	@echo "  AR    $@"
	$(Q)rm -f $@ && ar rcs $@ $^

define tool # $(1): program
$(B)/bin/$(1): $(patsubst %.c,$(B)/obj/%.o,$(wildcard bin/$(1)/*.c)) $(B)/libfcvm.a
	@mkdir -p $$(@D)
	@echo "  LD    $$@"
	$(Q)$(CC) -pie -Wl,-z,relro,-z,now -o $$@ $$(filter %.o,$$^) $(B)/libfcvm.a $(LIBS_$(1)) $(LIBS) -pthread
endef
$(foreach t,$(C_TOOLS),$(eval $(call tool,$(t))))

# Scripts are copied, not linked: they look for their siblings beside themselves.
define script # $(1): program, $(2): its file
$(B)/bin/$(1): $(2)
	@mkdir -p $$(@D)
	$(Q)install -m 755 $$< $$@
endef
$(foreach t,$(SH_TOOLS),$(eval $(call script,$(t),bin/$(t)/$(t))))
$(eval $(call script,fcvm,bin/fcvm))

# The agent is PID 1 in a guest that has no libraries.
$(AGENT): $(patsubst %.c,$(B)/obj/%.o,$(wildcard agent/*.c)) $(B)/libfcvm.a
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) -static -o $@ $(filter %.o,$^) $(B)/libfcvm.a $(AGENT_LIBS)

$(B)/share/fcvm:
	@mkdir -p $(@D)
	$(Q)ln -sfn ../../share $@

# --- install ----------------------------------------------------------------------------------

COPY = install -D -m 644
# Every installed file as SOURCE:TARGET, so that uninstall removes exactly what install put there.
SHARED := $(shell find share/kernels share/examples -type f 2>/dev/null)
FILES = $(foreach f,$(SHARED),$(f):$(SHAREDIR)/$(f:share/%=%)) \
  $(foreach f,$(wildcard man/*.[1-8]),$(f):$(MANDIR)/man$(subst .,,$(suffix $(f)))/$(notdir $(f))) \
  $(foreach f,$(wildcard share/completions/bash/*),$(f):$(BASHCOMPDIR)/$(notdir $(f)))

install: all ## copy programs, agent, shared files and man pages to $(DESTDIR)$(PREFIX)
	@for f in $(PROGRAMS); do install -D -m 755 $$f $(DESTDIR)$(BINDIR)/$${f##*/} || exit; done
	@install -D -m 755 $(AGENT) $(DESTDIR)$(LIBEXECDIR)/fcvm-agent
	@for f in $(FILES); do $(COPY) $${f%%:*} $(DESTDIR)$${f#*:} || exit; done
	@chmod 755 $(DESTDIR)$(SHAREDIR)/examples/*

uninstall: ## remove what install put there
	@rm -f $(PROGRAMS:$(B)/bin/%=$(DESTDIR)$(BINDIR)/%) $(DESTDIR)$(LIBEXECDIR)/fcvm-agent
	@for f in $(FILES); do rm -f $(DESTDIR)$${f#*:} || exit; done
	@for d in $(SHAREDIR)/kernels $(SHAREDIR)/examples $(SHAREDIR) $(LIBEXECDIR); do \
	  rmdir $(DESTDIR)$$d 2>/dev/null || :; done

# --- the two commands -------------------------------------------------------------------------

deps: ## install every Debian package that building, running and testing needs
	@t/deps

quickstart: deps all ## packages, build, fcvm setup, then a first container in a microVM
	@share/examples/quickstart $(B)/bin $(B)/hello

check: deps all $(B)/tests ## packages, build, lint and every test tier that this machine can run
	@t/run --able lint unit fast all root

# --- tests ------------------------------------------------------------------------------------
# LIST=1 lists tests without running, FILTER=regex selects, STREAM=1 shows live output, JOBS=n,
# HYPERVISOR=qemu|firecracker is what the VMs of the tiers run on.

export LIST FILTER STREAM JOBS HYPERVISOR JSON FUZZ_SECONDS SOAK_SECONDS SEED
NEEDS := $(if $(LIST),,all $(B)/tests)

test-unit: $(NEEDS) ## lint, C unit tests under ASan and UBSan, scripts with stubs
	@t/run lint unit
test-fast: $(NEEDS) ## the above and quick VMs
	@t/run lint unit fast
test-all: $(NEEDS) ## the above and slow VMs
	@t/run lint unit fast all
test-root: $(NEEDS) ## the above and what needs root
	@t/run lint unit fast all root
test-kernel: $(NEEDS) ## the kernel of profile micro, built twice: minutes, and in no other target
	@BATS_TEST_TIMEOUT=7200 t/run kernel
lint: $(NEEDS) ## formatting, static analysis, both compilers, scripts, man pages
	@t/run lint

# All code but the mains, with sanitizers, in one archive that each unit test links.
TEST_SRC  := $(filter-out %/main.c,$(LIB_SRC) $(wildcard bin/*/*.c agent/*.c))
TEST_INC  := -It/lib -Iagent -Ibin $(addprefix -I,$(wildcard bin/*/))
TEST_LIBS  = $(sort $(foreach t,$(C_TOOLS),$(LIBS_$(t))) $(AGENT_LIBS) $(LIBS)) -pthread
UNIT      := $(patsubst t/unit/%.c,%,$(wildcard t/unit/*.c))
FUZZ      := $(filter-out replay,$(patsubst t/fuzz/%.c,%,$(wildcard t/fuzz/*.c)))
SANITIZE  := -g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all

$(B)/asan/%.o: %.c | $(DEPS_FIRST)
	@mkdir -p $(@D)
	@echo "  ASAN  $<"
	$(Q)$(CC) $(LANGUAGE) $(TEST_INC) $(SANITIZE) -MMD -MP -c -o $@ $<

# `ar q`, because two tools may have files of one name.
$(B)/asan/all.a: $(TEST_SRC:%.c=$(B)/asan/%.o)
	$(Q)rm -f $@ && ar qcs $@ $^

$(UNIT:%=$(B)/asan/unit/%): $(B)/asan/unit/%: $(B)/asan/t/unit/%.o $(B)/asan/all.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(SANITIZE) -o $@ $^ $(TEST_LIBS)

$(FUZZ:%=$(B)/asan/replay/%): $(B)/asan/replay/%: $(B)/asan/t/fuzz/%.o $(B)/asan/t/fuzz/replay.o $(B)/asan/all.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(SANITIZE) -o $@ $^ $(TEST_LIBS)

# Stand for a guest in tests of the network and of volumes.
$(B)/t/volguest: t/lib/volguest.c $(B)/libfcvm.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $^ -pthread

$(B)/t/tapguest: t/lib/tapguest.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $<

# Stands for a VMM that restores a machine, in tests of the page server.
$(B)/t/memclient: t/lib/memclient.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $< -pthread

# Runs a command as in a container whose runtime answers system calls.
$(B)/t/listened: t/lib/listened.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $< -lseccomp

# What asks a file system about POSIX; static, because a container in a VM has no libraries for it.
$(B)/t/fcvm-posix: $(patsubst %.c,$(B)/obj/%.o,$(wildcard t/posix/*.c))
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) -static -o $@ $^

$(B)/t/fcvm-stress: $(patsubst %.c,$(B)/obj/%.o,$(wildcard t/stress/*.c)) $(B)/libfcvm.a
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) -static -o $@ $^ $(LIBS) -pthread

# Stand for Firecracker and its jailer; found by their names in PATH. In a jail are no libraries.
$(B)/t/fakefc/firecracker: $(wildcard t/lib/fakefc/*.c) $(wildcard t/lib/fakefc/*.h) $(B)/libfcvm.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -static -o $@ $(filter %.c,$^) $(B)/libfcvm.a $(AGENT_LIBS)

$(B)/t/fakefc/jailer: t/lib/fakejailer.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -o $@ $<

$(B)/tests: $(UNIT:%=$(B)/asan/unit/%) $(FUZZ:%=$(B)/asan/replay/%) $(B)/t/tapguest \
  $(B)/t/memclient $(B)/t/fcvm-posix $(B)/t/fcvm-stress $(B)/t/fakefc/firecracker \
  $(B)/t/fakefc/jailer $(B)/t/volguest $(B)/t/listened
	@touch $@

$(B)/fuzz/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  FUZZ  $<"
	$(Q)$(CLANG) $(LANGUAGE) $(TEST_INC) $(SANITIZE) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

$(FUZZ:%=$(B)/fuzz/bin/%): $(B)/fuzz/bin/%: $(B)/fuzz/obj/t/fuzz/%.o $(TEST_SRC:%.c=$(B)/fuzz/obj/%.o)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(SANITIZE) -fsanitize=fuzzer -o $@ $^ $(TEST_LIBS)

fuzz: $(FUZZ:%=$(B)/fuzz/bin/%) ## run each fuzz target for FUZZ_SECONDS (60)
	@t/fuzz/run $(FUZZ)

soak: $(NEEDS) $(B)/tests ## what takes long: volumes under random work for SOAK_SECONDS (600), a million files, many machines
	@t/stress/soak
	@t/stress/walk 1000000
	@GIT_FILES=5000 SMALL_FILES=30000 TORTURE_FILES=1000 C_FILES=40 FIO_SIZE=8m BATS_TEST_TIMEOUT=3600 \
	  JOBS=1 t/run soak
	@NET_MACHINES=100 FILTER='root/net-load' JOBS=1 t/run root
	@MEM_MIB=1024 MEM_CLIENTS=20 MEM_TOUCHES=8192 FILTER='root/mem' JOBS=1 t/run root

bench: all $(B)/t/memclient ## measure against other tools; FILTER=row, JSON=1
	@t/bench/run

setup-pjdfstest: all ## build a pjdfstest (PJDFSTEST_DIR=) and compare a volume with the file system below it
	@t/posix/pjdfstest "$(PJDFSTEST_DIR)"

# --- the same targets in a container ----------------------------------------------------------

PODMAN       ?= podman
PODMAN_BUILD ?=
PODMAN_RUN   ?=
BASE         ?= docker.io/library/debian:bookworm
CACHE_REGISTRY ?=
export PODMAN PODMAN_BUILD PODMAN_RUN BASE CACHE_REGISTRY

container-test-unit container-test-fast container-test-all container-test-root: container-%: ## run that tier in the image of Containerfile
	@t/container $*

help: ## this list
	@sed -n 's/^\([a-z][a-z -]*\):.*## \(.*\)/\1: \2/p' $(firstword $(MAKEFILE_LIST)) | \
	  while IFS=: read -r t d; do for w in $$t; do printf '  %-22s%s\n' $$w "$$d"; done; done

clean: ## remove build/
	rm -rf $(B)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
.PHONY: all clean help deps quickstart check lint install uninstall bench fuzz soak setup-pjdfstest test-unit \
  test-fast test-all test-root test-kernel container-test-unit container-test-fast container-test-all \
  container-test-root
