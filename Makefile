# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# modelsnoop: `make help` lists the targets. V=1 shows commands; ARCH=arm64 cross-builds; STATIC=1 links
# one static binary; SAN=1 builds user space with the address and undefined-behaviour sanitizers.

VERSION := 0.1.0
PREFIX  ?= /usr/local

# ---- architecture and tools ------------------------------------------------------------------------
HOST_ARCH := $(shell uname -m | sed 's/amd64/x86_64/; s/arm64/aarch64/')
ARCH      ?= $(HOST_ARCH)
override ARCH := $(patsubst aarch64,arm64,$(patsubst amd64,x86_64,$(ARCH)))
HOST_ARCH := $(patsubst aarch64,arm64,$(HOST_ARCH))
TRIPLE_arm64  := aarch64-linux-gnu
TRIPLE_x86_64 := x86_64-linux-gnu
BPF_ARCH_arm64  := arm64
BPF_ARCH_x86_64 := x86
ifneq ($(ARCH),$(HOST_ARCH))
  CROSS := $(TRIPLE_$(ARCH))-
endif
ifeq ($(origin CC),default)
  CC := $(CROSS)gcc
endif
AR      := $(CROSS)ar
CLANG   ?= clang
BPFTOOL ?= $(or $(wildcard /usr/sbin/bpftool),bpftool)
PKG_CONFIG ?= $(if $(CROSS),PKG_CONFIG_LIBDIR=/usr/lib/$(TRIPLE_$(ARCH))/pkgconfig) pkg-config

# ---- flags -----------------------------------------------------------------------------------------
IS_CLANG := $(shell $(CC) --version 2>/dev/null | grep -c clang)
WARN     := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes -Wmissing-prototypes
ifeq ($(IS_CLANG),0)
  WARN += -Wlogical-op -Wduplicated-cond
else
  WARN += -Wno-gnu-variable-sized-type-not-at-end
endif
ifdef CI
  WARN += -Werror
endif
OPT      ?= -O2 -g
CPPFLAGS := -Iuser -I. -D_GNU_SOURCE -DMODELSNOOP_VERSION='"$(VERSION)"'
CFLAGS   := -std=c11 $(OPT) $(WARN) -fstack-protector-strong -fno-strict-aliasing -pthread
LDFLAGS  := -pthread
LDLIBS   := -lbpf -lelf -lz -lm
FLAVOUR  := $(ARCH)
ifeq ($(STATIC),1)
  LDFLAGS += -static
  FLAVOUR := $(FLAVOUR)-static
endif
ifeq ($(SAN),1)
  CFLAGS  += -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined
  LDFLAGS += -fsanitize=address,undefined
  FLAVOUR := $(FLAVOUR)-san
endif
BPF_CFLAGS := -O2 -g -target bpf -mcpu=v3 -D__TARGET_ARCH_$(BPF_ARCH_$(ARCH)) -Ivmlinux/$(ARCH) -I. -Ibpf \
	$(if $(CROSS),-I/usr/include) -Wall -Wno-unused-function -Wno-compare-distinct-pointer-types

ifeq ($(V),1)
  Q :=
  say = @:
else
  Q := @
  say = @printf '  %-7s %s\n' $(1) $(2)
endif

# ---- files -----------------------------------------------------------------------------------------
BUILD    := build/$(FLAVOUR)
BIN      := $(BUILD)/modelsnoop
BPF_SRC  := $(wildcard bpf/*.bpf.c)
BPF_OBJ  := $(BPF_SRC:%.bpf.c=$(BUILD)/%.bpf.o)
SKEL     := $(BUILD)/modelsnoop.skel.h
SRC      := $(filter-out user/main.c,$(wildcard user/*/*.c))
OBJ      := $(SRC:%.c=$(BUILD)/%.o)
MAIN_OBJ := $(BUILD)/user/main.o
LIB      := $(BUILD)/libmodelsnoop.a
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT     := $(UNIT_SRC:%.c=$(BUILD)/%)
PROG_SRC := $(wildcard tests/prog/*.c)
PROG     := $(PROG_SRC:%.c=$(BUILD)/%)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ     := $(FUZZ_SRC:%.c=$(BUILD)-fuzz/%)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:

##@ Build
all: $(BIN) ## build the program (build/ARCH/modelsnoop; ./modelsnoop links to it)
	$(Q)[ "$(ARCH)$(STATIC)$(SAN)" != "$(HOST_ARCH)" ] || ln -sfn $(FLAVOUR)/modelsnoop build/modelsnoop

$(BUILD)/%.bpf.o: %.bpf.c
	$(call say,BPF,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/modelsnoop.bpf.o: $(BPF_OBJ)
	$(call say,LINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(SKEL): $(BUILD)/modelsnoop.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name modelsnoop_bpf > $@

$(BUILD)/%.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -I$(BUILD) $(CFLAGS) -MMD -MP -c $< -o $@

$(filter $(BUILD)/user/probe/%,$(OBJ)): | $(SKEL)

$(LIB): $(OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $(OBJ)

$(BIN): $(MAIN_OBJ) $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $(MAIN_OBJ) $(LIB) $(LDLIBS) -o $@

compile_commands.json: ## for editors (needs bear)
	$(Q)rm -rf build/cc && bear -- $(MAKE) -B all

install: all ## install into DESTDIR/PREFIX
	install -D -m 0755 $(BIN) $(DESTDIR)$(PREFIX)/sbin/modelsnoop
	install -D -m 0644 README.md $(DESTDIR)$(PREFIX)/share/doc/modelsnoop/README.md

clean: ## remove build/
	$(Q)rm -rf build

##@ Test
$(BUILD)/tests/unit/%: tests/unit/%.c $(LIB)
	$(call say,TEST,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -I$(BUILD) $(CFLAGS) $(LDFLAGS) -MMD -MP $< $(LIB) -lcmocka $(LDLIBS) -o $@

# Servers and clients that tests and the VM guests run: plain C, static so that a guest needs nothing else.
$(BUILD)/tests/prog/%: tests/prog/%.c
	$(call say,PROG,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -static $< -pthread -o $@

unit: $(UNIT) ## unit and property tests (no privileges)
	$(Q)tests/run-unit $(UNIT)

# Everything that runs without the kernel side, instrumented once and shared by all targets.
FUZZ_FLAGS = $(CPPFLAGS) -std=c11 -O1 -g -pthread -fno-sanitize-recover=undefined
FUZZ_OBJ := $(patsubst %.c,$(BUILD)-fuzz/%.o,\
	$(filter-out user/probe/% user/cmd/cmd_run.c user/cmd/cmd_doctor.c,$(SRC)))
$(BUILD)-fuzz/%.o: %.c
	$(call say,FUZZCC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link,address,undefined -MMD -MP -c $< -o $@

$(BUILD)-fuzz/tests/fuzz/%: tests/fuzz/%.c $(FUZZ_OBJ)
	$(call say,FUZZ,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ_FLAGS) -fsanitize=fuzzer,address,undefined -MMD -MP $< $(FUZZ_OBJ) -lz -lm -o $@

include $(wildcard tests/tests.mk)

-include $(BPF_OBJ:.o=.d) $(OBJ:.o=.d) $(MAIN_OBJ:.o=.d) $(UNIT:%=%.d) $(FUZZ_OBJ:.o=.d) $(FUZZ:%=%.d)

help: ## this list
	@awk 'BEGIN { FS = ":.*## " } /^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-zA-Z_.-]+:.*## / { printf "  %-24s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@printf '\nVariables: V=1 ARCH=arm64 STATIC=1 SAN=1 CC=clang PREFIX= DESTDIR=\n'

.PHONY: all install clean unit help
