# Flowspan. `make help` lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

CLANG ?= clang-19
# libbpf's name of the architecture.
BPF_ARCH := $(patsubst aarch64,arm64,$(patsubst x86_64,x86,$(shell uname -m)))
BPF_CFLAGS := -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Wno-unused-parameter -Werror -D__TARGET_ARCH_$(BPF_ARCH) \
	-Ibpf -idirafter /usr/include/$(shell uname -m)-linux-gnu
BPF_OBJECTS := build/bpf/flowspan.bpf.o build/bpf/flowspan_redirect.bpf.o
DATAPLANE_OBJECT := build/bpf/dataplane.bpf.o
WIRE_READER := bpf/wire/events.gen.ts
# Parts of the data plane whose structs the collector writes into maps or reads out of them.
DATAPLANE_PARTS := service_lb http_unit policy redirect redirect_peer redirect_proxy refuse
DATAPLANE_READERS := $(DATAPLANE_PARTS:%=bpf/dataplane/%.gen.ts)
TESTS ?= 'test/**/*.test.ts'

.PHONY: help setup setup-demo setup-test setup-bench packages modules bpf generate native run demo test test-kernels soak fixtures bench dashboards fmt check clean

help: ## List the targets
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

run: setup ## Set up, build and start Flowspan on this machine (ARGS='--help' for its flags)
	@$(MAKE) --no-print-directory bpf native
	@exec query-api/cli/flowspan up $(ARGS)

demo: setup-demo ## Break a small shop in eight ways and show what Flowspan says (FAULTS=none, FAULTS=loss,both, KEEP=1)
	@$(MAKE) --no-print-directory bpf native
	@exec node deploy/demo/main.ts

test: setup-test ## Set up, build and run every test (TESTS='test/store/*.test.ts' for some)
	@$(MAKE) --no-print-directory bpf native
	@node test/support/run-tests.ts $(TESTS)

test-kernels: setup-test ## Boot older kernels, attach and try everything there, write build/kernels.md (ACCEPT=1 takes its baseline)
	@$(MAKE) --no-print-directory bpf native
	@test/fixtures/kernels.sh fixtures
	@FLOWSPAN_ACCEPT_VERIFIER=$(ACCEPT) node test/support/run-tests.ts 'test/native/kernel*.test.ts'

soak: setup-test ## Set up, build and run the long tests
	@$(MAKE) --no-print-directory bpf native
	@FLOWSPAN_SOAK=1 node test/support/run-tests.ts 'test/**/*.soak.ts'

fixtures: setup-test ## Build the real peers that some tests meet into fixtures/
	@for script in test/fixtures/*.sh; do echo "fixtures: $$script"; "$$script" fixtures; done

bench: setup-bench ## Measure everything and print one table; one bench with NAME=<name> (test/bench/README.md)
	@$(MAKE) --no-print-directory bpf native
	@node test/bench/run.ts $(NAME)

check: setup ## Check format, types, generated and rendered files, licences and file lengths
	@$(MAKE) --no-print-directory bpf
	biome check
	tsc --noEmit
	node dashboards/src/render.ts --check
	deploy/setup/check-sources.sh

dashboards: modules ## Write dashboards, rules and provisioning anew after a change of dashboards/src/
	@node dashboards/src/render.ts

fmt: modules ## Format the TypeScript and JSON files
	biome format --write

setup: packages modules ## Install the Debian packages and Node modules that building and running need

setup-demo: modules ## Install what the demo needs besides
	@deploy/setup/packages.sh run demo

setup-test: modules ## Install what the tests need besides
	@deploy/setup/packages.sh run test

setup-bench: modules ## Install what the benches need besides
	@deploy/setup/packages.sh run test bench
	@test/fixtures/envoy.sh fixtures

packages:
	@deploy/setup/packages.sh run

modules: packages
	@deploy/setup/modules.sh

bpf: $(BPF_OBJECTS) $(DATAPLANE_OBJECT) ## Compile the BPF programs
native: ## Compile the Node addon over libbpf
	@$(MAKE) --no-print-directory -C collector/native
	@NODE_COMPILE_CACHE=build/compile_cache node query-api/cli/flowspan.ts collector --help > /dev/null

generate: build/bpf/events.gen.ts $(DATAPLANE_PARTS:%=build/bpf/%.gen.ts) ## Write the readers of C structs anew after a change of bpf/wire/events.h or bpf/dataplane/
	@cmp -s $< $(WIRE_READER) || { cp $< $(WIRE_READER); echo "generate: $(WIRE_READER) written"; }
	@for part in $(DATAPLANE_PARTS); do cmp -s build/bpf/$$part.gen.ts bpf/dataplane/$$part.gen.ts || \
		{ cp build/bpf/$$part.gen.ts bpf/dataplane/$$part.gen.ts; echo "generate: bpf/dataplane/$$part.gen.ts written"; }; done

clean: ## Remove what was built
	rm -rf build

build/bpf:
	@mkdir -p $@

build/bpf/wire-types.bpf.o: bpf/wire/types.bpf.c | build/bpf
	$(CLANG) $(BPF_CFLAGS) -Wpadded -MMD -MP -c $< -o $@

build/bpf/events.gen.ts: build/bpf/wire-types.bpf.o bpf/wire/generate.ts
	@node bpf/wire/generate.ts $< $@

build/bpf/%-types.bpf.o: bpf/dataplane/%_types.bpf.c | build/bpf
	$(CLANG) $(BPF_CFLAGS) -Wpadded -MMD -MP -c $< -o $@

build/bpf/%.gen.ts: build/bpf/%-types.bpf.o bpf/wire/generate.ts
	@node bpf/wire/generate.ts $< $@ bpf/dataplane/$*.h

# The object carries the hash of the layout it was compiled with; the loader compares it with the reader's.
$(BPF_OBJECTS): build/%.o: %.c build/bpf/events.gen.ts $(WIRE_READER) | build/bpf
	@cmp -s build/bpf/events.gen.ts $(WIRE_READER) || \
		{ echo "FLOW_BUILD_WIRE_READER: $(WIRE_READER) is not what bpf/wire/events.h says: run 'make generate'" >&2; exit 1; }
	$(CLANG) $(BPF_CFLAGS) -DFLOWSPAN_LAYOUT_HASH="\"$$(sed -n "s/.*LAYOUT_HASH = '\(.*\)';/\1/p" $(WIRE_READER))\"" \
		-MMD -MP -c $< -o $@

$(DATAPLANE_OBJECT): bpf/dataplane.bpf.c $(DATAPLANE_PARTS:%=build/bpf/%.gen.ts) $(DATAPLANE_READERS) | build/bpf
	@for part in $(DATAPLANE_PARTS); do cmp -s build/bpf/$$part.gen.ts bpf/dataplane/$$part.gen.ts || \
		{ echo "FLOW_BUILD_WIRE_READER: bpf/dataplane/$$part.gen.ts is not what bpf/dataplane/$$part.h says: run 'make generate'" >&2; exit 1; }; done
	$(CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@

-include build/bpf/wire-types.bpf.d $(DATAPLANE_PARTS:%=build/bpf/%-types.bpf.d) $(BPF_OBJECTS:.o=.d) build/bpf/dataplane.bpf.d
