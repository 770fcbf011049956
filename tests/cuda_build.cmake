# A whole build with CUDA, as for a machine with a GPU: configured, compiled, linked, gathered; says how long it took.
# What it made must start where there is no driver, too.
# cmake -DROOT=<project> -DWORK=<folder> -DCXX=<compiler> -DARCHITECTURES=<a,b> -DJOBS=<n> -P cuda_build.cmake
file(REMOVE_RECURSE ${WORK})
string(TIMESTAMP begin "%s")

include(${CMAKE_CURRENT_LIST_DIR}/run.cmake)

# A list would fall apart on its way through a command line.
string(REPLACE "," ";" list "${ARCHITECTURES}")
file(WRITE ${WORK}.cmake "set(KT_CUDA_ARCHITECTURES \"${list}\" CACHE STRING \"\")\n")
run(${CMAKE_COMMAND} -C ${WORK}.cmake -S ${ROOT} -B ${WORK} -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER=${CXX}
    -DKT_CUDA=ON -DKT_NATIVE=OFF)
run(${CMAKE_COMMAND} --build ${WORK} -j ${JOBS} --target ktrain)
string(TIMESTAMP program "%s")
run(${CMAKE_COMMAND} --build ${WORK} -j ${JOBS} --target cuda_carry)
string(TIMESTAMP all "%s")
run(${WORK}/carry/ktrain --version)
run(${WORK}/carry/test_cuda --gtest_brief=1 --gtest_filter=DeviceGraph.*:Elementwise*)
foreach(program dump_instructions kt_bench gpu_check.sh torch_step.py)
  if(NOT EXISTS ${WORK}/carry/${program})
    message(FATAL_ERROR "${WORK}/carry has no ${program}")
  endif()
endforeach()
math(EXPR ktrain_seconds "${program} - ${begin}")
math(EXPR all_seconds "${all} - ${begin}")
message("${ARCHITECTURES} with ${JOBS} jobs: ktrain after ${ktrain_seconds} s, with tests and benchmarks after ${all_seconds} s")
file(REMOVE_RECURSE ${WORK})
