// Every access to slices that a warp makes at once, bank by bank.
#include "kernels/device/slice_layout.h"

#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace ktrain::product {
namespace {

// Pieces that are touched at once, at most eight: do they stand in different eighths of the banks?
bool free_of_conflicts(const std::vector<int>& pieces) {
  std::set<int> eighths;
  for (const int piece : pieces) eighths.insert(piece % 8);
  return eighths.size() == pieces.size();
}

TEST(SliceLayout, EveryPieceHasAPlaceOfItsOwn) {
  for (const int sides : {64, 128}) {
    std::set<int> along_k, bf16, floats;
    for (int side = 0; side < sides; ++side)
      for (int piece = 0; piece < kSlicePieces; ++piece) along_k.insert(piece_along_k(side, piece));
    for (int k = 0; k < kSliceOf<Bfloat16>; ++k)
      for (int piece = 0; piece < sides / 8; ++piece)
        bf16.insert(piece_along_side<Bfloat16>(k, piece, sides / 8));
    for (int k = 0; k < kSliceOf<float>; ++k)
      for (int piece = 0; piece < sides / 4; ++piece)
        floats.insert(piece_along_side<float>(k, piece, sides / 4));
    for (const auto& places : {along_k, bf16, floats}) {
      EXPECT_EQ(places.size(), static_cast<std::size_t>(sides * kSlicePieces));
      EXPECT_EQ(*places.rbegin(), sides * kSlicePieces - 1);
    }
  }
}

TEST(SliceLayout, MatricesAreLoadedWithoutBankConflicts) {
  for (int first = 0; first < 128; first += 8)
    for (int piece = 0; piece < kSlicePieces; ++piece) {
      std::vector<int> rows;
      for (int i = 0; i < 8; ++i) rows.push_back(piece_along_k(first + i, piece));
      EXPECT_TRUE(free_of_conflicts(rows)) << first << ' ' << piece;
    }
  for (const int per_line : {8, 16})
    for (int first = 0; first < kSliceOf<Bfloat16>; first += 8)
      for (int piece = 0; piece < per_line; ++piece) {
        std::vector<int> rows;
        for (int i = 0; i < 8; ++i)
          rows.push_back(piece_along_side<Bfloat16>(first + i, piece, per_line));
        EXPECT_TRUE(free_of_conflicts(rows)) << first << ' ' << piece;
      }
}

// A register of a fragment of floats along their sides: lane's side lane / 4, k lane % 4.
TEST(SliceLayout, FloatsAlongSidesAreLoadedWithoutBankConflicts) {
  for (const int per_line : {16, 32})
    for (int first = 0; first < per_line * 4; first += 8)
      for (int k = 0; k < kSliceOf<float>; k += 4) {
        std::set<int> banks;
        for (int lane = 0; lane < 32; ++lane) {
          const int side = first + lane / 4;
          const int piece = piece_along_side<float>(k + lane % 4, side / 4, per_line);
          banks.insert((piece * 4 + side % 4) % 32);
        }
        EXPECT_EQ(banks.size(), 32u) << first << ' ' << k;
      }
}

// Eight neighbouring threads write a line's pieces in a row, or two lines' along k.
TEST(SliceLayout, PiecesAreWrittenWithoutBankConflicts) {
  for (int thread = 0; thread < 512; thread += 8) {
    std::vector<int> along_k, bf16, floats;
    for (int i = thread; i < thread + 8; ++i) {
      along_k.push_back(piece_along_k(i / kSlicePieces, i % kSlicePieces));
      bf16.push_back(piece_along_side<Bfloat16>(i / 16, i % 16, 16));
      floats.push_back(piece_along_side<float>(i / 32, i % 32, 32));
    }
    EXPECT_TRUE(free_of_conflicts(along_k)) << thread;
    EXPECT_TRUE(free_of_conflicts(bf16)) << thread;
    EXPECT_TRUE(free_of_conflicts(floats)) << thread;
  }
}

// further() against the places themselves, for warps of 32 and 64 sides.
template <class T>
void expect_further(int warp_sides, int blocks, int steps) {
  constexpr int kPerLine = 128 / kPieceOf<T>;
  for (int first = 0; first < 128; first += warp_sides)
    for (int lane_side = 0; lane_side < 16; ++lane_side)
      for (int piece = 0; piece < 2; ++piece) {
        const int side = first + lane_side, to = side + 16 * blocks;
        EXPECT_EQ((further<T, true>(kPieceBytes * piece_along_k(side, piece), blocks, steps, 0)),
                  kPieceBytes * piece_along_k(to, piece + 2 * steps));
        for (int k = piece * kPieceOf<T>; k < (piece + 1) * kPieceOf<T>; ++k)
          EXPECT_EQ(
              (further<T, false>(kPieceBytes * piece_along_side<T>(k, side / kPieceOf<T>, kPerLine),
                                 blocks, steps, kPerLine)),
              kPieceBytes *
                  piece_along_side<T>(k + 2 * kPieceOf<T> * steps, to / kPieceOf<T>, kPerLine));
      }
}

TEST(SliceLayout, ALaneFindsItsPiecesFromTheFirst) {
  for (const int warp_sides : {32, 64})
    for (int blocks = 0; blocks < warp_sides / 16; ++blocks)
      for (int steps = 0; steps < kSlicePieces / 2; ++steps) {
        expect_further<float>(warp_sides, blocks, steps);
        expect_further<Bfloat16>(warp_sides, blocks, steps);
      }
}

}  // namespace
}  // namespace ktrain::product
