#include "train/safetensors.h"

#include <cstring>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/check.h"

namespace ktrain {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Bytes = std::vector<std::byte>;

// A file with this header, unpadded, and `data_bytes` of zeros.
Bytes file_of(std::string_view json, std::size_t data_bytes) {
  const std::uint64_t length = json.size();
  Bytes file(8 + json.size() + data_bytes);
  std::memcpy(file.data(), &length, 8);
  std::memcpy(file.data() + 8, json.data(), json.size());
  return file;
}

SafetensorsHeader parse(const Bytes& file) { return parse_safetensors(file, file.size()); }

// Why a file is refused; "" when it is not.
std::string refusal(const Bytes& file) {
  try {
    (void)parse(file);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::string refusal(std::string_view json, std::size_t data_bytes) {
  return refusal(file_of(json, data_bytes));
}

const std::vector<float> kFloats = {1.0f, -2.0f, 0.5f, 0.0f, 3.0f, 4.0f};
const std::vector<std::int64_t> kCounts = {7};

Bytes sample_file() {
  const std::vector<NamedArray> arrays = {
      named_array("b.weight", {2, 3}, std::span(kFloats)),
      named_array("steps", {}, std::span(kCounts)),
      named_array("a.empty", {0, 5}, std::span<const float>()),
      {{"mask", ArrayType::kU8, {3}}, std::as_bytes(std::span("\1\2\3", 3))},
  };
  return write_safetensors(arrays, {{"format", "ktrain"}, {"note", "caf\xc3\xa9 \"q\"\n"}});
}

// The bytes that Python's `safetensors` 0.8.0 reads back as the arrays above.
TEST(Safetensors, GoldenBytes) {
  const std::string header = R"({"__metadata__":{"format":"ktrain","note":"caf\u00e9 \"q\"\n"},)"
                             R"("steps":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
                             R"("a.empty":{"dtype":"F32","shape":[0,5],"data_offsets":[8,8]},)"
                             R"("b.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[8,32]},)"
                             R"("mask":{"dtype":"U8","shape":[3],"data_offsets":[32,35]}})";
  const Bytes file = sample_file();
  const std::size_t padded = (header.size() + 7) / 8 * 8;
  ASSERT_EQ(file.size(), 8 + padded + 35);
  const std::string text(reinterpret_cast<const char*>(file.data()), file.size());
  EXPECT_EQ(text.substr(0, 2),
            std::string({static_cast<char>(padded & 255), static_cast<char>(padded >> 8)}));
  EXPECT_EQ(text.substr(2, 6), std::string(6, '\0'));
  EXPECT_EQ(text.substr(8, header.size()), header);
  EXPECT_EQ(text.substr(8 + header.size(), padded - header.size()),
            std::string(padded - header.size(), ' '));
  const std::string data(
      "\7\0\0\0\0\0\0\0"
      "\0\0\x80\x3f\0\0\0\xc0\0\0\0\x3f\0\0\0\0\0\0\x40\x40\0\0\x80\x40"
      "\1\2\3",
      35);
  EXPECT_EQ(text.substr(8 + padded), data);
}

TEST(Safetensors, ReadsBackWhatItWrote) {
  const Bytes file = sample_file();
  const SafetensorsHeader header = parse(file);
  EXPECT_EQ(header.metadata.at("note"), "caf\xc3\xa9 \"q\"\n");
  ASSERT_EQ(header.entries.size(), 4u);
  EXPECT_EQ(header.header_end % 8, 0u);
  const SafetensorsEntry* weight = header.find("b.weight");
  ASSERT_NE(weight, nullptr);
  EXPECT_THAT(weight->spec.shape, ElementsAre(2, 3));
  EXPECT_EQ(weight->spec.text(), "F32 [2, 3]");
  std::vector<float> values(6);
  std::memcpy(values.data(), file.data() + header.header_end + weight->begin, 24);
  EXPECT_EQ(values, kFloats);
  EXPECT_EQ(header.find("steps")->spec.shape.size(), 0u);
  EXPECT_EQ(header.find("b.weigh"), nullptr);
  EXPECT_EQ(header.find("zzz"), nullptr);
}

TEST(Safetensors, NamedLastComesLast) {
  const std::vector<ArraySpec> specs = {
      {"x", ArrayType::kF64, {1}}, {"a.sum", ArrayType::kF64, {1}}, {"y", ArrayType::kBool, {1}}};
  EXPECT_THAT(plan_safetensors(specs, {}, "a.sum").order, ElementsAre(0, 2, 1));
  EXPECT_THAT(plan_safetensors(specs, {}).order, ElementsAre(1, 0, 2));
}

TEST(Safetensors, WriterRefusesWhatTheReaderWould) {
  const std::vector<ArraySpec> twice = {{"x", ArrayType::kF32, {1}}, {"x", ArrayType::kF32, {1}}};
  EXPECT_THROW((void)plan_safetensors(twice, {}), Error);
  const std::vector<ArraySpec> control = {{"x\n", ArrayType::kF32, {1}}};
  EXPECT_THROW((void)plan_safetensors(control, {}), Error);
  const std::vector<ArraySpec> invalid = {{"x\xff", ArrayType::kF32, {1}}};
  EXPECT_THROW((void)plan_safetensors(invalid, {}), Error);
  const std::vector<ArraySpec> negative = {{"x", ArrayType::kF32, {-1}}};
  EXPECT_THROW((void)plan_safetensors(negative, {}), Error);
  const std::vector<NamedArray> sizes = {named_array("x", {5}, std::span(kFloats))};
  EXPECT_THROW((void)write_safetensors(sizes, {}), Error);
}

TEST(Safetensors, TypesAndTheirSizes) {
  const std::vector<std::pair<std::string, std::size_t>> types = {
      {"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8},
      {"I32", 4}, {"I16", 2}, {"I8", 1},  {"U8", 1},   {"BOOL", 1}};
  for (const auto& [type, bytes] : types) {
    const std::string json = fmt::format(
        R"({{"x":{{"dtype":"{}","shape":[3],"data_offsets":[0,{}]}}}})", type, 3 * bytes);
    EXPECT_EQ(refusal(json, 3 * bytes), "") << type;
    EXPECT_NE(refusal(json, 3 * bytes + 1), "") << type;
    EXPECT_EQ(type_name(parse(file_of(json, 3 * bytes)).entries[0].spec.type), type);
  }
}

TEST(Safetensors, EveryTruncationIsRefused) {
  const Bytes file = sample_file();
  for (std::size_t size = 0; size < file.size(); ++size)
    EXPECT_NE(refusal(Bytes(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size))), "")
        << size;
  EXPECT_EQ(refusal(file), "");
}

struct Crafted {
  const char* what;
  std::string json;
  std::size_t data_bytes;
  const char* says;
};

std::vector<Crafted> crafted_files() {
  const auto one = [](std::string_view fields) { return fmt::format(R"({{"x":{{{}}}}})", fields); };
  const auto two = [](int b1, int e1, int b2, int e2) {
    return fmt::format(R"({{"x":{{"dtype":"U8","shape":[{}],"data_offsets":[{},{}]}},)"
                       R"("y":{{"dtype":"U8","shape":[{}],"data_offsets":[{},{}]}}}})",
                       e1 - b1, b1, e1, e2 - b2, b2, e2);
  };
  const std::string deep(100'000, '[');
  return {
      {"overlap", two(0, 4, 2, 6), 6, "an overlap"},
      {"twice the same bytes", two(0, 4, 0, 4), 4, "an overlap"},
      {"gap", two(0, 4, 5, 6), 6, "a gap"},
      {"gap at the start", one(R"("dtype":"U8","shape":[4],"data_offsets":[1,5])"), 5, "a gap"},
      {"surplus", two(0, 4, 4, 6), 7, "surplus"},
      {"short", two(0, 4, 4, 6), 5, "truncated"},
      {"wrapping product",
       one(R"("dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0])"), 0, "overflow"},
      {"wrapping element size",
       one(R"("dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0])"), 0, "overflow"},
      {"extent over int64",
       one(R"("dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,0])"), 0, "too large"},
      {"extent over uint64",
       one(R"("dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,0])"), 0, "fraction"},
      {"negative extent", one(R"("dtype":"U8","shape":[-1],"data_offsets":[0,0])"), 0, "negative"},
      {"backwards", one(R"("dtype":"U8","shape":[0],"data_offsets":[4,0])"), 4, "cannot hold"},
      {"end far out",
       one(R"("dtype":"U8","shape":[0],"data_offsets":[18446744073709551615,18446744073709551615])"),
       0, "a gap"},
      {"wrong size", one(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])"), 4, "cannot hold"},
      {"fraction", one(R"("dtype":"U8","shape":[1.0],"data_offsets":[0,1])"), 1, "fraction"},
      {"infinite", one(R"("dtype":"U8","shape":[1e999],"data_offsets":[0,1])"), 1,
       "not valid JSON"},
      {"offsets of one", one(R"("dtype":"U8","shape":[],"data_offsets":[1])"), 1, "two numbers"},
      {"offsets of three", one(R"("dtype":"U8","shape":[],"data_offsets":[0,1,1])"), 1,
       "two numbers"},
      {"no dtype", one(R"("shape":[],"data_offsets":[0,1])"), 1, "must have"},
      {"no shape", one(R"("dtype":"U8","data_offsets":[0,1])"), 1, "must have"},
      {"unknown dtype", one(R"("dtype":"C64","shape":[],"data_offsets":[0,8])"), 8, "C64"},
      {"lower case dtype", one(R"("dtype":"f32","shape":[],"data_offsets":[0,4])"), 4, "f32"},
      {"unknown key", one(R"("dtype":"U8","shape":[],"data_offsets":[0,1],"z":1)"), 1, "'z'"},
      {"dtype twice", one(R"("dtype":"U8","dtype":"U8","shape":[],"data_offsets":[0,1])"), 1,
       "repeated"},
      {"name twice",
       R"({"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)"
       R"("x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
       0, "'x' is listed twice"},
      {"name twice, once escaped",
       R"({"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)"
       R"("\u0078":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
       0, "'x' is listed twice"},
      {"metadata twice", R"({"__metadata__":{},"__metadata__":{}})", 0, "listed twice"},
      {"metadata key twice", R"({"__metadata__":{"a":"1","a":"2"}})", 0, "listed twice"},
      {"metadata number", R"({"__metadata__":{"a":1}})", 0, "a number"},
      {"metadata list", R"({"__metadata__":["a"]})", 0, "a list"},
      {"metadata nested", R"({"__metadata__":{"a":{}}})", 0, "an object"},
      {"empty name", R"({"":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})", 0, "empty name"},
      {"escape in a name", R"({"a\u001b[2J":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})", 0,
       "control"},
      {"not UTF-8", "{\"a\xff\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0,
       "not valid JSON"},
      {"lone surrogate", R"({"\ud800":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})", 0,
       "not valid JSON"},
      {"long name",
       fmt::format(R"({{"{}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}}})",
                   std::string(513, 'n')),
       0, "513 bytes"},
      {"many dimensions",
       one(R"("dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,1])"), 1,
       "16 dimensions"},
      {"deep", R"({"x":)" + deep, 0, "a list"},
      {"deep in a shape", R"({"x":{"shape":)" + deep, 0, "a list"},
      {"a list", "[]", 0, "begin with '{'"},
      {"blank first", " {}", 0, "begin with '{'"},
      {"byte order mark", "\xef\xbb\xbf{}", 0, "begin with '{'"},
      {"comment", "{/* */}", 0, "not valid JSON"},
      {"text after the end", "{} {}", 0, "not valid JSON"},
      {"NUL padding", std::string("{}\0\0", 4), 0, "NUL"},
      {"nothing", "", 0, "begin with '{'"},
      {"half", R"({"x)", 0, "not valid JSON"},
  };
}

TEST(Safetensors, CraftedFilesAreRefused) {
  for (const auto& [what, json, data_bytes, says] : crafted_files())
    EXPECT_THAT(refusal(json, data_bytes), HasSubstr(says)) << what;
  EXPECT_EQ(refusal("{}  ", 0), "");
}

TEST(Safetensors, LimitsHoldBeforeAnythingIsAllocated) {
  Bytes eight(8);
  for (const std::uint64_t length :
       {std::uint64_t{(16 << 20) + 1}, std::uint64_t{100'000'000}, ~std::uint64_t{0}}) {
    std::memcpy(eight.data(), &length, 8);
    try {
      (void)safetensors_header_end(eight, ~std::uint64_t{0});
      FAIL() << length;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("the limit is 16777216"));
    }
  }
  std::string json = "{";
  for (int i = 0; i <= 65'536; ++i)
    json += fmt::format(R"({}"{}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
                        i > 0 ? "," : "", i);
  EXPECT_THAT(refusal(json + "}", 0), HasSubstr("more than 65536 arrays"));
}

// Any change of a few bytes is refused or gives a header whose ranges lie within the file.
TEST(Safetensors, TwentyThousandMutationsNeverCrash) {
  const Bytes seed = sample_file();
  std::mt19937 random(1);
  const auto below = [&](std::size_t n) { return random() % n; };
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    Bytes file = seed;
    for (std::size_t edit = 0, edits = 1 + below(4); edit < edits; ++edit) {
      const std::size_t at =
          below(below(4) == 0 ? file.size() : std::min(file.size(), std::size_t{340}));
      const auto where = file.begin() + static_cast<std::ptrdiff_t>(at);
      constexpr std::string_view kTokens = "{}[]\",:0129-.eE\\ ";
      switch (below(5)) {
        case 0:
          *where = static_cast<std::byte>(random());
          break;
        case 1:
          *where ^= static_cast<std::byte>(1u << below(8));
          break;
        case 2:
          *where = static_cast<std::byte>(kTokens[below(kTokens.size())]);
          break;
        case 3:
          file.erase(where);
          break;
        default:
          file.insert(where, static_cast<std::byte>(kTokens[below(kTokens.size())]));
      }
      if (file.empty()) file.push_back({});
    }
    try {
      const SafetensorsHeader header = parse(file);
      ++accepted;
      for (const auto& [spec, begin, end] : header.entries) {
        ASSERT_LE(begin, end);
        ASSERT_LE(header.header_end + end, file.size());
        ASSERT_EQ(spec.bytes(), end - begin);
      }
    } catch (const Error&) {
    }
  }
  EXPECT_GT(accepted, 100);  // flips of the data and of names
}

}  // namespace
}  // namespace ktrain
