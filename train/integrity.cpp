#include "train/integrity.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "runtime/crc32c.h"

namespace ktrain {
namespace {

constexpr std::uint8_t kMagic[8] = {'K', 'T', 'S', 'U', 'M', 0, 0, 1};
constexpr std::size_t kHeadHashAt = 24, kPayloadHashAt = 56, kChunksAt = 88;

std::uint64_t num_chunks(std::uint64_t payload_bytes) {
  return payload_bytes / kIntegrityChunk + (payload_bytes % kIntegrityChunk != 0);
}

template <class T>
T load(std::span<const std::byte> bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

}  // namespace

std::uint64_t integrity_bytes(std::uint64_t payload_bytes) {
  return kChunksAt + 4 * num_chunks(payload_bytes) + 4;
}

IntegritySum::IntegritySum(std::span<const std::byte> head) {
  head_.update(head.data(), head.size());
}

void IntegritySum::update(std::span<const std::byte> payload) {
  payload_.update(payload.data(), payload.size());
  while (!payload.empty()) {
    const std::uint64_t filled = payload_bytes_ % kIntegrityChunk;
    if (filled == 0) chunks_.push_back(0);
    const std::size_t take = std::min<std::size_t>(payload.size(), kIntegrityChunk - filled);
    chunks_.back() = crc32c(payload.data(), take, chunks_.back());
    payload_bytes_ += take;
    payload = payload.subspan(take);
  }
}

std::vector<std::byte> IntegritySum::array() const {
  std::vector<std::byte> out;
  out.reserve(integrity_bytes(payload_bytes_));
  const auto append = [&](const void* data, std::size_t size) {
    const auto* bytes = static_cast<const std::byte*>(data);
    out.insert(out.end(), bytes, bytes + size);
  };
  append(kMagic, sizeof kMagic);
  append(&payload_bytes_, 8);
  append(&kIntegrityChunk, 8);
  append(head_.digest().data(), 32);
  append(payload_.digest().data(), 32);
  append(chunks_.data(), 4 * chunks_.size());
  const std::uint32_t self = crc32c(out.data(), out.size());
  append(&self, 4);
  return out;
}

std::string IntegritySum::difference(std::span<const std::byte> found) const {
  const std::vector<std::byte> wanted = array();
  if (found.size() != wanted.size())
    return fmt::format("the integrity record has {} bytes, {} expected", found.size(),
                       wanted.size());
  const std::size_t body = wanted.size() - 4;
  if (load<std::uint32_t>(found, body) != crc32c(found.data(), body))
    return "the integrity record itself is damaged";
  const auto differs = [&](std::size_t from, std::size_t to) {
    return !std::equal(found.begin() + static_cast<std::ptrdiff_t>(from),
                       found.begin() + static_cast<std::ptrdiff_t>(to),
                       wanted.begin() + static_cast<std::ptrdiff_t>(from));
  };
  if (differs(0, kHeadHashAt)) return "the integrity record is of another form";
  if (differs(kHeadHashAt, kPayloadHashAt)) return "the header is damaged (SHA-256 differs)";
  for (std::size_t i = 0; i < chunks_.size(); ++i)
    if (differs(kChunksAt + 4 * i, kChunksAt + 4 * (i + 1)))
      return fmt::format("array bytes {} to {} are damaged (CRC-32C differs)", i * kIntegrityChunk,
                         std::min((i + 1) * kIntegrityChunk, payload_bytes_) - 1);
  if (differs(kPayloadHashAt, kChunksAt)) return "the arrays are damaged (SHA-256 differs)";
  return "";
}

}  // namespace ktrain
