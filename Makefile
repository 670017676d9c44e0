# The thin door to Meson; README.md tells the story.
#
#   make            build/pome                     make run        from nothing to the console of a Debian machine
#   make test       everything that checks         make test SAN=1 the unit tests with sanitizers only
#   make bench      Pome beside QEMU and native    make fuzz T=x   fuzz target x for a minute (SECONDS=n)
#                   (ROUNDS=n ARGS="--only fp,json")
#   make format     lays out what you changed      make deps       what Debian has that we need

BUILD ?= build
SECONDS ?= 60
ROUNDS ?= 3

.PHONY: all deps run test bench fuzz format clean
all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet

$(BUILD)/build.ninja:
	@scripts/deps.sh build
	@meson setup $(BUILD) >/dev/null

deps:
	@scripts/deps.sh build run test

run:
	@scripts/deps.sh build run
	@$(MAKE) --no-print-directory all
	@scripts/run.sh

test:
	@scripts/deps.sh build run test
	@scripts/test.sh $(if $(SAN),san,all)

bench: all
	@bench/run.sh --rounds $(ROUNDS) $(ARGS)

fuzz:
	@scripts/fuzz.sh "$(T)" $(SECONDS)

# Only the lines that differ from HEAD: tables are laid out by hand, and stay so.
format:
	@git clang-format --force --extensions c,h HEAD

clean:
	@rm -rf build build-san build-arm64 build-fuzz
