# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Test, benchmark and demo targets; included by the Makefile. Every suite ends with `N passed, N failed`.

# One static program out of several files: server, client and checker for guests that have nothing else.
TRAP     := $(BUILD)/tests/prog/trapserver
TRAP_SRC := $(wildcard tests/prog/trap/*.c)
$(TRAP): $(TRAP_SRC) $(wildcard tests/prog/trap/*.h)
	$(call say,PROG,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE $(OPT) $(WARN) -static $(TRAP_SRC) -pthread -o $@

# By its path: another Python may stand before it on PATH, without Debian's modules.
PYTHON3 ?= /usr/bin/python3

live: all $(TRAP) ## real servers on this host (root): every request against what the client saw
	$(Q)$(PYTHON3) tests/live/run.py --program $(BIN) --trap $(TRAP)

cli: all ## the command line contract: statuses, bad options, files
	$(Q)$(PYTHON3) tests/cli/run_cli.py $(BIN)

golden: all ## captures in, exact records out
	$(Q)tests/golden/run $(BIN)

test: all $(UNIT) $(TRAP) ## unit, golden, command line and live tests
	$(Q)tests/run-suites build/test 'unit:$(MAKE) --no-print-directory unit' \
		'golden:$(MAKE) --no-print-directory golden' 'cli:$(MAKE) --no-print-directory cli' \
		'live:$(MAKE) --no-print-directory live'

test-vm: ## record, run and replay on kernels 5.10 to newest, amd64 and arm64, under emulation
	$(Q)$(MAKE) --no-print-directory STATIC=1 ARCH=x86_64 all build/x86_64-static/tests/prog/trapserver
	$(Q)$(MAKE) --no-print-directory STATIC=1 ARCH=arm64 all build/arm64-static/tests/prog/trapserver
	$(Q)tests/vm/run

FUZZ_SECONDS ?= 60
fuzz: $(FUZZ) ## each fuzz target for FUZZ_SECONDS (default 60)
	$(Q)tests/run-fuzz $(FUZZ_SECONDS) $(FUZZ)

EMPTY_OBJ := $(BUILD)/tests/bench/empty.bpf.o
$(EMPTY_OBJ): tests/bench/empty.bpf.c
	$(call say,BPF,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@

BENCH_PROG := $(patsubst tests/bench/%.c,$(BUILD)/tests/bench/%,$(filter-out %.bpf.c,$(wildcard tests/bench/*.c)))
$(BUILD)/tests/bench/%: tests/bench/%.c
	$(call say,PROG,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE $(OPT) $(WARN) $< -o $@ $(LDLIBS) -pthread

bench: all $(EMPTY_OBJ) $(BENCH_PROG) ## what it costs, as ratios of interleaved runs (root; QUICK=1: roughly)
	$(Q)$(PYTHON3) tests/bench/run.py --program $(BIN) \
		--build $(BUILD)/tests/bench $(if $(QUICK),--quick)

demo: all ## a classifier under uvicorn, watched until its data drifts (root)
	$(Q)tools/demo/demo $(BIN)

FORMAT_FILES = $(wildcard bpf/*.[ch] user/*.c user/*/*.[ch] tests/*/*.[ch] tests/prog/trap/*.[ch])
SCRIPTS = $(wildcard tests/run-* tests/vm/vmtest tests/vm/run tests/vm/guest tools/setup tools/demo/demo .ci/run)
lint: ## formatting of C, shell scripts
	$(Q)clang-format --dry-run -Werror $(FORMAT_FILES)
	$(Q)shellcheck $(SCRIPTS)

check: lint unit ## format, lint and unit tests

.PHONY: live cli golden test test-vm fuzz bench demo lint check
