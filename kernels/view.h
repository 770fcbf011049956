// Views: plain data over memory that somebody else owns. Passed by value, never stored.
// All are dense and row-major; the last index named is the fastest. `View<T>` converts to
// `View<const T>`. Sizes are counts of elements, never bytes.
#pragma once

#include <array>
#include <cstdint>
#include <type_traits>

namespace ktrain {

// A flat run of `size` elements.
template <class T>
struct Span {
  T* data = nullptr;
  std::int64_t size = 0;

  [[nodiscard]] bool empty() const { return size == 0; }
  [[nodiscard]] T& operator[](std::int64_t i) const { return data[i]; }
  operator Span<const T>() const requires(!std::is_const_v<T>) { return {data, size}; }
};

// A matrix of `rows` x `cols`.
template <class T>
struct Rows {
  T* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;

  [[nodiscard]] std::int64_t size() const { return rows * cols; }
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] T& operator()(std::int64_t r, std::int64_t c) const { return data[r * cols + c]; }
  operator Rows<const T>() const requires(!std::is_const_v<T>) { return {data, rows, cols}; }
};

// A batch of images or feature maps, channels last: data[((n*height + h)*width + w)*channels + c].
template <class T>
struct Nhwc {
  T* data = nullptr;
  std::int64_t batch = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;

  [[nodiscard]] std::int64_t pixels() const { return batch * height * width; }
  [[nodiscard]] std::int64_t size() const { return pixels() * channels; }
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] T& operator()(std::int64_t n, std::int64_t h, std::int64_t w,
                              std::int64_t c) const {
    return data[((n * height + h) * width + w) * channels + c];
  }
  operator Nhwc<const T>() const requires(!std::is_const_v<T>) {
    return {data, batch, height, width, channels};
  }
};

// Convolution filters: `filters` outputs, `rows` x `cols` taps, `channels` inputs (KRSC).
template <class T>
struct Krsc {
  T* data = nullptr;
  std::int64_t filters = 0;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t channels = 0;

  [[nodiscard]] std::int64_t size() const { return filters * rows * cols * channels; }
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] T& operator()(std::int64_t k, std::int64_t r, std::int64_t s,
                              std::int64_t c) const {
    return data[((k * rows + r) * cols + s) * channels + c];
  }
  operator Krsc<const T>() const requires(!std::is_const_v<T>) {
    return {data, filters, rows, cols, channels};
  }
};

// One box list per image, padded to `capacity`; of image n the first counts[n] rows are real.
// A box is x1, y1, x2, y2 in pixels, x2 = x1 + width (no "+1" convention anywhere in kernels/).
template <class T>
struct BoxList {
  T* data = nullptr;                     // batch x capacity x 4
  const std::int32_t* counts = nullptr;  // batch
  std::int64_t batch = 0;
  std::int64_t capacity = 0;

  [[nodiscard]] T* box(std::int64_t n, std::int64_t i) const {
    return data + (n * capacity + i) * 4;
  }
  operator BoxList<const T>() const requires(!std::is_const_v<T>) {
    return {data, counts, batch, capacity};
  }
};

template <class A, class B>
[[nodiscard]] bool same_shape(Rows<A> a, Rows<B> b) {
  return a.rows == b.rows && a.cols == b.cols;
}

template <class A, class B>
[[nodiscard]] bool same_shape(Nhwc<A> a, Nhwc<B> b) {
  return a.batch == b.batch && a.height == b.height && a.width == b.width &&
         a.channels == b.channels;
}
template <class A, class B>
[[nodiscard]] bool same_shape(Krsc<A> a, Krsc<B> b) {
  return a.filters == b.filters && a.rows == b.rows && a.cols == b.cols && a.channels == b.channels;
}

}  // namespace ktrain
