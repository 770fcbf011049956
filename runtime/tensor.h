// A tensor: a handle on memory with a shape and a type.
//
// Copying a handle aliases; `clone()` copies the elements; `detached()` is the same memory without
// its history. Elements are dense and row-major (images NHWC, filters KRSC). A `const Tensor&`
// gives only views of const elements. Handles of one storage may be used by one thread at a time.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "kernels/check.h"
#include "kernels/view.h"
#include "runtime/context.h"
#include "runtime/dtype.h"
#include "runtime/shape.h"

namespace ktrain {

struct Node;
class Storage;

class Tensor {
 public:
  // Refers to nothing; `defined()` is false and everything else throws Error.
  Tensor() = default;

  // Elements are whatever the memory held (NaN bytes in a context with `poison`).
  [[nodiscard]] static Tensor empty(const ContextPtr& context, const Shape& shape,
                                    DType dtype = DType::kF32);
  [[nodiscard]] static Tensor zeros(const ContextPtr& context, const Shape& shape,
                                    DType dtype = DType::kF32);
  // A copy of host elements; there must be exactly shape.size() of them.
  template <class T>
  [[nodiscard]] static Tensor from(const ContextPtr& context, const Shape& shape,
                                   std::span<const T> values);
  // Same context, shape and type.
  [[nodiscard]] static Tensor empty_like(const Tensor& other);

  [[nodiscard]] bool defined() const { return storage_ != nullptr; }
  [[nodiscard]] const Shape& shape() const { return shape_; }
  [[nodiscard]] std::int64_t size(int axis) const { return shape_[axis]; }
  [[nodiscard]] std::int64_t size() const { return shape_.size(); }
  [[nodiscard]] DType dtype() const { return dtype_; }
  [[nodiscard]] const ContextPtr& context() const;
  [[nodiscard]] Queue& queue() const;

  // Flat, matrix (all axes but the last are rows; a scalar is 1x1), feature map and filter views.
  // Throw Error when the type or the rank does not fit.
  template <class T>
  [[nodiscard]] Span<const T> span() const;
  template <class T>
  [[nodiscard]] Rows<const T> rows() const;
  template <class T>
  [[nodiscard]] Nhwc<const T> nhwc() const;
  template <class T>
  [[nodiscard]] Krsc<const T> krsc() const;
  template <class T>
  [[nodiscard]] Span<T> mutable_span();
  template <class T>
  [[nodiscard]] Rows<T> mutable_rows();
  template <class T>
  [[nodiscard]] Nhwc<T> mutable_nhwc();
  template <class T>
  [[nodiscard]] Krsc<T> mutable_krsc();

  // The same elements for a loop on the host, which sees the memory of the CPU alone: Fault
  // KT-BUG-005 on a GPU, whose memory goes to kernels or comes by to_vector().
  template <class T>
  [[nodiscard]] Span<const T> host_span() const;
  template <class T>
  [[nodiscard]] Span<T> mutable_host_span();

  // The same memory under another shape of the same size, without history (ops.h has `reshape`).
  [[nodiscard]] Tensor viewed(const Shape& shape) const;
  // Rows [begin, end) of the first axis, the same memory, without history.
  [[nodiscard]] Tensor slice(std::int64_t begin, std::int64_t end) const;
  [[nodiscard]] Tensor clone() const;
  [[nodiscard]] Tensor detached() const;

  // Host copies; wait for the device.
  template <class T>
  [[nodiscard]] std::vector<T> to_vector() const;
  template <class T>
  void copy_from(std::span<const T> values);
  // All bytes, whatever their type, into `bytes`, of which there are as many. Waits.
  void read_bytes(std::span<std::byte> bytes) const;
  // The only element of a float tensor.
  [[nodiscard]] float item() const;

  // True when gradients flow through this tensor: a leaf made so, or a result of one.
  [[nodiscard]] bool requires_grad() const { return node_ != nullptr; }
  // Makes this handle (and its later copies) a leaf that gradients are taken for, or ends that.
  void set_requires_grad(bool on);
  [[nodiscard]] const std::shared_ptr<Node>& node() const { return node_; }

  // True when no other handle shares the memory, and work of no other lane may be reading it:
  // inside a fork (runtime/fork.h) only this lane's own new memory is so.
  [[nodiscard]] bool unique() const;
  [[nodiscard]] bool shares_memory(const Tensor& other) const { return storage_ == other.storage_; }

 private:
  friend Tensor with_node(Tensor tensor, std::shared_ptr<Node> node);
  [[nodiscard]] void* address(DType wanted) const;
  void check_on_host() const;

  std::shared_ptr<Storage> storage_;
  std::int64_t offset_bytes_ = 0;
  Shape shape_;
  DType dtype_ = DType::kF32;
  std::shared_ptr<Node> node_;
};

}  // namespace ktrain
