# Installs the build into a fresh folder, builds examples/embed against the package there, runs it.
# cmake -DROOT=<project> -DBUILD=<build folder> -DCXX=<compiler> -P install_test.cmake
set(prefix ${BUILD}/install_test/prefix)
set(work ${BUILD}/install_test/embed)
file(REMOVE_RECURSE ${BUILD}/install_test)

# A sanitized library needs the sanitizer in the program that uses it.
set(flags "")
if(SANITIZE)
  set(flags "-fsanitize=${SANITIZE}")
endif()

include(${CMAKE_CURRENT_LIST_DIR}/run.cmake)

run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix})
run(${CMAKE_COMMAND} -S ${ROOT}/examples/embed -B ${work} -DCMAKE_PREFIX_PATH=${prefix}
    -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_BUILD_TYPE=Release "-DCMAKE_CXX_FLAGS=${flags}")
run(${CMAKE_COMMAND} --build ${work})
run(${work}/embed)
if(NOT output MATCHES "loss before: [0-9.]+\nloss after: +[0-9.]+\n")
  message(FATAL_ERROR "embed printed:\n${output}")
endif()
string(REGEX REPLACE ".*loss before: ([0-9.]+)\n.*" "\\1" before "${output}")
string(REGEX REPLACE ".*loss after: +([0-9.]+)\n.*" "\\1" after "${output}")
if(NOT after LESS before)
  message(FATAL_ERROR "one training step did not lower the loss: ${before} -> ${after}")
endif()
file(STRINGS ${ROOT}/examples/embed/main.cpp lines)
list(LENGTH lines count)
if(count GREATER 60)
  message(FATAL_ERROR "examples/embed/main.cpp has ${count} lines; it promises fewer than 60")
endif()
message("${output}")
