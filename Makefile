# make run: install what is missing, build, train the default plan.  make test: the same, then every test.
BUILD := build/release

.PHONY: run test build setup format clean
run: build
	$(BUILD)/ktrain configs/plan_a.cfg

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
