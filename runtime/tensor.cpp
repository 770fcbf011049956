#include "runtime/tensor.h"

#include <cstring>

#include "kernels/check.h"
#include "kernels/device/memory.h"
#include "runtime/autograd.h"
#include "runtime/fault.h"

namespace ktrain {

namespace {

bool is_on_gpu(const Queue& queue) { return queue.device == Device::kCuda; }

// Work on bytes, which every device has: on a GPU by its copies, else by the host.
void set_bytes(const Queue& queue, const char* name, void* to, std::uint8_t value,
               std::int64_t bytes) {
  if (!is_on_gpu(queue))
    return run_on_cpu(queue, name,
                      [&] { std::memset(to, value, static_cast<std::size_t>(bytes)); });
  if (!queue.planning) fill_device(queue.stream, to, value, bytes);
}

void copy_bytes(const Queue& queue, const char* name, const void* from, void* to,
                std::int64_t bytes) {
  if (!is_on_gpu(queue))
    return run_on_cpu(queue, name, [&] { std::memcpy(to, from, static_cast<std::size_t>(bytes)); });
  if (!queue.planning) copy_on_device(queue.stream, from, to, bytes);
}

}  // namespace

// A block of a context's memory; gives it back when the last handle goes.
class Storage {
 public:
  Storage(ContextPtr context, std::int64_t bytes)
      : context_(std::move(context)),
        lane_(context_->lane),
        fork_(context_->forks),
        data_(context_->memory.allocate(bytes, MemoryUseScope::current())) {}
  ~Storage() { context_->memory.release(data_); }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  [[nodiscard]] const ContextPtr& context() const { return context_; }
  [[nodiscard]] std::byte* data() const { return static_cast<std::byte*>(data_); }
  [[nodiscard]] bool of_this_lane() const {
    return context_->lane == 0 || (lane_ == context_->lane && fork_ == context_->forks);
  }

 private:
  ContextPtr context_;
  int lane_;  // it was made in, and in which fork
  std::int64_t fork_;
  void* data_;
};

Tensor Tensor::empty(const ContextPtr& context, const Shape& shape, DType dtype) {
  KT_CHECK(context != nullptr, "Tensor: no context");
  const std::int64_t bytes = shape.size() * size_bytes(dtype);
  Tensor tensor;
  tensor.storage_ = std::make_shared<Storage>(context, bytes);
  tensor.shape_ = shape;
  tensor.dtype_ = dtype;
  if (context->poison) set_bytes(context->queue, "poison", tensor.storage_->data(), 0xFF, bytes);
  return tensor;
}

Tensor Tensor::zeros(const ContextPtr& context, const Shape& shape, DType dtype) {
  Tensor tensor = empty(context, shape, dtype);
  set_bytes(tensor.queue(), "zeros", tensor.storage_->data(), 0, shape.size() * size_bytes(dtype));
  return tensor;
}

template <class T>
Tensor Tensor::from(const ContextPtr& context, const Shape& shape, std::span<const T> values) {
  Tensor tensor = empty(context, shape, DTypeOf<T>::value);
  tensor.copy_from(values);
  return tensor;
}

Tensor Tensor::empty_like(const Tensor& other) {
  return empty(other.context(), other.shape_, other.dtype_);
}

const ContextPtr& Tensor::context() const {
  KT_CHECK(defined(), "Tensor: an undefined tensor was used");
  return storage_->context();
}

bool Tensor::unique() const { return storage_.use_count() == 1 && storage_->of_this_lane(); }

Queue& Tensor::queue() const { return context()->queue; }

void* Tensor::address(DType wanted) const {
  KT_CHECK(defined(), "Tensor: an undefined tensor was used");
  KT_CHECK(dtype_ == wanted, "Tensor {}: has the type {}, asked for {}", shape_.text(),
           name(dtype_), name(wanted));
  return storage_->data() + offset_bytes_;
}

template <class T>
Span<T> Tensor::mutable_span() {
  return {static_cast<T*>(address(DTypeOf<T>::value)), size()};
}

template <class T>
Rows<T> Tensor::mutable_rows() {
  T* const data = static_cast<T*>(address(DTypeOf<T>::value));
  if (shape_.rank() == 0) return {data, 1, 1};
  std::int64_t rows = 1;
  for (int axis = 0; axis + 1 < shape_.rank(); ++axis) rows *= shape_[axis];
  return {data, rows, shape_[-1]};
}

template <class T>
Nhwc<T> Tensor::mutable_nhwc() {
  KT_CHECK(shape_.rank() == 4, "Tensor {}: not a batch of feature maps (NHWC)", shape_.text());
  return {static_cast<T*>(address(DTypeOf<T>::value)), shape_[0], shape_[1], shape_[2], shape_[3]};
}

template <class T>
Krsc<T> Tensor::mutable_krsc() {
  KT_CHECK(shape_.rank() == 4, "Tensor {}: not a set of filters (KRSC)", shape_.text());
  return {static_cast<T*>(address(DTypeOf<T>::value)), shape_[0], shape_[1], shape_[2], shape_[3]};
}

// The views of const elements are those of mutable ones with const added; nothing is written here.
template <class T>
Span<const T> Tensor::span() const {
  return const_cast<Tensor*>(this)->mutable_span<T>();
}
template <class T>
Rows<const T> Tensor::rows() const {
  return const_cast<Tensor*>(this)->mutable_rows<T>();
}
template <class T>
Nhwc<const T> Tensor::nhwc() const {
  return const_cast<Tensor*>(this)->mutable_nhwc<T>();
}
template <class T>
Krsc<const T> Tensor::krsc() const {
  return const_cast<Tensor*>(this)->mutable_krsc<T>();
}

Tensor Tensor::viewed(const Shape& shape) const {
  KT_CHECK(shape.size() == size(), "Tensor {}: cannot be seen as {}", shape_.text(), shape.text());
  Tensor view = detached();
  view.shape_ = shape;
  return view;
}

Tensor Tensor::slice(std::int64_t begin, std::int64_t end) const {
  KT_CHECK(shape_.rank() >= 1 && begin >= 0 && begin <= end && end <= shape_[0],
           "Tensor {}: no rows [{}, {})", shape_.text(), begin, end);
  Tensor view = detached();
  const std::int64_t row_bytes = shape_[0] == 0 ? 0 : size() / shape_[0] * size_bytes(dtype_);
  view.offset_bytes_ += begin * row_bytes;
  switch (shape_.rank()) {
    case 1:
      view.shape_ = {end - begin};
      break;
    case 2:
      view.shape_ = {end - begin, shape_[1]};
      break;
    case 3:
      view.shape_ = {end - begin, shape_[1], shape_[2]};
      break;
    case 4:
      view.shape_ = {end - begin, shape_[1], shape_[2], shape_[3]};
      break;
    case 5:
      view.shape_ = {end - begin, shape_[1], shape_[2], shape_[3], shape_[4]};
      break;
    default:
      view.shape_ = {end - begin, shape_[1], shape_[2], shape_[3], shape_[4], shape_[5]};
  }
  return view;
}

Tensor Tensor::clone() const {
  Tensor copy = empty_like(*this);
  copy_bytes(queue(), "clone", storage_->data() + offset_bytes_, copy.storage_->data(),
             size() * size_bytes(dtype_));
  return copy;
}

Tensor Tensor::detached() const {
  Tensor same = *this;
  same.node_ = nullptr;
  return same;
}

template <class T>
std::vector<T> Tensor::to_vector() const {
  const Span<const T> view = span<T>();
  std::vector<T> values(static_cast<std::size_t>(view.size));
  read_bytes(std::as_writable_bytes(std::span(values)));
  return values;
}

void Tensor::read_bytes(std::span<std::byte> bytes) const {
  const std::byte* const from = storage_->data() + offset_bytes_;
  KT_CHECK(std::ssize(bytes) == size() * size_bytes(dtype_), "Tensor {}: {} bytes asked for",
           shape_.text(), bytes.size());
  if (!is_on_gpu(queue()))
    return run_on_cpu(queue(), "to_host", [&] { std::memcpy(bytes.data(), from, bytes.size()); });
  if (!queue().planning && !bytes.empty())
    copy_to_host(queue().stream, from, bytes.data(), std::ssize(bytes));
}

template <class T>
void Tensor::copy_from(std::span<const T> values) {
  const Span<T> view = mutable_span<T>();
  KT_CHECK(static_cast<std::int64_t>(values.size()) == view.size, "Tensor {}: {} values given",
           shape_.text(), values.size());
  if (!is_on_gpu(queue()))
    return run_on_cpu(queue(), "from_host",
                      [&] { std::memcpy(view.data, values.data(), values.size_bytes()); });
  if (queue().planning || values.empty()) return;
  copy_to_device(queue().stream, values.data(), view.data,
                 static_cast<std::int64_t>(values.size_bytes()));
  context()->stream->synchronize();  // `values` may go
}

void Tensor::check_on_host() const {
  if (is_on_gpu(queue()))
    throw_fault("KT-BUG-005", "the host wants to read a tensor {} that lies on the GPU",
                shape_.text());
}

template <class T>
Span<const T> Tensor::host_span() const {
  check_on_host();
  return span<T>();
}

template <class T>
Span<T> Tensor::mutable_host_span() {
  check_on_host();
  return mutable_span<T>();
}

float Tensor::item() const {
  KT_CHECK(size() == 1, "Tensor {}: item() wants exactly one element", shape_.text());
  return to_vector<float>()[0];
}

void Tensor::set_requires_grad(bool on) {
  KT_CHECK(defined() && dtype_ == DType::kF32, "Tensor: only float tensors have gradients");
  KT_CHECK(!node_ || node_->is_leaf(), "Tensor {}: a result's history cannot be switched",
           shape_.text());
  node_ = on ? make_leaf() : nullptr;
}

#define KT_INSTANTIATE(T)                                                               \
  template Tensor Tensor::from<T>(const ContextPtr&, const Shape&, std::span<const T>); \
  template Span<const T> Tensor::span<T>() const;                                       \
  template Rows<const T> Tensor::rows<T>() const;                                       \
  template Nhwc<const T> Tensor::nhwc<T>() const;                                       \
  template Krsc<const T> Tensor::krsc<T>() const;                                       \
  template Span<const T> Tensor::host_span<T>() const;                                  \
  template Span<T> Tensor::mutable_host_span<T>();                                      \
  template Span<T> Tensor::mutable_span<T>();                                           \
  template Rows<T> Tensor::mutable_rows<T>();                                           \
  template Nhwc<T> Tensor::mutable_nhwc<T>();                                           \
  template Krsc<T> Tensor::mutable_krsc<T>();                                           \
  template std::vector<T> Tensor::to_vector<T>() const;                                 \
  template void Tensor::copy_from<T>(std::span<const T>)
KT_INSTANTIATE(float);
KT_INSTANTIATE(std::int32_t);
KT_INSTANTIATE(std::uint8_t);
KT_INSTANTIATE(Bfloat16);
#undef KT_INSTANTIATE

}  // namespace ktrain
