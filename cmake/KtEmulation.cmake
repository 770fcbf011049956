# The CUDA kernels as C++ on the CPU (kernels/device/emulation), in up to three flavours:
#   plain   as compiled; tests run it in three orders of threads and blocks
#   asan    AddressSanitizer and UndefinedBehaviorSanitizer
#   check   the access check: races, bounds, uninitialised reads, host memory
# A build with a sanitizer of its own has the asan flavour, or none where the two do not go together.
# Included from tests/: a source file has one language per folder, and here .cu is C++.

set(kt_asan_flags -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all
    -fno-omit-frame-pointer)

set(KT_FLAVOURS plain asan check)
if(KT_SANITIZE MATCHES "address")
  set(KT_FLAVOURS asan)
elseif(KT_SANITIZE)
  set(KT_FLAVOURS "")
endif()

# Debian's clang has its sanitizers' libraries in a package of their own (libclang-rt-14-dev).
include(CheckCXXSourceCompiles)
list(JOIN kt_asan_flags " " CMAKE_REQUIRED_FLAGS)
check_cxx_source_compiles("int main() { return 0; }" KT_HAS_ASAN)
unset(CMAKE_REQUIRED_FLAGS)
if(NOT KT_HAS_ASAN AND "asan" IN_LIST KT_FLAVOURS)
  list(REMOVE_ITEM KT_FLAVOURS asan)
  add_test(NAME emulation.asan COMMAND ${CMAKE_COMMAND} -E echo
           "SKIPPED: this compiler has no AddressSanitizer library")
  set_tests_properties(emulation.asan PROPERTIES SKIP_REGULAR_EXPRESSION "SKIPPED")
endif()

file(GLOB kt_emulator CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/device/emulation/*.cpp)
file(GLOB kt_emulated CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/*.cu
     ${PROJECT_SOURCE_DIR}/kernels/device/*.cu)
set_source_files_properties(${kt_emulated} PROPERTIES LANGUAGE CXX)

# kt_flavour(target flavour kernels|emulator): compiles the target's sources for a flavour.
function(kt_flavour target flavour part)
  kt_settings(${target})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
  target_compile_features(${target} PRIVATE cxx_std_20)
  target_compile_definitions(${target} PRIVATE KT_CUDA_ENABLED=1 KT_CUDA_ARCHITECTURES="emulation")
  target_compile_options(${target} PRIVATE -Wno-unknown-pragmas -g1)
  # The few files of the emulator run all the time, the many of the kernels are compiled all the time.
  target_compile_options(${target} PRIVATE $<IF:$<STREQUAL:${part},emulator>,-O3,-O1>)
  if(flavour STREQUAL "asan")
    target_compile_options(${target} PRIVATE ${kt_asan_flags})
  elseif(flavour STREQUAL "check")
    target_compile_definitions(${target} PRIVATE KT_EMULATION_CHECK=1)
    if(part STREQUAL "kernels")
      target_compile_options(${target} PRIVATE -fsanitize=thread)
      if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")  # else x += 1 is reported as a write alone
        target_compile_options(${target} PRIVATE
                               "SHELL:-mllvm -tsan-instrument-read-before-write=1")
      endif()
    endif()
  endif()
endfunction()

foreach(flavour ${KT_FLAVOURS})
  add_library(kt_emulator_${flavour} OBJECT ${kt_emulator})
  kt_flavour(kt_emulator_${flavour} ${flavour} emulator)
  add_library(kt_emulated_${flavour} OBJECT ${kt_emulated})
  kt_flavour(kt_emulated_${flavour} ${flavour} kernels)
endforeach()

# kt_emulated_program(name flavour OBJECTS ...): a program of the flavour. Objects stand before
# kt_kernels, so that its functions are taken from here where both have them.
function(kt_emulated_program name flavour)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "OBJECTS")
  list(TRANSFORM arg_OBJECTS REPLACE "(.+)" "$<TARGET_OBJECTS:\\1>")
  add_executable(${name} ${arg_OBJECTS} $<TARGET_OBJECTS:kt_emulator_${flavour}>)
  target_link_libraries(${name} PRIVATE kt_kernels GTest::gmock GTest::gtest_main)
  kt_settings(${name})
  if(flavour STREQUAL "asan")
    target_link_options(${name} PRIVATE ${kt_asan_flags})
  endif()
endfunction()
