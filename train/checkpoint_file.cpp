#include "train/checkpoint_file.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <vector>

#include "runtime/fault.h"
#include "runtime/sha256.h"
#include "train/integrity.h"
#include "train/weights_checks.h"

namespace ktrain {
namespace {

constexpr std::uint64_t kPiece = kIntegrityChunk;
const std::string kSchemaKey = "ktrain.schema";

std::int64_t number_of(const Metadata& metadata, const std::string& key) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) throw Error(fmt::format("its metadata has no '{}'", key));
  const std::string& text = found->second;
  std::int64_t value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0)
    throw Error(fmt::format("its metadata has {} = '{}', not a number", key, printable(text)));
  return value;
}

std::vector<std::byte> read_head(const OpenFile& file, std::uint64_t file_bytes) {
  std::vector<std::byte> head(8);
  file.read(head.data(), std::min<std::uint64_t>(8, file_bytes), 0);
  head.resize(safetensors_header_end(head, file_bytes));
  file.read(head.data() + 8, head.size() - 8, 8);
  return head;
}

void check_schema(const std::string& path, const Metadata& metadata) {
  const std::int64_t schema = number_of(metadata, kSchemaKey);
  if (schema > kCheckpointSchema)
    throw_fault("KT-CKPT-002",
                "{}: it was written by a newer ktrain (form {}, this build reads up to {})", path,
                schema, kCheckpointSchema);
}

// Reads a whole file piece by piece, so that verifying takes little memory; `keep` (if any) is
// given room for all arrays. What is kept is what was verified, even if the file changes meanwhile.
CheckpointSummary read_file(FileSystem& files, const std::string& path, bool needs_integrity,
                            std::unique_ptr<std::byte[]>* keep) {
  const OpenFile file(files, files.open(path));
  const std::uint64_t file_bytes = files.size(file.get());
  const std::vector<std::byte> head = read_head(file, file_bytes);
  CheckpointSummary summary;
  summary.header = parse_safetensors(head, file_bytes);
  Sha256 head_hash;
  head_hash.update(head.data(), head.size());
  summary.header_hash = head_hash.hex();

  const auto& entries = summary.header.entries;
  const bool has_integrity = !entries.empty() && entries.back().spec.name == kIntegrityName;
  if (needs_integrity && !has_integrity) throw Error("it ends without an integrity record");
  const std::uint64_t data_bytes = file_bytes - head.size();
  const std::uint64_t payload = has_integrity ? entries.back().begin : data_bytes;
  if (has_integrity && data_bytes - payload != integrity_bytes(payload))
    throw Error("its integrity record has a wrong size");

  if (keep != nullptr) *keep = std::make_unique_for_overwrite<std::byte[]>(data_bytes);
  std::vector<std::byte> piece(keep != nullptr ? 0 : std::min(payload, kPiece));
  IntegritySum sum(head);
  for (std::uint64_t at = 0; at < payload; at += kPiece) {
    const std::uint64_t take = std::min(kPiece, payload - at);
    std::byte* const into = keep != nullptr ? keep->get() + at : piece.data();
    file.read(into, take, head.size() + at);
    if (has_integrity) sum.update({into, take});
  }
  if (has_integrity) {
    std::vector<std::byte> record(data_bytes - payload);
    file.read(record.data(), record.size(), head.size() + payload);
    if (const std::string damage = sum.difference(record); !damage.empty()) throw Error(damage);
    check_schema(path, summary.header.metadata);
    summary.payload_hash = sum.payload_hash();
  }
  return summary;
}

LoadedCheckpoint load(FileSystem& files, const std::string& path, bool needs_integrity) {
  std::unique_ptr<std::byte[]> data;
  CheckpointSummary summary = read_file(files, path, needs_integrity, &data);
  return {path, std::move(summary), std::move(data)};
}

// A disk that returns other bytes than it took has failed, whatever it reported.
CheckpointSummary read_back(FileSystem& files, const std::string& path, const std::string& hash) {
  std::string damage = "other contents than were written";
  try {
    CheckpointSummary summary = verify_checkpoint_file(files, path);
    if (summary.payload_hash == hash) return summary;
  } catch (const IoError&) {
    throw;
  } catch (const Error& error) {
    damage = error.what();
  }
  throw IoError(fmt::format("verify ({})", damage), path, EIO);
}

}  // namespace

LoadedCheckpoint::LoadedCheckpoint(std::string path, CheckpointSummary summary,
                                   std::unique_ptr<std::byte[]> data)
    : path_(std::move(path)), summary_(std::move(summary)), data_(std::move(data)) {}

const std::string& LoadedCheckpoint::metadata(const std::string& key) const {
  const auto found = metadata().find(key);
  if (found == metadata().end())
    throw_fault("KT-CKPT-003", "{}: no '{}' in the metadata", path_, key);
  return found->second;
}

std::int64_t LoadedCheckpoint::step() const try {
  return number_of(metadata(), "step");
} catch (const Error& error) {
  throw_fault("KT-CKPT-003", "{}: {}", path_, error.what());
}

std::vector<NamedArray> LoadedCheckpoint::arrays() const {
  std::vector<NamedArray> out;
  for (const auto& [spec, begin, end] : summary_.header.entries)
    if (spec.name != kIntegrityName) out.push_back({spec, {data_.get() + begin, end - begin}});
  return out;
}

std::optional<NamedArray> LoadedCheckpoint::find(std::string_view name) const {
  const SafetensorsEntry* const entry = summary_.header.find(name);
  if (entry == nullptr || name == kIntegrityName) return std::nullopt;
  return NamedArray{entry->spec, {data_.get() + entry->begin, entry->end - entry->begin}};
}

std::span<const std::byte> LoadedCheckpoint::bytes(const ArraySpec& wanted) const {
  const auto found = find(wanted.name);
  if (!found)
    throw_fault("KT-CKPT-003", "{}: no array '{}' ({})", path_, wanted.name, wanted.text());
  if (found->spec.type != wanted.type || found->spec.shape != wanted.shape)
    throw_fault("KT-CKPT-003", "{}: array '{}' is {}, wanted {}", path_, wanted.name,
                found->spec.text(), wanted.text());
  return found->bytes;
}

void LoadedCheckpoint::copy(const ArraySpec& wanted, std::span<std::byte> out) const {
  const std::span<const std::byte> found = bytes(wanted);
  KT_CHECK(found.size() == out.size(), "copy of '{}': {} bytes into {}", wanted.name, found.size(),
           out.size());
  std::copy(found.begin(), found.end(), out.begin());
}

CheckpointSummary write_checkpoint_file(FileSystem& files, const std::string& path,
                                        std::span<const NamedArray> arrays, Metadata metadata) {
  metadata["format"] = "ktrain";
  metadata["ktrain.filters"] = "KRSC";  // convolution filters: output, row, column, input
  metadata[kSchemaKey] = std::to_string(kCheckpointSchema);

  std::vector<ArraySpec> specs;
  std::uint64_t payload = 0;
  for (const NamedArray& array : arrays) {
    KT_CHECK(array.bytes.size() == array.spec.bytes(), "checkpoint: '{}' is {} but has {} bytes",
             array.spec.name, array.spec.text(), array.bytes.size());
    specs.push_back(array.spec);
    payload += array.bytes.size();
  }
  const auto record_bytes = static_cast<std::int64_t>(integrity_bytes(payload));
  specs.push_back({std::string(kIntegrityName), ArrayType::kU8, {record_bytes}});
  const SafetensorsPlan plan = plan_safetensors(specs, metadata, kIntegrityName);

  OpenFile file(files, files.create(path));
  files.reserve(file.get(), plan.file_bytes);
  file.write(plan.head.data(), plan.head.size());
  IntegritySum sum(std::as_bytes(std::span(plan.head)));
  for (const std::size_t i : std::span(plan.order).first(arrays.size())) {
    for (auto rest = arrays[i].bytes; !rest.empty();) {
      const auto piece = rest.first(std::min<std::size_t>(rest.size(), kPiece));
      file.write(piece.data(), piece.size());
      sum.update(piece);
      rest = rest.subspan(piece.size());
    }
  }
  const std::vector<std::byte> record = sum.array();
  file.write(record.data(), record.size());
  files.sync(file.get());
  file.close();

  return read_back(files, path, sum.payload_hash());
}

CheckpointSummary verify_checkpoint_file(FileSystem& files, const std::string& path) {
  return read_file(files, path, true, nullptr);
}

LoadedCheckpoint read_checkpoint_file(FileSystem& files, const std::string& path) {
  return load(files, path, true);
}

SafetensorsHeader read_checkpoint_header(FileSystem& files, const std::string& path) {
  const OpenFile file(files, files.open(path));
  const std::uint64_t file_bytes = files.size(file.get());
  return parse_safetensors(read_head(file, file_bytes), file_bytes);
}

LoadedCheckpoint read_weights_file(FileSystem& files, const std::string& path) {
  std::string kind;
  try {
    const OpenFile file(files, files.open(path));
    std::vector<std::byte> first(std::min<std::uint64_t>(512, files.size(file.get())));
    file.read(first.data(), first.size(), 0);
    kind = foreign_weights(first);
    if (kind.empty()) return load(files, path, false);
  } catch (const IoError& error) {
    if (error.code() == ENOENT)
      throw_fault("KT-CKPT-005", "{}: no such file; give a .safetensors file", path);
    throw_fault("KT-CKPT-003", "{}: {}", path, error.what());
  } catch (const Fault&) {
    throw;
  } catch (const Error& error) {
    throw_fault("KT-CKPT-003", "{}: {}; a safetensors file is wanted", path, error.what());
  }
  throw_fault("KT-CKPT-004",
              "{}: this is {}, which ktrain does not read; convert it elsewhere to safetensors "
              "(Python: safetensors.torch.save_file of its tensors)",
              path, kind);
}

}  // namespace ktrain
