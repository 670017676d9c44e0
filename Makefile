# The thin door to Meson; README.md tells the story.
#
#   make            build/pome                     make run        from nothing to the console of a Debian machine
#   make test       everything that checks         make test SAN=1 the unit tests with sanitizers only
#   make bench      Pome beside QEMU and native    make fuzz T=x   fuzz target x for a minute (SECONDS=n)
#                   (ROUNDS=n ARGS="--only fp,json")
#   make format     lays out what you changed      make deps       what Debian has that we need
#   make install    (DESTDIR=, PREFIX=/usr/local)  the command, the library with headers and manual, completions, a systemd unit

BUILD ?= build
SECONDS ?= 60
ROUNDS ?= 3

.PHONY: all deps run test bench fuzz format install clean
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

install: all
	$(if $(PREFIX),@meson configure $(BUILD) --prefix "$(PREFIX)" && ninja -C $(BUILD) --quiet)
	@DESTDIR="$(DESTDIR)" meson install -C $(BUILD) --no-rebuild --quiet

clean:
	@rm -rf build build-san build-arm64 build-fuzz
