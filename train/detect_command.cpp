#include "train/detect_command.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "kernels/parallel.h"
#include "runtime/fault.h"
#include "train/checkpoint.h"
#include "train/gpu_support.h"
#include "train/load_weights.h"
#include "train/metrics/results.h"
#include "train/model_options.h"
#include "train/pair_picture.h"
#include "train/plan_data.h"
#include "train/plan_load.h"
#include "train/run_state.h"
#include "train/validation.h"

namespace ktrain {
namespace {

struct Session {
  ResolvedPlan resolved;
  ContextPtr context = make_cpu_context();
  ParameterSet parameters;
  std::unique_ptr<TwoStreamDetector> detector;
};

std::unique_ptr<Session> open_session(const DetectOptions& options, std::ostream& out) {
  auto session = std::make_unique<Session>();
  session->resolved = load_plan(options.run + "/run.cfg", options.overrides);
  const Plan& plan = session->resolved.plan;
  set_num_threads(static_cast<int>(plan.threads));
  session->detector = std::make_unique<TwoStreamDetector>(session->context, detector_options(plan),
                                                          static_cast<std::uint64_t>(plan.seed),
                                                          session->parameters);
  const auto from =
      take_checkpoint(real_file_system(), options.run + "/weights", options.take, print_notice);
  if (!from)
    throw_fault("KT-CKPT-005",
                "{}/weights: no checkpoint '{}'; wanted best, last or epoch_N of a "
                "run that got so far",
                options.run, printable(options.take));
  LoadOptions detector_alone;  // what trained it beside its own losses detects nothing
  detector_alone.allow_unexpected = {"aux."};
  const LoadReport report = load_weights(*from, session->parameters, detector_alone);
  out << fmt::format("weights   {} (#{:.8}): {}\n", from->path(), from->payload_hash(),
                     report.summary());
  if (const std::string note = precision_note(plan.train.precision, Device::kCpu); !note.empty())
    out << "precision " << note << '\n';
  return session;
}

Image read_image(const std::filesystem::path& path) {
  const DataFolder folder(path.has_parent_path() ? path.parent_path() : ".");
  std::vector<std::uint8_t> bytes;
  folder.read(path.filename().string(), ImageLimits{}.max_file_bytes, bytes);
  const std::string name = path.string();
  return decode_image({name, bytes});
}

// "set00/V000/I00019" becomes "set00_V000_I00019.png".
std::string picture_name(std::string id) {
  std::replace(id.begin(), id.end(), '/', '_');
  return id + ".png";
}

struct Output {
  std::filesystem::path folder;
  std::vector<std::string> names;
  std::vector<metrics::Detections> found;

  void add(const Image& visible, const Image& thermal, const metrics::ImageTruth& truth,
           const metrics::Detections& detections, double score) {
    write_image(folder / picture_name(truth.name),
                draw_pair(visible, thermal, truth, detections, score));
    names.push_back(printable(truth.name, 300));
    found.push_back(detections);
  }
};

void detect_list(Session& session, const DetectOptions& options, Output& output) {
  const Plan& plan = session.resolved.plan;
  const DataFolder folder(plan.data.root);
  const PairIndex all =
      require_pairs(read_pairs(folder, pair_source(plan.data, options.role)), folder);
  PairIndex index;
  for (std::int64_t i = 0; i < all.size() && (options.limit == 0 || i < options.limit); ++i)
    index.add(all[i]);
  LoaderOptions loading = val_loader_options(plan);
  loading.batch = 1;
  Loader loader(index, folder, loading);
  BatchTensors tensors(session.context, 1, loader.padded_size(), loader.max_boxes());
  const auto found =
      *detect_all(*session.detector, loader, tensors, index.size(), [] { return false; });
  const auto truth = truth_of(index);
  for (std::int64_t i = 0; i < index.size(); ++i)
    output.add(read_pair_image(folder, index[i].visible), read_pair_image(folder, index[i].thermal),
               truth[static_cast<std::size_t>(i)], found[static_cast<std::size_t>(i)],
               options.score);
}

// A batch of one pair that no list names.
PairBatch batch_of(const Image& visible, const Image& thermal, Scale scale) {
  const Size original{visible.height, visible.width}, size = resized(original, scale),
                                                      room = padded(size);
  PairBatch batch;
  batch.batch = batch.count = batch.max_boxes = 1;
  batch.height = room.height;
  batch.width = room.width;
  for (const auto& [image, bytes] :
       {std::pair(&visible, &batch.visible), std::pair(&thermal, &batch.thermal)}) {
    const Image small = resize_bilinear(*image, size);
    bytes->resize(static_cast<std::size_t>(room.height * room.width * 3));
    for (int y = 0; y < size.height; ++y)
      std::copy_n(small.rgb.begin() + y * size.width * 3, size.width * 3,
                  bytes->begin() + y * room.width * 3);
  }
  batch.sizes = {size};
  batch.original_sizes = {original};
  batch.scale_x = {static_cast<float>(size.width) / static_cast<float>(original.width)};
  batch.scale_y = {static_cast<float>(size.height) / static_cast<float>(original.height)};
  batch.boxes = batch.ignored = std::vector<float>(4);
  batch.box_counts = batch.ignored_counts = {0};
  batch.indices = {0};
  return batch;
}

void detect_files(Session& session, const DetectOptions& options, Output& output) {
  const Image visible = read_image(options.visible), thermal = read_image(options.thermal);
  if (visible.width != thermal.width || visible.height != thermal.height)
    throw_fault("KT-DATA-012", "{} is {}x{}, {} is {}x{}; a pair has one size",
                options.visible.string(), visible.width, visible.height, options.thermal.string(),
                thermal.width, thermal.height);
  const PlanSize& size = session.resolved.plan.data.size;
  const PairBatch batch = batch_of(visible, thermal,
                                   {static_cast<int>(std::max(size.width, size.height)),
                                    static_cast<int>(std::min(size.width, size.height))});
  BatchTensors tensors(session.context, 1, {batch.height, batch.width}, 1);
  tensors.fill(batch);
  const auto found = detections_of(session.detector->predict(tensors.input()), 1);
  output.add(visible, thermal, {.name = options.visible.stem().string()}, found[0], options.score);
}

}  // namespace

int run_detect(const DetectOptions& options, std::ostream& out) {
  if (options.visible.empty() != options.thermal.empty())
    throw_fault("KT-CLI-001", "--visible and --thermal go together: a pair has two images");
  const std::unique_ptr<Session> session = open_session(options, out);
  Output output{
      options.out.empty() ? std::filesystem::path(options.run) / "detect" : options.out, {}, {}};
  std::error_code error;
  std::filesystem::create_directories(output.folder, error);
  if (error)
    throw_fault("KT-IO-001", "{}: {}; set --out to a folder that can be written",
                output.folder.string(), error.message());
  if (options.visible.empty())
    detect_list(*session, options, output);
  else
    detect_files(*session, options, output);
  const std::string categories[] = {"1"};
  std::vector<std::string> ids;
  for (const std::string& name : output.names) ids.push_back(nlohmann::json(name).dump());
  metrics::write_coco_results(output.folder / "detections.json", output.found, ids, categories);
  for (std::size_t i = 0; i < output.names.size(); ++i) {
    const auto& found = output.found[i];
    const auto drawn = std::count_if(found.begin(), found.end(), [&](const metrics::Detection& d) {
      return d.score >= options.score;
    });
    out << fmt::format("{:<24} {} boxes, {} with a score from {:g}\n", output.names[i],
                       found.size(), drawn, options.score);
  }
  out << fmt::format("pictures  {} in {}, numbers in detections.json\n", output.names.size(),
                     output.folder.string());
  return 0;
}

}  // namespace ktrain
