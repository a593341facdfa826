# fcvm: GNU make, no generated files, no recursion. `make help` lists the targets.

PREFIX      ?= /usr/local
BINDIR      ?= $(PREFIX)/bin
LIBEXECDIR  ?= $(PREFIX)/libexec/fcvm
SHAREDIR    ?= $(PREFIX)/share/fcvm
MANDIR      ?= $(PREFIX)/share/man
BASHCOMPDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHCOMPDIR  ?= $(PREFIX)/share/zsh/site-functions
DESTDIR     ?=

CC       ?= cc
CFLAGS   ?= -O2 -g
WARN      = -Wall -Wextra -Werror -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wformat=2 \
            -Wvla -Wundef -Wpointer-arith -Wwrite-strings
HARDEN    = -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Ilib $(WARN) $(CFLAGS)

B := build
Q := $(if $(V),,@)

# A program is a folder in bin/: C files, or one script of the folder's name. Adding a file needs
# no edit here; a library beyond the common ones is one line below.
C_TOOLS  := $(sort $(notdir $(patsubst %/,%,$(dir $(wildcard bin/*/main.c)))))
SH_TOOLS := $(notdir $(foreach d,$(wildcard bin/*/),$(wildcard $(d)$(notdir $(patsubst %/,%,$(d))))))
LIB_SRC  := $(wildcard lib/*.c)
LIBS              = -ljansson -lcrypto
LIBS_fcvm-cache   = -larchive
LIBS_fcvm-kernel  = -larchive -llz4 -lzstd -llzma -lbz2 -lz
AGENT_LIBS        = -ljansson -lcap

PROGRAMS := $(C_TOOLS:%=$(B)/bin/%) $(SH_TOOLS:%=$(B)/bin/%) $(B)/bin/fcvm
AGENT    := $(B)/libexec/fcvm/fcvm-agent

all: $(PROGRAMS) $(AGENT) $(B)/share/fcvm ## build everything into build/

$(B)/obj/%.o: %.c
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

$(SH_TOOLS:%=$(B)/bin/%): $(B)/bin/%:
	@mkdir -p $(@D)
	$(Q)ln -sfn ../../bin/$*/$* $@

$(B)/bin/fcvm: bin/fcvm
	@mkdir -p $(@D)
	$(Q)ln -sfn ../../bin/fcvm $@

# The agent is PID 1 in a guest that has no libraries.
$(AGENT): $(patsubst %.c,$(B)/obj/%.o,$(wildcard agent/*.c)) $(B)/libfcvm.a
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) -static -o $@ $(filter %.o,$^) $(B)/libfcvm.a $(AGENT_LIBS)

$(B)/share/fcvm:
	@mkdir -p $(@D)
	$(Q)ln -sfn ../../share $@

clean: ## remove build/
	rm -rf $(B)

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
.PHONY: all clean
