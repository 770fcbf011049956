#include "train/monitor/activations.h"

#include <algorithm>
#include <memory>

#include "kernels/parallel.h"

namespace ktrain {
namespace {

// "visible.backbone.conv1" becomes "visible.stem.conv1", "shared.backbone.layer1.0.conv1" in the
// thermal stream "thermal.layer1.0.conv1".
std::string layer_name(const std::string& stream, const std::string& convolution) {
  constexpr std::string_view kBackbone = "backbone.";
  const std::size_t at = convolution.find(kBackbone);
  KT_CHECK(at != std::string::npos, "activations: '{}' is in no backbone", convolution);
  const std::string rest = convolution.substr(at + kBackbone.size());
  return stream + (rest.starts_with("layer") ? "." : ".stem.") + rest;
}

void append(SampleMatrix& to, std::int64_t columns, std::span<const double> row) {
  KT_CHECK(to.rows == 0 || to.columns == columns, "activations: {} and {} columns", to.columns,
           columns);
  to.columns = columns;
  to.values.insert(to.values.end(), row.begin(), row.end());
  ++to.rows;
}

// A map where the host can read it: on a GPU a copy, for which it waits.
class HostMap {
 public:
  explicit HostMap(const Tensor& map) : view_(map.nhwc<float>()) {
    if (map.queue().device == Device::kCpu) return;
    copy_ = map.to_vector<float>();
    view_.data = copy_.data();
  }
  HostMap(const HostMap&) = delete;
  HostMap& operator=(const HostMap&) = delete;
  [[nodiscard]] const Nhwc<const float>& view() const { return view_; }

 private:
  std::vector<float> copy_;
  Nhwc<const float> view_;
};

struct Moments {
  std::vector<double> sum, squares;
};

Moments image_moments(const Nhwc<const float>& y, std::int64_t n, std::int64_t height,
                      std::int64_t width) {
  const auto channels = static_cast<std::size_t>(y.channels);
  Moments m{std::vector<double>(channels), std::vector<double>(channels)};
  for (std::int64_t h = 0; h < height; ++h)
    for (std::int64_t w = 0; w < width; ++w) {
      const float* const values = &y(n, h, w, 0);
      for (std::size_t c = 0; c < channels; ++c) {
        const double value = values[c];
        m.sum[c] += value;
        m.squares[c] += value * value;
      }
    }
  return m;
}

// Adds the mean over cell (i, j) of a grid x grid partition to `row`, channel by channel.
void append_cell(const Nhwc<const float>& y, std::int64_t n, std::array<std::int64_t, 4> cell,
                 std::vector<double>& row) {
  const auto [top, bottom, left, right] = cell;
  const std::size_t first = row.size();
  row.resize(first + static_cast<std::size_t>(y.channels));
  for (std::int64_t h = top; h < bottom; ++h)
    for (std::int64_t w = left; w < right; ++w)
      for (std::int64_t c = 0; c < y.channels; ++c)
        row[first + static_cast<std::size_t>(c)] += y(n, h, w, c);
  const auto positions = static_cast<double>((bottom - top) * (right - left));
  for (std::size_t i = first; i < row.size(); ++i) row[i] = static_cast<float>(row[i] / positions);
}

}  // namespace

void ActivationRecorder::begin(const PairBatch& batch, const DetectorInput& input) {
  batch_ = &batch;
  input_ = &input;
}

ActivationRecorder::Valid ActivationRecorder::valid(const Tensor& map, std::int64_t n) const {
  const Size size = batch_->sizes[static_cast<std::size_t>(n)];
  const auto part = [](std::int64_t cells, std::int64_t shown, std::int64_t padded) {
    return std::clamp<std::int64_t>((shown * cells + padded - 1) / padded, 1, cells);
  };
  return {part(map.size(1), size.height, batch_->height),
          part(map.size(2), size.width, batch_->width)};
}

void ActivationRecorder::convolution(const std::string& name, const Tensor& y) {
  const std::string layer = layer_name(stream_, name);
  const auto [place, is_new] = places_.emplace(layer, sums_.size());
  const auto channels = static_cast<std::size_t>(y.size(3));
  if (is_new)
    sums_.push_back({layer, 0, std::vector<double>(channels), std::vector<double>(channels)});
  Sums& sums = sums_[place->second];
  KT_CHECK(sums.sum.size() == channels, "activations: {} has {} channels, had {}", layer, channels,
           sums.sum.size());
  if (batch_->count == 0) return;
  const HostMap map(y);
  const Nhwc<const float>& view = map.view();
  std::vector<Moments> images(static_cast<std::size_t>(batch_->count));
  parallel_for(batch_->count, 1, [&](std::int64_t n) {
    const Valid part = valid(y, n);
    images[static_cast<std::size_t>(n)] = image_moments(view, n, part.height, part.width);
  });
  for (std::size_t n = 0; n < images.size(); ++n) {
    const Valid part = valid(y, static_cast<std::int64_t>(n));
    sums.count += part.height * part.width;
    for (std::size_t c = 0; c < channels; ++c) {
      sums.sum[c] += images[n].sum[c];
      sums.squares[c] += images[n].squares[c];
    }
  }
}

void ActivationRecorder::stage(std::string_view name, const Tensor& y) {
  if (depth_ == Depth::kEverything) add_rows(fmt::format("{}.{}", stream_, name), {&y, 1});
}

void ActivationRecorder::pyramid(std::span<const Tensor> levels) {
  if (depth_ != Depth::kEverything) return;
  add_rows(stream_ + ".neck", levels.first(kRoiLevels));
  add_boxes(levels);
}

void ActivationRecorder::add_rows(const std::string& group, std::span<const Tensor> maps) {
  const auto [place, is_new] = groups_.emplace(group, out_.features.size());
  if (is_new) out_.features.push_back({group, {}});
  SampleMatrix& rows = out_.features[place->second].rows;
  // One grid for all of them, no finer than the coarsest.
  const std::int64_t high = std::min(kDriftGrid, maps.back().size(1)),
                     wide = std::min(kDriftGrid, maps.back().size(2));
  if (batch_->count == 0) return;
  std::vector<std::unique_ptr<HostMap>> on_host;
  for (const Tensor& map : maps) on_host.push_back(std::make_unique<HostMap>(map));
  std::vector<double> row;
  for (std::int64_t n = 0; n < batch_->count; ++n)
    for (std::int64_t i = 0; i < high; ++i)
      for (std::int64_t j = 0; j < wide; ++j) {
        row.clear();
        for (std::size_t m = 0; m < maps.size(); ++m) {
          const Valid part = valid(maps[m], n);
          append_cell(on_host[m]->view(), n,
                      {i * part.height / high, ((i + 1) * part.height + high - 1) / high,
                       j * part.width / wide, ((j + 1) * part.width + wide - 1) / wide},
                      row);
        }
        append(rows, static_cast<std::int64_t>(row.size()), row);
      }
}

Tensor ActivationRecorder::features(std::span<const Tensor> levels, const PairRows& rows) const {
  if (heads_ == nullptr) {
    const Tensor pooled =
        roi_align({levels[0], levels[1], levels[2], levels[3]}, rows.rois, rows.image, 1);
    return pooled.viewed({pooled.size(0), pooled.size(3)});
  }
  Pyramid pyramid;
  KT_CHECK(levels.size() == pyramid.size(), "activations: {} levels", levels.size());
  std::copy(levels.begin(), levels.end(), pyramid.begin());
  return stream_ == "visible" ? heads_->visible(pyramid, rows) : heads_->thermal(pyramid, rows);
}

void ActivationRecorder::add_boxes(std::span<const Tensor> levels) {
  const bool images = heads_ != nullptr && heads_->options().level == PairLevel::kImage;
  const BoxTensor& boxes = input_->targets.boxes;
  const std::int64_t capacity = images ? 1 : boxes.boxes.size(1);
  PairRows rows;
  if (images) {
    rows = whole_image_rows(input_->sizes, input_->identity);
  } else {
    rows.rois = boxes.boxes.viewed({boxes.boxes.size(0) * capacity, 4});
    rows.image = image_of_rows(boxes);
  }
  const Tensor found = features(levels, rows);
  const std::vector<float> values = found.to_vector<float>();
  const std::int64_t channels = found.size(1);
  SampleMatrix& to = stream_ == "visible" ? out_.boxes.visible : out_.boxes.thermal;
  for (std::int64_t n = 0; n < batch_->count; ++n) {
    const auto slot = static_cast<std::size_t>(n);
    for (std::int64_t i = 0; i < (images ? 1 : batch_->box_counts[slot]); ++i) {
      const auto row = values.begin() + (n * capacity + i) * channels;
      append(to, channels, std::vector<double>(row, row + channels));
      // Once for both: streams see the same boxes in the same order.
      if (out_.boxes.pair.size() < static_cast<std::size_t>(to.rows))
        out_.boxes.pair.push_back(batch_->indices[slot]);
    }
  }
}

Activations ActivationRecorder::take() && {
  for (const Sums& sums : sums_) {
    LayerStatistics layer{sums.layer, {}};
    const auto count = static_cast<double>(sums.count);
    for (std::size_t c = 0; c < sums.sum.size(); ++c) {
      const double mean = sums.sum[c] / count;
      layer.channels.push_back({mean, std::max(0.0, sums.squares[c] / count - mean * mean)});
    }
    out_.layers.push_back(std::move(layer));
  }
  if (out_.boxes.visible.rows != out_.boxes.thermal.rows) out_.boxes = {};  // one stream alone
  return std::move(out_);
}

Activations measure_activations(const TwoStreamDetector& detector, Loader& anchors,
                                BatchTensors& tensors, Depth depth, const PairEmbedding* heads) {
  ActivationRecorder recorder(depth, heads);
  anchors.seek(0);
  for (std::int64_t step = 0; step < anchors.steps_per_epoch(); ++step) {
    const PairBatch& batch = anchors.next();
    tensors.fill(batch);
    recorder.begin(batch, tensors.input());
    detector.observe(tensors.input(), recorder);
  }
  return std::move(recorder).take();
}

}  // namespace ktrain
