# The thin door to Meson. `make` builds; see README.md.
BUILD ?= build
.PHONY: all
all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)
$(BUILD)/build.ninja:
	@meson setup $(BUILD)
