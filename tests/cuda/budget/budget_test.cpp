// The judge of kernels' registers: what it reads from the tools, and that it refuses.
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/cuda/budget/budget_table.h"

namespace ktrain {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kAdamw =
    "_ZN6ktrain4cuda40_GLOBAL__N__daa17100_8_adamw_cu_c5cb6d1412adamw_"
    "kernelEPKfS3_S3_lbPfS4_S4_";
constexpr const char* kTemplate =
    "_ZN6ktrain4cuda40_GLOBAL__N__daa17100_8_adamw_cu_c5cb6d1411copy_kernelILi4EEEvNS1_4CopyE";

std::string ptxas_log(const char* symbol, const char* arch, const char* frame, const char* used) {
  return std::string("ptxas info    : 0 bytes gmem\nptxas info    : Compiling entry function '") +
         symbol + "' for 'sm_" + arch + "'\nptxas info    : Function properties for " + symbol +
         "\n    " + frame + "\nptxas info    : Used " + used + "\nptxas info    : Compile time\n";
}

constexpr const char* kClean = "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads";

TEST(KernelUse, ReadsPtxas) {
  const auto uses = parse_ptxas(
      ptxas_log(kAdamw, "80", kClean, "40 registers, used 1 barriers, 4096 bytes smem, 4 bytes") +
      "warning: something else\n" +
      ptxas_log(kAdamw, "90a", "8 bytes stack frame, 16 bytes spill stores, 24 bytes spill loads",
                "255 registers, used 0 barriers"));
  ASSERT_EQ(uses.size(), 2u);
  EXPECT_EQ(uses[0].architecture, "80");
  EXPECT_EQ(uses[0].registers, 40);
  EXPECT_EQ(uses[0].shared, 4096);
  EXPECT_EQ(uses[0].stack + uses[0].spills, 0);
  EXPECT_EQ(uses[1].architecture, "90a");
  EXPECT_EQ(uses[1].registers, 255);
  EXPECT_EQ(uses[1].shared, 0);
  EXPECT_EQ(uses[1].stack, 8);
  EXPECT_EQ(uses[1].spills, 40);
}

// A function that is called rather than inlined has properties of its own, in the entry's name.
TEST(KernelUse, CountsTheStackOfCalledFunctions) {
  const std::string log =
      ptxas_log(kAdamw, "80", kClean, "40 registers") +
      "ptxas info    : Function properties for __internal_trig_reduction_slowpath\n"
      "    32 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n";
  EXPECT_EQ(parse_ptxas(log).at(0).stack, 32);
}

TEST(KernelUse, ReadsCuobjdump) {
  const auto uses = parse_cuobjdump(
      std::string("\nFatbin elf code:\n================\narch = sm_90a\ncode version = [1,8]\n"
                  "\nResource usage:\n Common:\n  GLOBAL:0 CONSTANT[4]:0\n Function ") +
      kAdamw +
      ":\n  REG:40 STACK:8 SHARED:1024 LOCAL:0 CONSTANT[0]:584 TEXTURE:0 SURFACE:0 SAMPLER:0\n");
  ASSERT_EQ(uses.size(), 1u);
  EXPECT_EQ(uses[0].architecture, "90a");
  EXPECT_EQ(uses[0].registers, 40);
  EXPECT_EQ(uses[0].shared, 1024);
  EXPECT_EQ(uses[0].stack, 8);
}

// Recorded: nvcc 13.0 -arch=sm_90a -Xptxas=-v, of a kernel that adds to its sums while they are
// multiplied.
constexpr const char* kSerialized =
    "ptxas info    : (C7519) warpgroup.arrive is injected in around line 232 by compiler to allow "
    "use of registers in GMMA in function '_ZN6ktrain17serialized_kernelEPfmm'\n"
    "ptxas info    : (C7517) warpgroup.wait is injected in around line 77 by compiler to allow use "
    "of registers defined by GMMA in function '_ZN6ktrain17serialized_kernelEPfmm'\n"
    "ptxas info    : (C7511) Potential Performance Loss: wgmma.mma_async instructions are "
    "serialized due to insufficient register resources for the wgmma pipeline in the function "
    "'_ZN6ktrain17serialized_kernelEPfmm'\n"
    "ptxas info    : 0 bytes gmem\n"
    "ptxas info    : Compiling entry function '_ZN6ktrain17serialized_kernelEPfmm' for 'sm_90a'\n"
    "ptxas info    : Function properties for _ZN6ktrain17serialized_kernelEPfmm\n"
    "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
    "ptxas info    : Used 58 registers, used 0 barriers\n"
    "ptxas info    : Compile time = 2550.616 ms\n";

TEST(KernelUse, ReadsThatWgmmaIsSerialized) {
  EXPECT_THAT(
      parse_losses(kSerialized),
      ElementsAre("(C7511) Potential Performance Loss: wgmma.mma_async instructions are "
                  "serialized due to insufficient register resources for the wgmma pipeline "
                  "in the function 'serialized_kernel'"));
  EXPECT_THAT(parse_losses(ptxas_log(kAdamw, "90a", kClean, "40 registers")), IsEmpty());
  for (const char* number : {"(C7510) ", "(C7512) ", "(C7513) ", "(C7514) ", ""})
    EXPECT_THAT(parse_losses(std::string("ptxas info    : ") + number +
                             "Potential Performance Loss: wgmma.mma_async instructions are "
                             "serialized due to ill formed pipeline stage in the function 'k'\n"),
                ElementsAre(HasSubstr("ill formed")));
}

TEST(KernelUse, NamesKernels) {
  EXPECT_EQ(kernel_name(kAdamw), "adamw_kernel");
  EXPECT_EQ(kernel_name(kTemplate), "copy_kernel<4>");
  EXPECT_EQ(kernel_name("plain_c"), "plain_c");
}

TEST(KernelUse, ReadsPtx) {
  const auto entries = parse_ptx(
      ".visible .entry one(\n.param .u64 p\n)\n.maxntid 16, 8, 1\n{\nret;\n}\n"
      ".entry two(\n)\n{\nwgmma.mma_async.sync;\n}\n.func three()\n{\nbar;\n}\n");
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries.at("one").threads, 128);
  EXPECT_EQ(entries.at("two").threads, 0);
  EXPECT_THAT(entries.at("two").body, HasSubstr("wgmma.mma_async"));
  EXPECT_THAT(entries.at("two").body, Not(HasSubstr("bar;")));
}

// By hand: 40 registers are 1280 a warp, 10240 a block of 256; six such blocks fit into 65536.
TEST(KernelUse, CountsResidentThreads) {
  EXPECT_EQ(resident_threads({"k", "80", 40, 0, 0, 0}, 256), 6 * 256);
  EXPECT_EQ(resident_threads({"k", "80", 41, 0, 0, 0}, 256), 5 * 256);
  EXPECT_EQ(resident_threads({"k", "75", 40, 0, 0, 0}, 256), 1024);
  EXPECT_EQ(resident_threads({"k", "80", 16, 40 << 10, 0, 0}, 128), 4 * 128);
  EXPECT_EQ(resident_threads({"k", "80", 16, 0, 0, 0}, 0), 0);
}

constexpr const char* kTable =
    "# comment\n\n"
    "adamw adamw_kernel 40/75:48 0 six blocks\n"
    "columns copy_kernel<4> 32 1024 four floats\n"
    "columns copy_kernel<*> 24 0 one float\n"
    "needs columns copy_kernel<4> 90a wgmma.mma_async\n";

std::vector<std::string> faults(const std::string& file, const std::vector<KernelUse>& uses) {
  return judge(parse_budget(kTable), file, uses, {}).faults;
}

TEST(Budget, HoldsRegistersByArchitecture) {
  EXPECT_THAT(faults("adamw", {{kAdamw, "80", 40, 0, 0, 0}, {kAdamw, "75", 48, 0, 0, 0}}),
              IsEmpty());
  EXPECT_THAT(faults("adamw", {{kAdamw, "80", 41, 0, 0, 0}}),
              ElementsAre(HasSubstr("uses 41 registers on sm_80, its budget is 40 (six blocks)")));
  EXPECT_THAT(faults("adamw", {{kAdamw, "75", 49, 0, 0, 0}}), ElementsAre(HasSubstr("is 48")));
}

TEST(Budget, RefusesLocalMemoryAndSharedMemory) {
  EXPECT_THAT(faults("adamw", {{kAdamw, "80", 40, 0, 0, 4}}), ElementsAre(HasSubstr("spills 4")));
  EXPECT_THAT(faults("adamw", {{kAdamw, "80", 40, 0, 8, 0}}),
              ElementsAre(HasSubstr("8 bytes of local memory")));
  EXPECT_THAT(faults("adamw", {{kAdamw, "80", 40, 16, 0, 0}}),
              ElementsAre(HasSubstr("16 bytes of shared memory")));
}

// Within its registers, without a spill, and yet one multiplication after the other.
TEST(Budget, RefusesSerializedWgmma) {
  const BudgetTable table = parse_budget("product serialized_kernel 64 0 two blocks\n");
  const std::vector<KernelUse> uses = parse_ptxas(kSerialized);
  EXPECT_THAT(judge(table, "product", uses, {}).faults, IsEmpty());
  EXPECT_THAT(judge(table, "product", uses, {}, parse_losses(kSerialized)).faults,
              ElementsAre(HasSubstr("product: ptxas says: (C7511) Potential Performance Loss")));
}

TEST(Budget, RefusesKernelsWithoutALineAndLinesWithoutAKernel) {
  EXPECT_THAT(faults("gate", {{kAdamw, "80", 40, 0, 0, 0}}), ElementsAre(HasSubstr("no line")));
  EXPECT_THAT(faults("adamw", {}), ElementsAre(HasSubstr("line 3")));
}

// 30 registers let eight blocks of 256 in; 32 are the most with which that is so.
TEST(Budget, ProposesALine) {
  const auto verdict = judge(parse_budget(""), "columns", {{kTemplate, "80", 30, 16, 0, 0}},
                             {{"80", {{kTemplate, {256, "body"}}}}});
  EXPECT_THAT(verdict.faults, ElementsAre(HasSubstr("columns copy_kernel 32 16 8 x 256: WHY")));
}

TEST(Budget, TakesTheFirstLineThatFits) {
  EXPECT_THAT(faults("columns", {{kTemplate, "80", 32, 1024, 0, 0}}),
              ElementsAre(HasSubstr("line 5")));  // nothing is left for the second
}

TEST(Budget, WantsInstructionsInThePtx) {
  const std::vector<KernelUse> uses = {{kTemplate, "90a", 32, 0, 0, 0}};
  const auto with = [&](const std::string& body) {
    return judge(parse_budget("columns copy_kernel 32 0 x\n"
                              "needs columns copy_kernel 90a wgmma.mma_async\n"),
                 "columns", uses, {{"90a", {{kTemplate, {128, body}}}}})
        .faults;
  };
  EXPECT_THAT(with("wgmma.mma_async.sync.aligned"), IsEmpty());
  EXPECT_THAT(with("mma.sync"), ElementsAre(HasSubstr("no wgmma.mma_async in its PTX for sm_90a")));
}

TEST(Budget, RefusesLinesItDoesNotUnderstand) {
  for (const char* line : {"adamw adamw_kernel 40 0", "adamw k x 0 why", "adamw k 40 -1 why",
                           "adamw k 75:40 0 why", "needs adamw k 90a"})
    EXPECT_THROW((void)parse_budget(line), std::runtime_error) << line;
}

}  // namespace
}  // namespace ktrain
