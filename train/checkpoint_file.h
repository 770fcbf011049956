// One checkpoint: a safetensors file that any reader opens and that ours verifies to the last bit.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "train/file_system.h"
#include "train/safetensors.h"

namespace ktrain {

// The newest form that this build writes and reads, in the metadata as "ktrain.schema".
inline constexpr std::int64_t kCheckpointSchema = 1;

// What a file holds, read and verified but not kept.
struct CheckpointSummary {
  SafetensorsHeader header;
  std::string header_hash;   // SHA-256, hexadecimal
  std::string payload_hash;  // "" when the file has no integrity record
};

// A file's arrays in memory.
class LoadedCheckpoint {
 public:
  LoadedCheckpoint(std::string path, CheckpointSummary summary, std::unique_ptr<std::byte[]> data);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const Metadata& metadata() const { return summary_.header.metadata; }
  // The text under `key`; a Fault when there is none.
  [[nodiscard]] const std::string& metadata(const std::string& key) const;
  // Whether an integrity record stood in the file and agreed.
  [[nodiscard]] bool verified() const { return !summary_.payload_hash.empty(); }
  [[nodiscard]] const std::string& payload_hash() const { return summary_.payload_hash; }
  // Steps of training behind these arrays; a Fault when the file does not say.
  [[nodiscard]] std::int64_t step() const;

  // In the order of the file, without the integrity record. Valid as long as this object.
  [[nodiscard]] std::vector<NamedArray> arrays() const;
  [[nodiscard]] std::optional<NamedArray> find(std::string_view name) const;
  // The array of that name, type and shape; a Fault that says what is there instead.
  [[nodiscard]] std::span<const std::byte> bytes(const ArraySpec& wanted) const;
  // The same, copied to `out`; the sizes must agree.
  void copy(const ArraySpec& wanted, std::span<std::byte> out) const;

 private:
  std::string path_;
  CheckpointSummary summary_;
  std::unique_ptr<std::byte[]> data_;
};

// Writes, syncs, reads back and verifies a new file. IoError or Error on failure; the file may then
// be left in any state.
CheckpointSummary write_checkpoint_file(FileSystem& files, const std::string& path,
                                        std::span<const NamedArray> arrays, Metadata metadata);

// The reason for a refusal comes as an Error; reading stops before anything large is allocated when
// the header is bad.
[[nodiscard]] CheckpointSummary verify_checkpoint_file(FileSystem& files, const std::string& path);
[[nodiscard]] LoadedCheckpoint read_checkpoint_file(FileSystem& files, const std::string& path);
// The header alone, checked but not verified.
[[nodiscard]] SafetensorsHeader read_checkpoint_header(FileSystem& files, const std::string& path);

// Weights that a user names: a checkpoint, or a safetensors file of another program's, which is not
// verified. A Fault when the file is missing, damaged or of another kind, with the remedy.
[[nodiscard]] LoadedCheckpoint read_weights_file(FileSystem& files, const std::string& path);

}  // namespace ktrain
