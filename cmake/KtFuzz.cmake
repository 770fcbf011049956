# Says in one line what the fuzz preset lacks, before anything else fails for it.
include(CheckCXXSourceCompiles)
set(CMAKE_REQUIRED_FLAGS -fsanitize=fuzzer,address)
check_cxx_source_compiles([[
#include <cstddef>
#include <cstdint>
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t*, std::size_t) { return 0; }
]] KT_HAS_LIBFUZZER)
unset(CMAKE_REQUIRED_FLAGS)
if(NOT KT_HAS_LIBFUZZER)
  message(FATAL_ERROR "KT_FUZZ needs clang with libFuzzer and OpenMP; on Debian 12: "
                      "apt-get install clang libclang-rt-14-dev libomp-14-dev")
endif()
