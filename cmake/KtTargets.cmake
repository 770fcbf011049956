# kt_library(folder PUBLIC ... PRIVATE ...): the library kt_<folder> from every .cpp under <folder>/.
# Sources are globbed: a list is where a file is lost.

set(KT_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)

# Options for the target's C++ files; its CUDA files, if any, have theirs from KtCuda.cmake.
function(kt_cxx_options target)
  target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${ARGN}>")
endfunction()

# What every target of the project is compiled with.
function(kt_settings target)
  kt_cxx_options(${target} ${KT_WARNINGS})
  if(KT_NATIVE AND NOT CMAKE_CROSSCOMPILING)
    kt_cxx_options(${target} -march=native)
  endif()
  # One rounding rule for every compiler: a*b+c is not silently fused, so that results do not
  # depend on what the optimiser saw.
  kt_cxx_options(${target} -ffp-contract=off)
  # std::sqrt need not set errno: with it no loop that takes a root runs in vector registers.
  kt_cxx_options(${target} -fno-math-errno)
  # A loop that clang leaves scalar under `omp simd` (as sanitizers make it) is slow, not wrong.
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    kt_cxx_options(${target} -Wno-pass-failed)
  endif()
  if(KT_FUZZ)
    kt_cxx_options(${target} -fsanitize=fuzzer-no-link)
  endif()
  if(KT_SANITIZE)
    kt_cxx_options(${target} -fsanitize=${KT_SANITIZE} -fno-sanitize-recover=all
                   -fno-omit-frame-pointer)
    target_link_options(${target} PRIVATE -fsanitize=${KT_SANITIZE})
  endif()
endfunction()

# kt_optimize_release(target level): for code in which no time is spent, what a release build optimises less to compile
# sooner. Results are the same: no level reorders arithmetic.
function(kt_optimize_release target level)
  kt_cxx_options(${target} $<$<CONFIG:Release>:-O${level}>)
endfunction()

function(kt_library folder)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "train/main\\.cpp$|/device/emulation/")
  add_library(kt_${folder} STATIC ${sources})
  add_library(ktrain::${folder} ALIAS kt_${folder})
  set_target_properties(kt_${folder} PROPERTIES EXPORT_NAME ${folder})
  target_include_directories(kt_${folder} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
                             $<INSTALL_INTERFACE:include/ktrain>)
  target_compile_features(kt_${folder} PUBLIC cxx_std_20)
  target_compile_definitions(kt_${folder} PUBLIC KT_CUDA_ENABLED=$<BOOL:${KT_CUDA}>)
  target_link_libraries(kt_${folder} ${ARGN})
  kt_settings(kt_${folder})
endfunction()

# What a target of tests is compiled with beside kt_settings(): little is optimised, and GoogleTest is parsed once for a
# target, not once for each file. Clang cannot take a precompiled header of gcc's, so tools that read compile commands
# want KT_PRECOMPILE=OFF.
option(KT_PRECOMPILE "Precompile the headers of GoogleTest for the tests" ON)
function(kt_settings_of_tests target)
  kt_optimize_release(${target} 1)
  if(KT_PRECOMPILE)
    target_precompile_headers(${target} PRIVATE <gmock/gmock.h> <gtest/gtest.h> <fmt/format.h>)
  endif()
endfunction()

# kt_test_program(name folder LIBS ...): one GoogleTest program from every *_test.cpp under
# tests/<folder>/, each test known to ctest by its own name. GOMP_SPINCOUNT as in train/main.cpp.
function(kt_test_program name folder)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${folder}/*_test.cpp)
  if(NOT sources)
    return()
  endif()
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE ${ARGN} GTest::gmock GTest::gtest_main)
  kt_settings(${name})
  kt_settings_of_tests(${name})
  target_compile_definitions(${name} PRIVATE KT_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
                       PROPERTIES TIMEOUT 600 ENVIRONMENT GOMP_SPINCOUNT=2000
                       SKIP_REGULAR_EXPRESSION "\\[  SKIPPED \\]")
endfunction()
