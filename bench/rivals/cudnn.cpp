#include "bench/rivals/cudnn.h"

#if __has_include(<cudnn.h>)
#include <algorithm>
#include <array>
#include <limits>

#include "bench/rivals/cudnn_api.h"
#if KT_CUDA_ENABLED
#include "kernels/device/timer.h"
#endif

namespace ktrain::bench {

CudnnApi& cudnn_api() {
  static CudnnApi api;
  return api;
}

namespace {

enum TensorId : std::int64_t { kX = 1, kW = 2, kY = 3 };

struct Session {
  cudnnHandle_t handle = nullptr;
  std::string reason;

  Session() {
    reason = cudnn_api().library.reason();
    if (!reason.empty()) return;
    const cudnnStatus_t status = cudnn_api().create(&handle);
    if (status != CUDNN_STATUS_SUCCESS)
      reason = fmt::format("cudnnCreate: {}", cudnn_api().error_text(status));
  }
};

Session& session() {
  static Session opened;
  return opened;
}

// n, c, h, w of an array that lies as n, h, w, c.
CudnnDescriptor tensor(TensorId id, std::array<std::int64_t, 4> nchw, Precision precision) {
  const auto [n, c, h, w] = nchw;
  CudnnDescriptor made(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  made.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE,
           std::vector<cudnnDataType_t>{precision == Precision::kBf16 ? CUDNN_DATA_BFLOAT16
                                                                      : CUDNN_DATA_FLOAT})
      .set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, std::vector<std::int64_t>{n, c, h, w})
      .set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64,
           std::vector<std::int64_t>{h * w * c, 1, w * c, c})
      .set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, std::vector<std::int64_t>{id})
      .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, std::vector<std::int64_t>{16})
      .finalize();
  return made;
}

CudnnDescriptor convolution(const CudnnProblem& p) {
  const std::vector<std::int64_t> pads(2, p.pad), ones(2, 1), strides(2, p.stride);
  CudnnDescriptor made(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  made.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, std::vector<std::int64_t>{2})
      .set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE,
           std::vector<cudnnDataType_t>{CUDNN_DATA_FLOAT})
      .set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE,
           std::vector<cudnnConvolutionMode_t>{CUDNN_CROSS_CORRELATION})
      .set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, pads)
      .set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, pads)
      .set(CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, ones)
      .set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, strides)
      .finalize();
  return made;
}

struct Operation {
  CudnnDescriptor x, w, y, convolution, operation;
};

// The names that one of the three passes gives to its attributes.
struct PassNames {
  cudnnBackendDescriptorType_t type;
  cudnnBackendAttributeName_t x, w, y, convolution, alpha, beta;
};

PassNames names_of(ConvPass pass) {
  switch (pass) {
    case ConvPass::kForward:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
    case ConvPass::kBackwardData:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
    default:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
  }
}

Operation describe(const CudnnProblem& p) {
  const PassNames names = names_of(p.pass);
  Operation o{tensor(kX, {p.batch, p.channels, p.height, p.width}, p.precision),
              tensor(kW, {p.filters, p.channels, p.taps, p.taps}, p.precision),
              tensor(kY, {p.batch, p.filters, p.out_height, p.out_width}, p.precision),
              convolution(p), CudnnDescriptor(names.type)};
  o.operation.set(names.x, o.x)
      .set(names.w, o.w)
      .set(names.y, o.y)
      .set(names.convolution, o.convolution)
      .set(names.alpha, CUDNN_TYPE_FLOAT, std::vector<float>{1})
      .set(names.beta, CUDNN_TYPE_FLOAT, std::vector<float>{0})
      .finalize();
  return o;
}

}  // namespace

const std::string& cudnn_reason() { return session().reason; }

std::string cudnn_line() {
  const CudnnApi& api = cudnn_api();
  if (!api.library.loaded()) return "cuDNN: absent: " + api.library.reason();
  const std::size_t v = api.version ? api.version() : 0;
  const std::string text =
      fmt::format("cuDNN {}.{}.{} ({})", v / 10000, v / 100 % 100, v % 100, api.library.path());
  const std::string& reason = session().reason;
  return reason.empty() ? text : text + ": cannot be used: " + reason;
}

std::string check_cudnn_operation(const CudnnProblem& problem) {
  if (!cudnn_api().library.reason().empty()) return cudnn_api().library.reason();
  try {
    (void)describe(problem);
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

#if KT_CUDA_ENABLED

namespace {

constexpr std::size_t kMostPlans = 12;  // of the heuristics' offers, best first

// Whether a configuration's engine works in tensor cores, which in float means rounding to tf32.
bool rounds(const CudnnDescriptor& configuration) {
  CudnnDescriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t place = engine.get();
  std::int64_t count = 0;
  cudnn_api().check(cudnn_api().get_attribute(configuration.get(), CUDNN_ATTR_ENGINECFG_ENGINE,
                                              CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &place),
                    "cuDNN engine of a configuration");
  std::vector<cudnnBackendNumericalNote_t> notes(CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
  cudnn_api().check(cudnn_api().get_attribute(
                        engine.get(), CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                        CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &count, notes.data()),
                    "cuDNN numerical notes");
  return std::any_of(notes.begin(), notes.begin() + count, [](cudnnBackendNumericalNote_t note) {
    return note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE ||
           note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS;
  });
}

std::vector<CudnnDescriptor> offered(const Operation& operation, Precision precision) {
  CudnnDescriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation.operation)
      .set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE,
           std::vector<cudnnHandle_t>{session().handle})
      .finalize();
  std::vector<CudnnDescriptor> kept;
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    CudnnDescriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph)
        .set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE,
             std::vector<cudnnBackendHeurMode_t>{mode})
        .finalize();
    std::int64_t count = 0;
    cudnn_api().check(cudnn_api().get_attribute(heuristics.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                                CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count, nullptr),
                      "cuDNN heuristics");
    std::vector<CudnnDescriptor> found;
    std::vector<cudnnBackendDescriptor_t> places;
    for (std::int64_t i = 0; i < count; ++i) {
      found.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
      places.push_back(found.back().get());
    }
    if (count > 0)
      cudnn_api().check(
          cudnn_api().get_attribute(heuristics.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                    CUDNN_TYPE_BACKEND_DESCRIPTOR, count, &count, places.data()),
          "cuDNN heuristics");
    for (std::int64_t i = 0; i < count && kept.size() < kMostPlans; ++i) {
      const CudnnDescriptor& configuration = found[static_cast<std::size_t>(i)];
      if (precision == Precision::kFloat && rounds(configuration)) continue;
      kept.push_back(configuration);
    }
  }
  return kept;
}

struct Plan {
  CudnnDescriptor plan, pack;
  Array<std::byte> workspace;
};

Plan make_plan(const Lab& lab, const CudnnDescriptor& configuration, const CudnnArrays& arrays) {
  constexpr std::int64_t kMostWorkspace = std::int64_t{2} << 30;
  CudnnDescriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE,
           std::vector<cudnnHandle_t>{session().handle})
      .set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration)
      .finalize();
  std::int64_t bytes = 0, count = 0;
  cudnn_api().check(cudnn_api().get_attribute(plan.get(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                              CUDNN_TYPE_INT64, 1, &count, &bytes),
                    "cuDNN workspace");
  KT_CHECK(bytes <= kMostWorkspace, "a plan wants {} bytes of workspace", bytes);
  const Array<std::byte> workspace = lab.make<std::byte>(bytes);
  CudnnDescriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64,
           std::vector<std::int64_t>{kX, kW, kY})
      .set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR,
           std::vector<void*>{arrays.x, arrays.w, arrays.y})
      .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR,
           std::vector<void*>{workspace.data()})
      .finalize();
  return {plan, pack, workspace};
}

void execute(const Lab& lab, const Plan& plan) {
  cudnn_api().check(cudnn_api().set_stream(session().handle, lab.stream()), "cudnnSetStream");
  cudnn_api().check(cudnn_api().execute(session().handle, plan.plan.get(), plan.pack.get()),
                    "cudnnBackendExecute");
}

// Of four runs the last three.
double seconds_of(const Lab& lab, const Plan& plan) {
  GpuTimer timer;
  execute(lab, plan);
  timer.start(lab.stream());
  for (int run = 0; run < 3; ++run) execute(lab, plan);
  timer.stop(lab.stream());
  return timer.seconds() / 3;
}

}  // namespace

CudnnRun prepare_cudnn(const Lab& lab, const CudnnProblem& problem, const CudnnArrays& arrays) {
  if (!session().reason.empty()) return {{}, session().reason, {}};
  std::shared_ptr<Plan> best;
  double least = std::numeric_limits<double>::infinity();
  std::size_t tried = 0;
  std::string refused;
  try {
    const Operation operation = describe(problem);
    for (const CudnnDescriptor& configuration : offered(operation, problem.precision)) {
      try {
        const auto plan = std::make_shared<Plan>(make_plan(lab, configuration, arrays));
        const double seconds = seconds_of(lab, *plan);
        ++tried;
        if (seconds >= least) continue;
        least = seconds;
        best = plan;
      } catch (const Error& error) {  // heuristics offer plans that do not exist
        refused = error.what();
      }
    }
  } catch (const Error& error) {
    refused = error.what();
  }
  if (!best) return {{}, "no plan: " + (refused.empty() ? "none offered" : refused), {}};
  return {[best, &lab] { execute(lab, *best); },
          {},
          fmt::format("best of {} plans, {} bytes of workspace", tried, best->workspace.size())};
}

#else

CudnnRun prepare_cudnn(const Lab&, const CudnnProblem&, const CudnnArrays&) {
  return {{}, "this program was built without CUDA (KT_CUDA=OFF)", {}};
}

#endif

}  // namespace ktrain::bench

#else

namespace ktrain::bench {

const std::string& cudnn_reason() {
  static const std::string reason = "this program was built without cudnn.h";
  return reason;
}
std::string cudnn_line() { return "cuDNN: absent: " + cudnn_reason(); }
std::string check_cudnn_operation(const CudnnProblem&) { return cudnn_reason(); }
CudnnRun prepare_cudnn(const Lab&, const CudnnProblem&, const CudnnArrays&) {
  return {{}, cudnn_reason(), {}};
}

}  // namespace ktrain::bench

#endif
