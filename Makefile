# SPDX-License-Identifier: GPL-2.0-or-later
#
# Thin: what a target does stands in the script that it calls.  meson.build builds.

.PHONY: all demo test test-all bench lint install clean
.DEFAULT_GOAL = all

INSTALL_PACKAGES = packaging/install-packages

build/build.ninja:
	@packaging/check-build
	meson setup build

all: build/build.ninja
	@ninja -C build

# On a fresh machine this is the first command, so it brings what it needs.
demo:
	@$(INSTALL_PACKAGES) build demo
	@$(MAKE) --no-print-directory all
	@tests/demo/run

test:
	@$(INSTALL_PACKAGES) build test demo
	@tests/run

# TESTS=: the whole tables of these alone.
test-all:
	@$(INSTALL_PACKAGES) build test demo
	@tests/run --all $(TESTS)

bench:
	@$(INSTALL_PACKAGES) build bench
	@missed=0; for part in run maps migrate; do tests/bench/$$part || missed=1; done; exit $$missed

lint:
	@$(INSTALL_PACKAGES) build lint
	@tests/lint

install: all
	meson install -C build --no-rebuild

clean:
	rm -rf build build-*
