# kt_rival_headers(target): the headers of cuBLAS and cuDNN where this machine has them. Their libraries
# are opened when the benchmarks run; what was built without a header says so there.
function(kt_rival_headers target)
  find_path(KT_CUBLAS_HEADERS cublas_v2.h HINTS ENV CUDA_HOME ENV CUDA_PATH /usr/local/cuda PATH_SUFFIXES include)
  find_path(KT_CUDNN_HEADERS cudnn.h HINTS ENV CUDA_HOME ENV CUDA_PATH /usr/local/cuda PATH_SUFFIXES include)
  foreach(headers KT_CUBLAS_HEADERS KT_CUDNN_HEADERS)
    if(${headers})
      target_include_directories(${target} SYSTEM PRIVATE ${${headers}})
    endif()
  endforeach()
  target_link_libraries(${target} PRIVATE ${CMAKE_DL_LIBS})
endfunction()
