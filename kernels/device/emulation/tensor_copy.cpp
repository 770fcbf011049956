#include "kernels/device/emulation/tensor_copy.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "kernels/device/emulation/access_check.h"
#include "kernels/device/emulation/block.h"
#include "kernels/device/emulation/mbarrier.h"
#include "kernels/device/emulation/memory.h"

namespace ktrain::emulation {
namespace {

using access_check::Kind;

constexpr std::uint32_t kTiles = 0x7411E5, kWindows = 0x3174D0;
constexpr int kElementBytes = 2, kPiece = 16, kPieceElements = kPiece / kElementBytes;

// What a TensorMap's words hold here.
struct Encoded {
  std::uint32_t kind;
  std::int32_t rank;
  const char* data;
  std::array<std::int32_t, 4> sizes;
  std::array<std::int64_t, 3> strides;
  std::array<std::int32_t, 3> box;  // of windows: channels, pixels
  std::array<std::int32_t, 2> lower, upper;
  std::int32_t stride;
};
static_assert(sizeof(Encoded) <= sizeof(TensorMap));

TensorMap words_of(const Encoded& e) {
  TensorMap map{};
  std::memcpy(map.words, &e, sizeof e);
  return map;
}

void require(bool holds, const char* what) {
  if (!holds) fail("tensor-copy", "a tensor map with {}", what);
}

void check_encoded(const Encoded& e) {
  const auto rank = static_cast<std::size_t>(e.rank);
  require(reinterpret_cast<std::uintptr_t>(e.data) % 16 == 0, "an address that 16 does not divide");
  for (std::size_t i = 0; i < rank; ++i) require(e.sizes[i] > 0, "a size below 1");
  for (std::size_t i = 0; i + 1 < rank; ++i)
    require(e.strides[i] > 0 && e.strides[i] % 16 == 0 && e.strides[i] < std::int64_t{1} << 40,
            "a stride that 16 does not divide, or out of range");
  require(e.box[0] > 0 && e.box[0] * kElementBytes % kPiece == 0 && e.box[0] <= kBoxLine,
          "a line that is not whole pieces of 16 bytes, up to 128 bytes");
  require(is_device_memory(e.data, 1), "an address outside every device allocation");
}

std::int32_t narrow(std::int64_t v) {
  require(v <= std::numeric_limits<std::int32_t>::max(), "a size of 2^31 or more");
  return static_cast<std::int32_t>(v);
}

// A copy on its way.
struct Copy {
  Encoded map;
  std::uint32_t to = 0;  // address in shared memory
  std::uint64_t* barrier = nullptr;
  Site site{};

  [[nodiscard]] unsigned bytes() const {
    const int lines = map.kind == kTiles ? map.box[1] * map.box[2] : map.box[1];
    return static_cast<unsigned>(map.box[0] * lines * kElementBytes);
  }
};

// One line of the box: elements from `first` on of those at `from`; all zeros when that is null.
void copy_line(const Copy& copy, int line, const char* from, int first) {
  const Encoded& m = copy.map;
  for (int i = 0; i < m.box[0]; i += kPieceElements) {
    const auto at = copy.to + static_cast<std::uint32_t>((line * m.box[0] + i) * kElementBytes);
    char* const to = static_cast<char*>(at_shared_address(swizzled_128(at)));
    access_check::touched_by_proxy(to, kPiece, Kind::kWrite, copy.site);
    std::memset(to, 0, kPiece);
    const int begin = std::clamp(-(first + i), 0, kPieceElements);
    const int end = std::clamp(m.sizes[0] - (first + i), 0, kPieceElements);
    if (!from || begin >= end) continue;
    const char* const source = from + std::int64_t{first + i + begin} * kElementBytes;
    const auto count = static_cast<std::size_t>((end - begin) * kElementBytes);
    if (!is_device_memory(source, count))
      fail("tensor-copy", "a source outside every device allocation at {}:{}", copy.site.file,
           copy.site.line);
    access_check::touched(source, count, Kind::kRead, copy.site);
    std::memcpy(to + begin * kElementBytes, source, count);
  }
}

bool inside(std::int64_t at, int size) { return at >= 0 && at < size; }

void copy_lines(const Copy& copy, std::array<int, 3> from) {
  const Encoded& m = copy.map;
  for (int z = 0; z < m.box[2]; ++z)
    for (int y = 0; y < m.box[1]; ++y) {
      const int row = from[1] + y, plane = from[2] + z;
      const bool exists = inside(row, m.sizes[1]) && inside(plane, m.sizes[2]);
      copy_line(copy, z * m.box[1] + y,
                exists ? m.data + row * m.strides[0] + plane * m.strides[1] : nullptr, from[0]);
    }
}

void copy_lines(const Copy& copy, const WindowPlace& place) {
  const Encoded& m = copy.map;
  int col = place.col, row = place.row, image = place.image;
  for (int pixel = 0; pixel < m.box[1]; ++pixel) {
    const int x = col + static_cast<int>(place.col_offset);
    const int y = row + static_cast<int>(place.row_offset);
    const bool exists = inside(x, m.sizes[1]) && inside(y, m.sizes[2]) && inside(image, m.sizes[3]);
    copy_line(
        copy, pixel,
        exists ? m.data + x * m.strides[0] + y * m.strides[1] + image * m.strides[2] : nullptr,
        place.channel);
    col += m.stride;
    if (col <= m.sizes[1] - 1 + m.upper[0]) continue;
    col = m.lower[0];
    row += m.stride;
    if (row <= m.sizes[2] - 1 + m.upper[1]) continue;
    row = m.lower[1];
    ++image;
  }
}

// Checks a copy, makes its destination nobody's, and leaves the rest for later.
template <class Place>
void start(void* shared, const TensorMap& map, std::uint64_t* barrier, std::uint32_t kind,
           const Place& place, Site site) {
  Copy copy;
  std::memcpy(&copy.map, map.words, sizeof copy.map);
  copy.to = shared_address(shared);
  copy.barrier = barrier;
  copy.site = site;
  const auto refuse = [site](const char* what) {
    fail("tensor-copy", "a tensor copy with {} at {}:{}", what, site.file, site.line);
  };
  if (copy.map.kind != kind) refuse("a map that is none, or of the other kind");
  if (copy.to % 128 != 0) refuse("a destination that 128 does not divide");
  if (!is_shared_memory(shared, copy.bytes())) refuse("a destination outside every shared array");
  check_barrier(barrier, site);
  access_check::touched_by_proxy(shared, copy.bytes(), Kind::kWrite, site);
  access_check::lost(shared, copy.bytes());
  std::memset(shared, 0xFF, copy.bytes());
  // An address that is this copy's alone orders its start before its arrival.
  const std::shared_ptr<char> clock = std::make_shared<char>();
  access_check::release(clock.get(), false);
  machine().jobs.emplace_back([copy, place, clock] {
    access_check::acquire(clock.get());
    copy_lines(copy, place);
    complete_bytes(copy.barrier, copy.bytes(), copy.site);
  });
  maybe_yield();
}

}  // namespace

TensorMap encode(const TileMap& t) {
  Encoded e{};
  e.kind = kTiles;
  e.rank = t.rank;
  e.data = static_cast<const char*>(t.data);
  e.sizes = {narrow(t.sizes[0]), narrow(t.sizes[1]), narrow(t.sizes[2]), 1};
  e.strides = {t.strides[0], t.strides[1], 0};
  e.box = t.box;
  require(e.rank == 2 || e.rank == 3, "a rank other than 2 or 3");
  require(e.rank == 3 || (e.sizes[2] == 1 && e.box[2] == 1), "a third dimension of rank 2");
  require(std::min(e.box[1], e.box[2]) > 0 && std::max(e.box[1], e.box[2]) <= 256,
          "a box of 0, or of more than 256, lines");
  check_encoded(e);
  return words_of(e);
}

TensorMap encode(const WindowMap& w) {
  Encoded e{};
  e.kind = kWindows;
  e.rank = 4;
  e.data = static_cast<const char*>(w.data);
  e.sizes = {narrow(w.channels), narrow(w.width), narrow(w.height), narrow(w.batch)};
  const std::int64_t pixel = w.channels * kElementBytes;
  e.strides = {pixel, pixel * w.width, pixel * w.width * w.height};
  e.box = {kBoxLine, w.pixels, 1};
  e.lower = w.lower;
  e.upper = w.upper;
  e.stride = w.stride;
  require(w.pixels > 0 && w.pixels <= 1024, "no pixels, or more than 1024");
  require(w.stride >= 1 && w.stride <= 8, "a stride outside 1 to 8");
  for (std::size_t i = 0; i < 2; ++i) {
    for (const int corner : {e.lower[i], e.upper[i]})
      require(corner >= -128 && corner <= 127, "a corner outside -128 to 127");
    require(e.lower[i] <= e.sizes[i + 1] - 1 + e.upper[i], "an empty box of windows");
  }
  check_encoded(e);
  return words_of(e);
}

void copy_tile(void* shared, const TensorMap& map, std::uint64_t* barrier,
               std::array<int, 3> coordinates, Site site) {
  start(shared, map, barrier, kTiles, coordinates, site);
}

void copy_windows(void* shared, const TensorMap& map, std::uint64_t* barrier,
                  const WindowPlace& place, Site site) {
  if (place.col_offset > 255 || place.row_offset > 255)
    fail("tensor-copy", "an offset of a window above 255 at {}:{}", site.file, site.line);
  start(shared, map, barrier, kWindows, place, site);
}

}  // namespace ktrain::emulation
