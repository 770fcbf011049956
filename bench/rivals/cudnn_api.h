// What is used of cuDNN: its functions, and its descriptors as objects. Included where cudnn.h is.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <cudnn.h>

#include "bench/rivals/library.h"
#include "kernels/check.h"

namespace ktrain::bench {

struct CudnnApi {
  Library library{{"libcudnn.so.9", "libcudnn.so"}};
  decltype(cudnnGetVersion)* version = nullptr;
  decltype(cudnnGetErrorString)* error_text = nullptr;
  decltype(cudnnCreate)* create = nullptr;
  decltype(cudnnSetStream)* set_stream = nullptr;
  decltype(cudnnBackendCreateDescriptor)* create_descriptor = nullptr;
  decltype(cudnnBackendDestroyDescriptor)* destroy_descriptor = nullptr;
  decltype(cudnnBackendSetAttribute)* set_attribute = nullptr;
  decltype(cudnnBackendGetAttribute)* get_attribute = nullptr;
  decltype(cudnnBackendFinalize)* finalize = nullptr;
  decltype(cudnnBackendExecute)* execute = nullptr;

  CudnnApi() {
    library.find("cudnnGetVersion", version);
    library.find("cudnnGetErrorString", error_text);
    library.find("cudnnCreate", create);
    library.find("cudnnSetStream", set_stream);
    library.find("cudnnBackendCreateDescriptor", create_descriptor);
    library.find("cudnnBackendDestroyDescriptor", destroy_descriptor);
    library.find("cudnnBackendSetAttribute", set_attribute);
    library.find("cudnnBackendGetAttribute", get_attribute);
    library.find("cudnnBackendFinalize", finalize);
    library.find("cudnnBackendExecute", execute);
  }
  // Throws Error with what was done and the library's words.
  void check(cudnnStatus_t status, const char* what) const {
    KT_CHECK(status == CUDNN_STATUS_SUCCESS, "{}: {}", what, error_text(status));
  }
};

[[nodiscard]] CudnnApi& cudnn_api();

// A descriptor; copies share it.
class CudnnDescriptor {
 public:
  explicit CudnnDescriptor(cudnnBackendDescriptorType_t type) {
    cudnnBackendDescriptor_t made = nullptr;
    cudnn_api().check(cudnn_api().create_descriptor(type, &made), "cudnnBackendCreateDescriptor");
    held_ = {made, [](void* d) { (void)cudnn_api().destroy_descriptor(d); }};
  }
  [[nodiscard]] cudnnBackendDescriptor_t get() const { return held_.get(); }

  template <class T>
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                       const std::vector<T>& values) {
    cudnn_api().check(
        cudnn_api().set_attribute(get(), name, type, static_cast<std::int64_t>(values.size()),
                                  values.data()),
        fmt::format("cuDNN attribute {}", static_cast<int>(name)).c_str());
    return *this;
  }
  CudnnDescriptor& set(cudnnBackendAttributeName_t name, const CudnnDescriptor& of) {
    return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR,
               std::vector<cudnnBackendDescriptor_t>{of.get()});
  }
  CudnnDescriptor& finalize() {
    cudnn_api().check(cudnn_api().finalize(get()), "cudnnBackendFinalize");
    return *this;
  }

 private:
  std::shared_ptr<void> held_;
};

}  // namespace ktrain::bench
