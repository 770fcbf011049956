#include "kernels/box_codec.h"

#include "kernels/check.h"
#include "kernels/parallel.h"

namespace ktrain::cpu {
namespace {

constexpr std::int64_t kGrain = 4096;

template <class A, class B, class C>
void check_boxes(const char* kernel, Rows<A> a, Rows<B> b, Rows<C> c) {
  KT_CHECK(a.cols == 4 && same_shape(a, b) && same_shape(a, c),
           "{}: shapes {}x{}, {}x{} and {}x{}, one number of rows of 4 wanted", kernel, a.rows,
           a.cols, b.rows, b.cols, c.rows, c.cols);
}

}  // namespace

template <class T>
void encode_boxes(Rows<const T> references, Rows<const T> boxes, Rows<T> deltas,
                  const BoxCoding& coding) {
  check_boxes("encode_boxes", references, boxes, deltas);
  parallel_for(boxes.rows, kGrain, [&](std::int64_t r) {
    encode_box(references.data + r * 4, boxes.data + r * 4, coding, deltas.data + r * 4);
  });
}

template <class T>
void decode_boxes(Rows<const T> references, Rows<const T> deltas, Rows<T> boxes,
                  const BoxCoding& coding) {
  check_boxes("decode_boxes", references, deltas, boxes);
  parallel_for(boxes.rows, kGrain, [&](std::int64_t r) {
    decode_box(references.data + r * 4, deltas.data + r * 4, coding, boxes.data + r * 4);
  });
}

template void encode_boxes(Rows<const float>, Rows<const float>, Rows<float>, const BoxCoding&);
template void encode_boxes(Rows<const double>, Rows<const double>, Rows<double>, const BoxCoding&);
template void decode_boxes(Rows<const float>, Rows<const float>, Rows<float>, const BoxCoding&);
template void decode_boxes(Rows<const double>, Rows<const double>, Rows<double>, const BoxCoding&);

}  // namespace ktrain::cpu
