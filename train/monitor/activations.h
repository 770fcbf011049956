// What one set of weights makes of the anchors: the numbers from which drift is computed.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/auxiliary/pair_embedding.h"
#include "models/observe.h"
#include "train/batch_tensors.h"
#include "train/monitor/representation.h"

namespace ktrain {

// The inputs of one normalisation: mean and variance of each channel over all positions of all
// anchors.
struct LayerStatistics {
  std::string layer;  // visible.stem.conv1, visible.layer1.0.conv1, ...
  std::vector<ChannelMoments> channels;
};

// Outputs of one part of a stream: a row per cell of a grid over each image, of at most
// kDriftGrid x kDriftGrid cells, each the mean over its positions, rounded to float.
struct FeatureRows {
  std::string group;  // visible.stem, visible.layer1 .. visible.layer4, visible.neck
  SampleMatrix rows;
};
inline constexpr std::int64_t kDriftGrid = 4;

// The annotated pedestrians, or whole images: a row for each in both streams.
struct BoxFeatures {
  SampleMatrix visible, thermal;
  std::vector<std::int64_t> pair;  // which anchor each row is of
};

struct Activations {
  std::vector<LayerStatistics> layers;  // in the order in which they are computed
  std::vector<FeatureRows> features;    // empty when only the layers were asked for
  BoxFeatures boxes;                    // empty with one stream, or when not asked for
};

enum class Depth : std::uint8_t { kLayers, kEverything };

// Collects them, batch by batch. Positions of padding and of empty slots do not count. Sums are in
// double, image by image, in an order that does not depend on the number of threads.
//
// A layer is named by the stream that passes through it, so that a backbone that serves both
// streams (shared.*) has one entry for each. The rows of visible.neck are the levels P2 to P5 side
// by side.
// Features of boxes are RoIAligned from the stream's own pyramid, before fusion, one bin a box;
// with `heads`, they are what these make of the boxes (or, at image level, of whole images), as the
// loss that trains them does with its regions.
class ActivationRecorder final : public ForwardObserver {
 public:
  explicit ActivationRecorder(Depth depth, const PairEmbedding* heads = nullptr)
      : depth_(depth), heads_(heads) {}

  // The next pass is over this batch, of which `input` holds the tensors. Of a batch without pairs
  // nothing is recorded, though the memory that it takes is taken.
  void begin(const PairBatch& batch, const DetectorInput& input);
  [[nodiscard]] Activations take() &&;

  void stream(std::string_view name) override { stream_ = name; }
  void convolution(const std::string& name, const Tensor& y) override;
  void stage(std::string_view name, const Tensor& y) override;
  void pyramid(std::span<const Tensor> levels) override;

 private:
  struct Sums {
    std::string layer;
    std::int64_t count = 0;
    std::vector<double> sum, squares;
  };
  // Rows and columns of a map of this height and width that show slot n's image.
  struct Valid {
    std::int64_t height, width;
  };
  [[nodiscard]] Valid valid(const Tensor& map, std::int64_t n) const;
  void add_rows(const std::string& group, std::span<const Tensor> maps);
  void add_boxes(std::span<const Tensor> levels);
  // A row of numbers for each place of `rows`.
  [[nodiscard]] Tensor features(std::span<const Tensor> levels, const PairRows& rows) const;

  Depth depth_;
  const PairEmbedding* heads_;
  const PairBatch* batch_ = nullptr;
  const DetectorInput* input_ = nullptr;
  std::string stream_;
  std::vector<Sums> sums_;
  std::map<std::string, std::size_t> places_;  // in sums_
  std::map<std::string, std::size_t> groups_;  // in out_.features
  Activations out_;
};

// Every anchor once, through the detector as it is. The loader must give every pair once
// (LastBatch::kPartial); it is sought to its start. Changes nothing.
[[nodiscard]] Activations measure_activations(const TwoStreamDetector& detector, Loader& anchors,
                                              BatchTensors& tensors, Depth depth,
                                              const PairEmbedding* heads = nullptr);

}  // namespace ktrain
