// The benchmarks: every case runs on both devices, times are summed up as they say, what is absent
// is said, and the descriptions that cuDNN gets are ones that it takes.
#include <cmath>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/report.h"
#include "bench/rivals/cublas.h"
#include "bench/rivals/cudnn.h"
#include "bench/rivals/library.h"

namespace ktrain::bench {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr Sampling kOnce{.seconds = 0, .least = 1, .most = 1};

TEST(Cases, HaveNamesOfTheirOwnAndCoverEveryFamily) {
  std::set<std::string> names, families;
  for (const Case& of : cases()) {
    EXPECT_TRUE(names.insert(of.name()).second) << of.name() << " stands twice";
    families.insert(of.family);
  }
  for (const char* family : {"adamw",
                             "key_queue",
                             "mixed_sum",
                             "next_rows",
                             "queue_contrast",
                             "random_sign",
                             "sketch_blocks",
                             "anchors",
                             "assign",
                             "bce",
                             "bias_relu",
                             "box_codec",
                             "box_loss",
                             "clip",
                             "columns",
                             "concat_channels",
                             "conv2d",
                             "conv2d_bf16",
                             "conv2d_group",
                             "conv2d_group_bf16",
                             "count_sketch",
                             "cross_entropy",
                             "detections",
                             "elementwise",
                             "gate",
                             "gemm",
                             "gemm_bf16",
                             "gram",
                             "image_normalize",
                             "image_quality",
                             "info_nce",
                             "iou",
                             "l2_normalize",
                             "mean_pixels",
                             "mmd",
                             "nms",
                             "norm",
                             "pair_rows",
                             "pixel_gate",
                             "pool2d",
                             "proposals",
                             "random",
                             "reduce",
                             "roi_align",
                             "sample",
                             "sgd",
                             "softmax",
                             "targets",
                             "topk",
                             "upsample_add"})
    EXPECT_TRUE(families.count(family)) << "no case of " << family;
}

void run_all(const Lab& lab) {
  const Ceilings ceilings = measure_ceilings(lab, kOnce);
  EXPECT_GT(ceilings.copy, 0);
  EXPECT_GT(ceilings.product.at(Precision::kFloat), 0);
  for (const Case& of : cases()) {
    if (of.cuda_only && !lab.cuda()) continue;
    const Result result = measure(lab, of, ceilings, kOnce);
    EXPECT_EQ(result.error, "") << of.name();
    EXPECT_GT(result.bytes, 0) << of.name();
    EXPECT_GT(result.timing.median, 0) << of.name();
    EXPECT_GT(result.floor, 0) << of.name();
    for (const RivalResult& rival : result.rivals) {
      if (rival.name.starts_with("cu")) continue;  // a library that may not be here
      EXPECT_EQ(rival.absent, "") << of.name() << ": " << rival.name;
    }
  }
}

TEST(Cases, RunOnTheCpu) { run_all(Lab(Device::kCpu, 32)); }

TEST(Cases, RunOnCuda) { run_all(Lab(Device::kCuda, 256)); }

TEST(Measure, SumsUpByQuantiles) {
  const Timing t = summarize({5, 1, 3, 2, 4}, {7, 9, 8});
  EXPECT_EQ(t.median, 3);
  EXPECT_NEAR(t.p10, 1.4, 1e-12);
  EXPECT_NEAR(t.p90, 4.6, 1e-12);
  EXPECT_EQ(t.warm, 8);
  EXPECT_EQ(t.samples, 5);
  EXPECT_EQ(summarize({}, {7, 9, 8}).median, 8);  // the CPU
}

TEST(Measure, TakesTheSlowerCeiling) {
  Ceilings ceilings;
  ceilings.copy = 100;
  ceilings.product[Precision::kFloat] = 1000;
  Result result;
  result.bytes = 50;
  result.flops = 1000;
  result.timing.median = 2;
  set_floor(result, ceilings);
  EXPECT_EQ(result.floor, 1);
  EXPECT_TRUE(result.product_bound);
  EXPECT_EQ(result.share(), 0.5);
  result.bytes = 300;
  set_floor(result, ceilings);
  EXPECT_EQ(result.floor, 3);
  EXPECT_FALSE(result.product_bound);
  result.precision = Precision::kBf16;  // no such ceiling: by bytes alone
  result.bytes = 50;
  set_floor(result, ceilings);
  EXPECT_EQ(result.floor, 0.5);
}

// A case whose rival writes numbers of its own.
Case with_rival(float theirs) {
  return {"made", "up", "here", [theirs](const Lab& lab) {
            const Array<float> y = lab.make<float>(8);
            const auto write = [y](float value) {
              return [y, value] { std::fill_n(y.data(), y.size(), value); };
            };
            Job job;
            job.bytes = 8;
            job.run = write(1);
            job.rivals = {{"theirs", write(theirs), {}, false}};
            job.output = y;
            return job;
          }};
}

TEST(Measure, DoesNotTimeARivalThatComputesSomethingElse) {
  const Lab lab(Device::kCpu);
  EXPECT_EQ(measure(lab, with_rival(1.001f), {}, kOnce).rivals.at(0).absent, "");
  EXPECT_EQ(measure(lab, with_rival(1.001f), {}, kOnce).rivals.at(0).timing.samples, 1);
  const Result other = measure(lab, with_rival(1.1f), {}, kOnce);
  EXPECT_THAT(other.rivals.at(0).absent, HasSubstr("0.1 away from ours"));
  EXPECT_EQ(other.rivals.at(0).timing.samples, 0);
  EXPECT_THAT(measure(lab, with_rival(std::nanf("")), {}, kOnce).rivals.at(0).absent,
              HasSubstr("away from ours"));
}

TEST(Measure, KeepsTheErrorOfACase) {
  const Case broken{"made", "up", "here", [](const Lab&) -> Job { throw Error("no such thing"); }};
  EXPECT_EQ(measure(Lab(Device::kCpu), broken, {}, kOnce).error, "no such thing");
}

TEST(Report, NamesWhatIsAbsentAndWhatFailed) {
  Result good;
  good.family = "conv2d", good.op = "forward", good.shape = "P2";
  good.device = Device::kCuda;
  good.bytes = 1e6, good.flops = 2e9;
  good.timing = {1e-3, 0.9e-3, 1.1e-3, 0.8e-3, 30};
  good.floor = 0.5e-3, good.product_bound = true;
  good.rivals = {{"cuDNN float", {2e-3, 2e-3, 2e-3, 2e-3, 30}, {}},
                 {"cuDNN tf32", {}, "libcudnn.so.9 is not here"}};
  Result bad;
  bad.family = "nms", bad.op = "spread", bad.shape = "8 lists";
  bad.error = "it broke";
  const std::string text =
      markdown({"2026-01-02", "a GPU", "kt_bench", {"copy 1 GB/s."}}, {good, bad});
  EXPECT_THAT(text, HasSubstr("2026-01-02, a GPU (`kt_bench`).\ncopy 1 GB/s."));
  EXPECT_THAT(text,
              HasSubstr("| conv2d forward | P2 | 1000 us | 900 us to 1100 us | 800 us | 1.0 | "
                        "2000.0 | 0.50 product | cuDNN float 2000 us (2.00x) |"));
  EXPECT_THAT(text, HasSubstr("- not measured: forward P2, cuDNN tf32: libcudnn.so.9 is not here"));
  EXPECT_THAT(text, HasSubstr("- FAILED: nms spread 8 lists: it broke"));
  EXPECT_THAT(text, Not(HasSubstr("| nms")));
}

TEST(Rivals, SayWhyALibraryIsAbsent) {
  Library library({"libnot_there.so.7"});
  EXPECT_FALSE(library.loaded());
  EXPECT_THAT(library.reason(), HasSubstr("libnot_there.so.7 is not here"));
  int (*function)(int) = nullptr;
  library.find("abs", function);
  EXPECT_EQ(function, nullptr);
}

TEST(Rivals, SayWhichFunctionALibraryLacks) {
  Library library({"libm.so.6"});
  ASSERT_TRUE(library.loaded());
  EXPECT_THAT(library.path(), HasSubstr("libm.so.6"));
  double (*cosine)(double) = nullptr;
  library.find("cos", cosine);
  ASSERT_NE(cosine, nullptr);
  EXPECT_EQ(cosine(0), 1);
  library.find("no_such_function", cosine);
  EXPECT_EQ(cosine, nullptr);
  EXPECT_THAT(library.reason(), HasSubstr("has no no_such_function"));
}

// Whatever this machine has, the line names the library, and a reason where it cannot be used; a
// call then throws that reason.
TEST(Rivals, SayWhatCublasIs) {
  EXPECT_THAT(cublas_line(), HasSubstr("cuBLAS"));
  if (cublas_reason().empty()) GTEST_SKIP() << "cuBLAS works here";
  EXPECT_THAT(cublas_line(), HasSubstr(cublas_reason()));
  EXPECT_THROW(cublas_multiply(nullptr, {}), Error);
}

CudnnProblem problem(ConvPass pass, Precision precision) {
  return {.batch = 2,
          .height = 64,
          .width = 80,
          .channels = 256,
          .filters = 128,
          .taps = 3,
          .out_height = 32,
          .out_width = 40,
          .stride = 2,
          .pad = 1,
          .pass = pass,
          .precision = precision};
}

// Descriptions need the library, but no driver.
TEST(Rivals, DescribeConvolutionsThatCudnnTakes) {
  if (cudnn_line().find("absent") != std::string::npos) GTEST_SKIP() << cudnn_line();
  for (const ConvPass pass :
       {ConvPass::kForward, ConvPass::kBackwardData, ConvPass::kBackwardWeights})
    for (const Precision p : {Precision::kFloat, Precision::kBf16})
      EXPECT_EQ(check_cudnn_operation(problem(pass, p)), "") << static_cast<int>(pass) << name(p);
  CudnnProblem wrong = problem(ConvPass::kForward, Precision::kFloat);
  wrong.out_height = 33;
  EXPECT_NE(check_cudnn_operation(wrong), "") << "an output of the wrong height was taken";
}

TEST(Rivals, SayWhyCudnnHasNoPlan) {
  EXPECT_THAT(cudnn_line(), HasSubstr("cuDNN"));
  if (cudnn_reason().empty()) GTEST_SKIP() << "cuDNN works here";
  const Lab lab(Device::kCuda, 256);
  const CudnnRun run = prepare_cudnn(lab, problem(ConvPass::kForward, Precision::kFloat), {});
  EXPECT_FALSE(run.run);
  EXPECT_EQ(run.reason, cudnn_reason());
}

}  // namespace
}  // namespace ktrain::bench
