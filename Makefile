# make run: install what is missing, build, train plan A on the built-in data, write its report.  make test: the same set-up, then every test.
BUILD := build/release
PLAN := configs/plan_a.cfg

.PHONY: run test test-long build setup format clean
run: setup
	scripts/build.sh $(BUILD) ktrain
	$(BUILD)/ktrain $(PLAN)
	$(BUILD)/ktrain report $(patsubst configs/%.cfg,runs/%,$(PLAN))

test: build
	scripts/test.sh $(BUILD)

test-long: build
	KT_TEST_LONG=1 scripts/test.sh $(BUILD)

build: setup
	scripts/build.sh $(BUILD)

setup:
	@scripts/setup.sh

format:
	git ls-files '*.h' '*.cpp' '*.cu' '*.cuh' | xargs clang-format -i

clean:
	rm -rf build
