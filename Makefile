# Shortcuts; `./check --help` and `./conform --help` tell more.
.PHONY: help check conform build format bench clean

help: ## List the shortcuts.
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 10

check: ## Run every test.
	./check

conform: ## Run the conformance suite against the three implementations.
	./conform

build: ## Build the C++ library and program, for use.
	cmake --preset release && cmake --build build/release

format: ## Format the sources. Needs `./check format` once, which installs the tools.
	git ls-files '*.cpp' '*.hpp' '*.c' '*.h' | xargs build/venv/bin/clang-format -i
	{ git ls-files '*.py'; git grep -l '^#!/usr/bin/env python3' -- ':!*.py'; } > build/python-files
	xargs build/venv/bin/ruff check --fix < build/python-files && xargs build/venv/bin/ruff format < build/python-files
	git ls-files '*.go' | xargs gofmt -w

bench: ## Run the benchmark.
	impl/bench/run

clean: ## Remove everything that was built.
	rm -rf build
