# cmake -DNVCC=<nvcc> -DROOT=<project> -DFILE=<.cu> -DOUT=<object> -DCXX=<host compiler>
#       -DARCHITECTURES=<80,90a> -DBUDGET=<kernel_budget> -P: compiles a CUDA file for every
# architecture as a CUDA build does, and holds what ptxas says of its kernels against the table of
# budgets. No GPU is needed.
include(${ROOT}/cmake/KtCudaFlags.cmake)
string(REPLACE "," ";" architectures "${ARCHITECTURES}")
get_filename_component(name ${FILE} NAME_WE)
set(keep ${OUT}.keep)
file(REMOVE_RECURSE ${keep})
file(MAKE_DIRECTORY ${keep})
foreach(architecture ${architectures})
  list(APPEND targets -gencode arch=compute_${architecture},code=sm_${architecture})
  list(APPEND ptx ${architecture}=${keep}/${name}.compute_${architecture}.ptx)
endforeach()
list(LENGTH architectures count)
if(count EQUAL 1)  # nvcc leaves the architecture out of the name
  set(ptx ${architectures}=${keep}/${name}.ptx)
endif()
execute_process(COMMAND ${NVCC} -std=c++20 -O3 -ccbin ${CXX} ${KT_CUDA_FLAGS} -Xptxas=-v -I${ROOT} ${targets}
                        --keep --keep-dir ${keep} -DKT_SOURCE_DIR="${ROOT}" -DKT_CUDA_ENABLED=1
                        -DKT_CUDA_ARCHITECTURES="${ARCHITECTURES}" -c ${ROOT}/${FILE} -o ${OUT}
                RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(status)
  message("${output}")
  message(FATAL_ERROR "${FILE} does not compile for sm_${ARCHITECTURES}")
endif()
file(WRITE ${OUT}.ptxas "${output}")
execute_process(COMMAND ${BUDGET} ${ROOT}/tests/cuda/kernel_budget.txt ${name} ${OUT}.ptxas ${ptx}
                RESULT_VARIABLE status OUTPUT_VARIABLE report ERROR_VARIABLE report)
message("${report}")
file(REMOVE_RECURSE ${keep})
if(status)
  message(FATAL_ERROR "${FILE}: its kernels do not keep to tests/cuda/kernel_budget.txt")
endif()
