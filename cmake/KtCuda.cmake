# KT_CUDA=ON: kt_kernels gets the CUDA kernels, with the run-time library linked statically, so that
# the same program runs where there is no driver.
include(KtCudaFlags)

set(CMAKE_CUDA_ARCHITECTURES ${KT_CUDA_ARCHITECTURES})
set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
enable_language(CUDA)
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # unknown to CMake 3.25
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
endif()

file(GLOB kt_cuda_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/*.cu
     ${PROJECT_SOURCE_DIR}/kernels/device/*.cu)
target_sources(kt_kernels PRIVATE ${kt_cuda_sources})
set_target_properties(kt_kernels PROPERTIES CUDA_STANDARD 20 CUDA_STANDARD_REQUIRED ON
                      CUDA_ARCHITECTURES "${KT_CUDA_ARCHITECTURES}")
target_compile_options(kt_kernels PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:${KT_CUDA_FLAGS}>")
list(JOIN KT_CUDA_ARCHITECTURES ", " kt_architectures_text)
set_source_files_properties(${PROJECT_SOURCE_DIR}/kernels/gpu.cu PROPERTIES
                            COMPILE_DEFINITIONS KT_CUDA_ARCHITECTURES="${kt_architectures_text}")

# kt_portable(target): may be taken to another machine together with the libraries that `cuda_carry`
# puts beside it.
function(kt_portable target)
  # An rpath that holds for libraries of libraries, too.
  target_link_options(${target} PRIVATE -Wl,--as-needed -Wl,--disable-new-dtags)
  set_target_properties(${target} PROPERTIES BUILD_RPATH "$ORIGIN")
  set_property(GLOBAL APPEND PROPERTY KT_PORTABLE ${target})
endfunction()

# cuda_carry: the folder <build>/carry with the programs that want a GPU, what they need beside a C
# library, and gpu_check.sh, which runs them all there. Configure with KT_NATIVE=OFF for a machine with another processor.
function(kt_carry_target)
  get_property(programs GLOBAL PROPERTY KT_PORTABLE)
  set(kt_carried_scripts ${PROJECT_SOURCE_DIR}/scripts/gpu_check.sh
      ${PROJECT_SOURCE_DIR}/bench/peers/torch_step.py)
  list(TRANSFORM programs REPLACE "(.+)" "$<TARGET_FILE:\\1>" OUTPUT_VARIABLE files)
  add_custom_target(cuda_carry
                    COMMAND ${CMAKE_COMMAND} "-DPROGRAMS=${files}" "-DSCRIPTS=${kt_carried_scripts}" -DTO=${PROJECT_BINARY_DIR}/carry
                            -P ${PROJECT_SOURCE_DIR}/cmake/carry.cmake
                    DEPENDS ${programs} VERBATIM)
  # The same in one file, a fifth of the size, for a machine that is far away.
  add_custom_target(cuda_archive COMMAND ${CMAKE_COMMAND} -E tar cJf carry.tar.xz carry
                    WORKING_DIRECTORY ${PROJECT_BINARY_DIR} VERBATIM)
  add_dependencies(cuda_archive cuda_carry)
endfunction()
