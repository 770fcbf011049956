#include "train/checkpoint_file.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/fault.h"
#include "tests/support/checkpoint_fixture.h"
#include "tests/support/simulated_disk.h"
#include "train/integrity.h"
#include "train/weights_checks.h"

namespace ktrain {
namespace {

using test::SimulatedDisk;
using test::StepArrays;
using ::testing::HasSubstr;

constexpr std::int64_t kStep = 7;

// The bytes of a checkpoint of kStep.
std::string good_file() {
  SimulatedDisk disk;
  (void)write_checkpoint_file(disk, "x", StepArrays(kStep).arrays(),
                              {{"step", std::to_string(kStep)}});
  return disk.content("x");
}

// Why a file is refused; "" when it is not.
std::string refusal(const std::string& bytes) {
  SimulatedDisk disk;
  disk.put("x", bytes);
  try {
    (void)verify_checkpoint_file(disk, "x");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::size_t header_end(const std::string& file) {
  return safetensors_header_end(std::as_bytes(std::span(file)), file.size());
}

TEST(CheckpointFile, ReadsBackWhatItWrote) {
  SimulatedDisk disk;
  disk.put("x", good_file());
  const LoadedCheckpoint loaded = read_checkpoint_file(disk, "x");
  EXPECT_TRUE(loaded.verified());
  EXPECT_EQ(loaded.step(), kStep);
  EXPECT_TRUE(test::holds_its_step(loaded));
  EXPECT_EQ(loaded.metadata("ktrain.filters"), "KRSC");
  EXPECT_FALSE(loaded.find(kIntegrityName).has_value());
  EXPECT_FALSE(loaded.find("head.bias").has_value());
  EXPECT_EQ(loaded.payload_hash().size(), 64u);
  // The file is whole safetensors, with the record at its end.
  const SafetensorsHeader header = read_checkpoint_header(disk, "x");
  EXPECT_EQ(header.entries.back().spec.name, kIntegrityName);
}

TEST(CheckpointFile, EqualContentsGiveEqualBytes) { EXPECT_EQ(good_file(), good_file()); }

TEST(CheckpointFile, LookupsSayWhatIsThereInstead) {
  SimulatedDisk disk;
  disk.put("x", good_file());
  const LoadedCheckpoint loaded = read_checkpoint_file(disk, "x");
  const auto message = [&](const ArraySpec& wanted) -> std::string {
    try {
      (void)loaded.bytes(wanted);
    } catch (const Fault& fault) {
      EXPECT_EQ(fault.id(), "KT-CKPT-003");
      return fault.what();
    }
    return "";
  };
  EXPECT_THAT(message({"head.weight", ArrayType::kF32, {20, 10}}),
              HasSubstr("'head.weight' is F32 [10, 20], wanted F32 [20, 10]"));
  EXPECT_THAT(message({"head.weight", ArrayType::kF64, {10, 20}}), HasSubstr("wanted F64"));
  EXPECT_THAT(message({"head.bias", ArrayType::kF32, {3}}), HasSubstr("no array 'head.bias'"));
  EXPECT_THROW((void)loaded.metadata("epoch"), Fault);
}

// C11.
TEST(CheckpointFile, EveryTruncationIsRefused) {
  const std::string file = good_file();
  ASSERT_EQ(refusal(file), "");
  for (std::size_t size = 0; size < file.size(); ++size)
    EXPECT_NE(refusal(file.substr(0, size)), "") << size;
  EXPECT_NE(refusal(file + '\0'), "");
}

// C10: each bit of the header and of the record at the end.
TEST(CheckpointFile, EveryBitFlipOfHeaderAndRecordIsRefused) {
  const std::string file = good_file();
  const std::size_t record = file.size() - integrity_bytes(200 * 4 + 17 * 4 + 8);
  for (std::size_t at = 0; at < file.size(); ++at) {
    if (at >= header_end(file) && at < record) continue;
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = file;
      damaged[at] = static_cast<char>(damaged[at] ^ 1 << bit);
      ASSERT_NE(refusal(damaged), "") << "byte " << at << " bit " << bit;
    }
  }
}

// C10: 20,000 bits of the arrays, and the range is named.
TEST(CheckpointFile, PayloadFlipsAreRefusedAndPlaced) {
  const std::string file = good_file();
  const std::size_t begin = header_end(file);
  std::mt19937 random(2);
  for (int round = 0; round < 20'000; ++round) {
    std::string damaged = file;
    const std::size_t at = begin + random() % (200 * 4 + 17 * 4 + 8);
    damaged[at] = static_cast<char>(damaged[at] ^ 1 << random() % 8);
    ASSERT_THAT(refusal(damaged), HasSubstr("array bytes 0 to 875 are damaged"));
  }
}

TEST(CheckpointFile, DamageIsPlacedToTheMebibyte) {
  SimulatedDisk disk;
  const std::vector<float> values((3 << 18) + 5, 1.0f);  // three chunks and a bit
  const std::vector<NamedArray> arrays = {
      named_array("w", {static_cast<std::int64_t>(values.size())}, std::span(values))};
  (void)write_checkpoint_file(disk, "x", arrays, {{"step", "1"}});
  std::string file = disk.content("x");
  const auto flipped = [&](std::size_t payload_at) {
    std::string damaged = file;
    damaged[header_end(file) + payload_at] ^= 4;
    return refusal(damaged);
  };
  EXPECT_EQ(refusal(file), "");
  EXPECT_THAT(flipped(0), HasSubstr("bytes 0 to 1048575 "));
  EXPECT_THAT(flipped((1 << 20) - 1), HasSubstr("bytes 0 to 1048575 "));
  EXPECT_THAT(flipped(1 << 20), HasSubstr("bytes 1048576 to 2097151 "));
  EXPECT_THAT(flipped((3 << 20) + 19), HasSubstr("bytes 3145728 to 3145747 "));
}

// Two changes that cancel in each CRC-32C would still meet the SHA-256 of the whole.
TEST(CheckpointFile, MutationsNeverCrashAndNeverPass) {
  const std::string file = good_file();
  std::mt19937 random(3);
  const auto below = [&](std::size_t n) { return random() % n; };
  for (int round = 0; round < 20'000; ++round) {
    std::string damaged = file;
    for (std::size_t edit = 0, edits = 1 + below(6); edit < edits && !damaged.empty(); ++edit) {
      const std::size_t at = below(damaged.size()), other = below(damaged.size());
      switch (below(6)) {
        case 0:
          damaged[at] = static_cast<char>(random());
          break;
        case 1:
          damaged[at] = static_cast<char>(damaged[at] ^ 1 << below(8));
          break;
        case 2:
          damaged.erase(at, 1 + below(9));
          break;
        case 3:
          damaged.insert(at, 1 + below(9), static_cast<char>(random()));
          break;
        case 4:
          std::swap(damaged[at], damaged[other]);
          break;
        default:
          damaged.resize(at);
      }
    }
    if (damaged == file) continue;
    ASSERT_NE(refusal(damaged), "") << "round " << round;
  }
}

TEST(CheckpointFile, SaysWhenItIsNotOurs) {
  const std::vector<float> one = {1.0f};
  const std::vector<NamedArray> arrays = {named_array("w", {1}, std::span(one))};
  const auto foreign = write_safetensors(arrays, {});
  const std::string bytes(reinterpret_cast<const char*>(foreign.data()), foreign.size());
  EXPECT_THAT(refusal(bytes), HasSubstr("without an integrity record"));
  SimulatedDisk disk;
  disk.put("w.safetensors", bytes);
  const LoadedCheckpoint weights = read_weights_file(disk, "w.safetensors");
  EXPECT_FALSE(weights.verified());
  EXPECT_TRUE(weights.find("w").has_value());
}

// C13: a form from the future is no damage and must not be taken for it.
TEST(CheckpointFile, NewerFormIsAFaultOfItsOwn) {
  std::string file = good_file();
  const std::string old_text = R"("ktrain.schema":"1")", new_text = R"("ktrain.schema":"2")";
  const std::size_t at = file.find(old_text);
  ASSERT_NE(at, std::string::npos);
  file.replace(at, old_text.size(), new_text);
  const auto bytes = std::as_bytes(std::span(file));
  const std::size_t end = header_end(file);
  const std::size_t payload = 200 * 4 + 17 * 4 + 8;
  IntegritySum sum(bytes.first(end));
  sum.update(bytes.subspan(end, payload));
  const auto record = sum.array();
  std::memcpy(file.data() + end + payload, record.data(), record.size());
  SimulatedDisk disk;
  disk.put("x", file);
  try {
    (void)read_checkpoint_file(disk, "x");
    FAIL();
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.id(), "KT-CKPT-002");
    EXPECT_THAT(fault.what(), HasSubstr("newer ktrain (form 2, this build reads up to 1)"));
  }
}

// P8, N6.
TEST(CheckpointFile, NonFiniteValuesAreNamed) {
  std::vector<float> values = {1.0f, 2.0f, 3.0f};
  std::vector<std::uint16_t> halves = {0x3C00, 0x7BFF};  // 1 and the largest
  const auto message = [&](ArrayType half) -> std::string {
    const std::vector<NamedArray> arrays = {named_array("average.w", {3}, std::span(values)),
                                            {{"h", half, {2}}, std::as_bytes(std::span(halves))}};
    try {
      check_finite(arrays);
    } catch (const Fault& fault) {
      EXPECT_EQ(fault.id(), "KT-NUM-020");
      return fault.what();
    }
    return "";
  };
  EXPECT_EQ(message(ArrayType::kF16), "");
  for (const float bad : {std::nanf(""), INFINITY, -INFINITY}) {
    values[1] = bad;
    EXPECT_THAT(message(ArrayType::kF16),
                HasSubstr("'average.w' (F32 [3]) is not finite at element 1"));
  }
  values[1] = std::numeric_limits<float>::max();
  EXPECT_EQ(message(ArrayType::kBF16), "");
  halves[1] = 0x7C00;
  EXPECT_THAT(message(ArrayType::kF16), HasSubstr("'h'"));
  EXPECT_EQ(message(ArrayType::kBF16), "");
  halves[1] = 0xFF80;
  EXPECT_THAT(message(ArrayType::kBF16), HasSubstr("'h'"));
}

// I11.
TEST(WeightsFile, OtherKindsAreRefusedWithARemedy) {
  const std::vector<std::pair<std::string, std::string>> kinds = {
      {std::string("PK\x03\x04\x14\0\0\0\x08\x08", 10), "zip archive (PyTorch"},
      {"\x80\x02\x8a\x0al\xfc\x9c"
       "F\xf9 j\xa8P\x19.",
       "Python pickle"},
      {std::string("\x80\x04\x95\x10\0\0\0\0\0\0\0", 11), "Python pickle"},
      {std::string(257, 'a') + "ustar" + std::string(300, '\0'), "tar archive"},
      {"\x89HDF\r\n\x1a\n", "HDF5"},
      {"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"},
      {"<!DOCTYPE html><html>", "web page"},
  };
  for (const auto& [bytes, says] : kinds) {
    SimulatedDisk disk;
    disk.put("r50.pth", bytes);
    try {
      (void)read_weights_file(disk, "r50.pth");
      FAIL() << says;
    } catch (const Fault& fault) {
      EXPECT_EQ(fault.id(), "KT-CKPT-004");
      EXPECT_EQ(fault.exit(), Exit::kCheckpoint);
      EXPECT_THAT(fault.what(), HasSubstr(says));
      EXPECT_THAT(fault.what(), HasSubstr("convert it elsewhere to safetensors"));
    }
  }
  // A header of 640 bytes begins as a pickle does.
  EXPECT_EQ(foreign_weights(std::as_bytes(std::span("\x80\x02\0\0\0\0\0\0{\"", 10))), "");
}

TEST(WeightsFile, MissingAndDamagedAreDifferentFaults) {
  SimulatedDisk disk;
  disk.put("bad", good_file().substr(0, 1000));
  for (const auto& [path, id] : std::vector<std::pair<std::string, std::string>>{
           {"none", "KT-CKPT-005"}, {"bad", "KT-CKPT-003"}}) {
    try {
      (void)read_weights_file(disk, path);
      FAIL() << path;
    } catch (const Fault& fault) {
      EXPECT_EQ(fault.id(), id);
    }
  }
}

}  // namespace
}  // namespace ktrain
