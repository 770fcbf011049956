# cmake -DROOT=<project> -DNM=<nm> -DEMULATED=<list of the emulated objects> -DLIBRARY=<kt_kernels> -P: a
# CUDA build links. Every function that a header of kernels/ declares in namespace cuda is defined in
# a .cu file or in kt_kernels, every size of scratch in kt_kernels itself, where a build without CUDA
# finds it; and every KT_RUN names a function that has both forms.
cmake_minimum_required(VERSION 3.25)

set(errors 0)
function(complain text)
  message("cuda_symbols: ${text}")
  math(EXPR errors "${errors} + 1")
  set(errors ${errors} PARENT_SCOPE)
endfunction()

# The names of ktrain::<space>::* that the files define.
function(defined_in space result)
  execute_process(COMMAND ${NM} -C --defined-only ${ARGN} OUTPUT_VARIABLE symbols ERROR_QUIET
                  RESULT_VARIABLE status)
  if(status)
    message(FATAL_ERROR "cuda_symbols: ${NM} failed")
  endif()
  string(REGEX MATCHALL " ktrain::${space}::[a-z0-9_]+[<(]" names "${symbols}")
  list(TRANSFORM names REPLACE " ktrain::${space}::([a-z0-9_]+)." "\\1")
  list(REMOVE_DUPLICATES names)
  set(${result} "${names}" PARENT_SCOPE)
endfunction()

file(STRINGS ${EMULATED} objects)
defined_in(cuda emulated ${objects})
defined_in(cuda everywhere ${LIBRARY})
# Templates of the CPU appear as "void ktrain::cpu::name<float>(...)".
defined_in(cpu on_cpu ${LIBRARY})

set(declared "")
file(GLOB headers RELATIVE ${ROOT} ${ROOT}/kernels/*.h)
foreach(header ${headers})
  file(READ ${ROOT}/${header} text)
  string(REGEX REPLACE "//[^\n]*" "" text "${text}")
  string(REPLACE ";" "@" text "${text}")  # no lists
  string(REGEX MATCH "\nnamespace (ktrain::)?cuda {.*" text "${text}")
  string(REGEX REPLACE "\n}[ \n]*\n}.*" "" text "${text}")  # to the end of both namespaces
  string(REGEX MATCHALL "\n(\\[\\[nodiscard\\]\\] )?(inline |constexpr )?(void|bool|int|std::int64_t) [a-z0-9_]+\\("
         functions "${text}")
  foreach(function ${functions})
    string(REGEX REPLACE ".* ([a-z0-9_]+)\\($" "\\1" name "${function}")
    list(APPEND declared ${name})
    if(function MATCHES "inline |constexpr ")
      continue()
    endif()
    if(name MATCHES "_(scratch_bytes|workspace)$")
      if(NOT name IN_LIST everywhere)
        complain("${header} declares cuda::${name}, which no .cpp file of kernels/ defines")
      endif()
    elseif(NOT name IN_LIST emulated AND NOT name IN_LIST everywhere)
      complain("${header} declares cuda::${name}, which nobody defines")
    endif()
  endforeach()
endforeach()

set(calls 0)
file(GLOB_RECURSE sources RELATIVE ${ROOT} ${ROOT}/runtime/*.cpp ${ROOT}/models/*.cpp ${ROOT}/train/*.cpp
     ${ROOT}/runtime/*.h ${ROOT}/models/*.h ${ROOT}/train/*.h)
foreach(source ${sources})
  file(READ ${ROOT}/${source} text)
  string(REPLACE ";" "@" text "${text}")
  string(REGEX MATCHALL "KT_RUN\\([^,@]*, *[a-z0-9_]+," runs "${text}")
  string(REGEX MATCHALL "KT_RUN_AS\\([^,@]*, *[^,@]*, *[a-z0-9_]+," named "${text}")
  foreach(run ${runs} ${named})
    string(REGEX REPLACE ".*[ \n(]([a-z0-9_]+),$" "\\1" name "${run}")
    math(EXPR calls "${calls} + 1")
    if(NOT name IN_LIST declared)
      complain("${source} runs ${name}, which has no CUDA form in a header of kernels/")
    elseif(NOT name IN_LIST on_cpu)
      complain("${source} runs ${name}, which has no CPU form")
    endif()
  endforeach()
endforeach()

list(LENGTH declared count)
# Some dozens of each at least, or this script no longer reads what it should.
if(count LESS 60 OR calls LESS 50)
  complain("found ${count} declarations and ${calls} calls: the headers or sources are not read")
endif()
if(errors)
  message(FATAL_ERROR "cuda_symbols: ${errors} violations")
endif()
message("cuda_symbols: ${count} declarations, ${calls} calls")
