// A thin layer over oneDNN 2.6 and 3.x: the few primitives that the kernels use, with memory and
// scratch that belong to the caller.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <oneapi/dnnl/dnnl.hpp>

namespace ktrain::cpu::onednn {

using Desc = dnnl::memory::desc;
using Tag = dnnl::memory::format_tag;
using Dims = dnnl::memory::dims;

[[nodiscard]] const dnnl::engine& engine();
[[nodiscard]] Desc desc(const Dims& dims, Tag tag);
[[nodiscard]] Desc strided_desc(const Dims& dims, const Dims& strides);
// Attributes that every primitive here has: the caller's scratchpad, no reduced precision.
[[nodiscard]] dnnl::primitive_attr attributes();
void append_relu(dnnl::post_ops& ops);

// Floats that `desc` takes, rounded up so that the next buffer starts on a cache line.
[[nodiscard]] std::int64_t padded_floats(const Desc& desc);

// A created primitive with its memory handles. Buffers are bound for each run, so runs of one
// primitive take turns.
class Primitive {
 public:
  using Arguments = std::vector<std::pair<int, Desc>>;
  struct Buffer {
    int argument;
    const float* data;
  };

  Primitive(const dnnl::primitive& primitive, const Arguments& arguments, const Desc& scratchpad);
  [[nodiscard]] std::int64_t scratch_floats() const { return scratch_floats_; }
  // Every argument named at construction must be given.
  void run(std::initializer_list<Buffer> buffers, float* scratch) const;

 private:
  dnnl::primitive primitive_;
  std::vector<dnnl_exec_arg_t> bound_;
  std::vector<dnnl::memory> memories_;  // what bound_ points to
  std::int64_t scratch_floats_ = 0;
  mutable std::mutex mutex_;
};

[[nodiscard]] std::unique_ptr<Primitive> make_reorder(const Desc& from, const Desc& to);

struct Convolution {
  Dims x, w, y;  // logical: NCHW, OIHW, NCHW
  std::int64_t stride, pad;
};

[[nodiscard]] dnnl::convolution_forward::primitive_desc forward_desc(
    const Convolution& c, const std::array<Desc, 3>& x_w_y, const Desc& bias,
    const dnnl::primitive_attr& attr);
[[nodiscard]] dnnl::convolution_backward_data::primitive_desc backward_data_desc(
    const Convolution& c, const std::array<Desc, 3>& x_w_y);
[[nodiscard]] dnnl::convolution_backward_weights::primitive_desc backward_weights_desc(
    const Convolution& c, const std::array<Desc, 3>& x_w_y);
// `bias` may be a default-constructed Desc.
[[nodiscard]] dnnl::matmul::primitive_desc matmul_desc(const std::array<Desc, 3>& a_b_c,
                                                       const Desc& bias,
                                                       const dnnl::primitive_attr& attr);

// What was built for a key once is found again: creating a primitive generates code (milliseconds).
// Thread-safe. Values live until the process ends.
template <class Key, class Value>
class Cache {
 public:
  template <class Make>
  const Value& get(const Key& key, Make&& make) {
    const std::lock_guard lock(mutex_);
    auto& value = values_[key];
    if (!value) value = make();
    return *value;
  }

 private:
  std::mutex mutex_;
  std::map<Key, std::unique_ptr<Value>> values_;
};

}  // namespace ktrain::cpu::onednn
