# make test: install what is missing, build, run every test.  make run: the same set-up, then the commands.
BUILD := build/release

.PHONY: run test build setup format clean
run: build
	$(BUILD)/ktrain --help

test: build
	scripts/test.sh $(BUILD)

build: setup
	scripts/build.sh $(BUILD)

setup:
	@scripts/setup.sh

format:
	git ls-files '*.h' '*.cpp' '*.cu' '*.cuh' | xargs clang-format -i

clean:
	rm -rf build
