// Where the pieces of a slice stand in shared memory (product_mma.cuh): 16 bytes each, numbered. A
// slice is what a block takes of an operand at a time, four pieces of k. Shared memory has 32 banks
// of 4 bytes, eight pieces' worth; what is read or written at once must not meet in a bank, so that
// pieces are moved within their line by an exclusive or with a number that differs between the
// lines that are read together:
//
//   along k      a line per side, four pieces of k. Eight sides' pieces at one k are read at once
//                (ldmatrix): two lines are 128 bytes, so every other line moves.
//   along sides  a line per k, the sides in pieces. In bf16 eight lines' pieces of the same sides
//                are read at once (ldmatrix, transposed); in float, word by word, two neighbouring
//                pieces of four lines.
#pragma once

#include "kernels/bfloat16.h"
#include "kernels/host_device.h"

namespace ktrain::product {

constexpr int kPieceBytes = 16;
template <class T>
constexpr int kPieceOf = kPieceBytes / static_cast<int>(sizeof(T));

constexpr int kSlicePieces = 4;
template <class T>
constexpr int kSliceOf = kSlicePieces* kPieceOf<T>;  // elements of k

KT_HOST_DEVICE constexpr int piece_along_k(int side, int piece) {
  return side * kSlicePieces + (piece ^ (side >> 1 & 3));
}

// `per_line` pieces, a multiple of 8, are a line.
template <class T>
KT_HOST_DEVICE constexpr int piece_along_side(int k, int piece, int per_line) {
  return k * per_line + (piece ^ (sizeof(T) == 2 ? k & 7 : (k & 3) * 2));
}

// Where, in bytes, a lane's piece stands `blocks` of 16 sides and `steps` of two pieces of k
// further than `at`, which is the place of one whose side has zeros where 16 * blocks has bits and
// whose piece of k is one of the first two. Then nothing is carried, an addition is an exclusive
// or, which may change places with the layout's, and a lane needs no more than one number for all
// of a slice.
template <class T, bool kAlongK>
KT_HOST_DEVICE constexpr int further(int at, int blocks, int steps, int per_line) {
  if (kAlongK) return (at ^ steps * 2 * kPieceBytes) + blocks * 16 * kSlicePieces * kPieceBytes;
  return (at ^ blocks * 16 * static_cast<int>(sizeof(T))) +
         steps * 2 * kPieceOf<T> * per_line * kPieceBytes;
}

}  // namespace ktrain::product
