# cmake -DNVCC=<nvcc> -DROOT=<project> -DFILE=<.cu> -DOUT=<object> -DCXX=<host compiler> -P: compiles a
# CUDA file for every architecture that is shipped, as a CUDA build does. No GPU is needed.
include(${ROOT}/cmake/KtCudaFlags.cmake)
execute_process(COMMAND ${NVCC} -std=c++20 -O3 -ccbin ${CXX} ${KT_CUDA_FLAGS} -I${ROOT}
                        -gencode arch=compute_80,code=sm_80 -gencode arch=compute_90a,code=sm_90a
                        -DKT_SOURCE_DIR="${ROOT}" -DKT_CUDA_ENABLED=1
                        -DKT_CUDA_ARCHITECTURES="80, 90a" -c ${ROOT}/${FILE} -o ${OUT}
                RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
message("${output}")
if(status)
  message(FATAL_ERROR "${FILE} does not compile for sm_80 and sm_90a")
endif()
