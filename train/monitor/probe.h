// One probe: the gradients of several losses on the tape of one training step, in one walk, down to
// their dot products by layer group. The gradient of the total is what the same step without a
// probe computes, to the bit.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "train/monitor/channels.h"
#include "train/monitor/layer_groups.h"
#include "train/monitor/live_remedy.h"
#include "train/monitor/probe_axis.h"
#include "train/monitor/probe_numbers.h"
#include "train/monitor/probe_record.h"
#include "train/monitor/sketch_blocks.h"
#include "train/optimizer.h"

namespace ktrain {

// Places on the tape at which cotangents are looked at: the outputs of each stream's pyramid.
// Without a name it is no place of the record's, but one where the half of the batch begins: the
// fused pyramid, what the heads put out.
struct WatchedFeature {
  std::string name;            // visible.p2
  std::shared_ptr<Node> node;  // null where no gradient flows
  std::int64_t per_image = 1;  // entries of the first dimension that belong to one image
  bool head = false;           // what a head puts out
};

struct ProbeInput {
  const std::vector<LossTerm>& terms;
  const Tensor& total;
  std::vector<WatchedFeature> features;
  // Also walk with the detection cotangents of half of the batch's images, for split_half().
  bool half = false;
  std::set<std::string> channels = {};  // groups whose weights are told by output channel
  SketchBlocks* sketches = nullptr;     // filled when given; a probe of it has begun
  // Gives references() products with a running mean, and lets apply() change the gradients.
  LiveRemedy* remedy = nullptr;
};

class Probe {
 public:
  static constexpr std::int64_t kKept = 8;

  // All must outlive the probe; `parameters` and `optimizer` belong together.
  Probe(const ParameterSet& parameters, const LayerGroups& groups, const Optimizer& optimizer,
        ProbeAxis axis)
      : parameters_(parameters), groups_(groups), optimizer_(optimizer), axis_(std::move(axis)) {}

  // Walks and consumes the tape. Returns the total's gradient, one entry per parameter, as
  // `backward` does. Before the optimizer's step.
  [[nodiscard]] std::vector<Tensor> walk(const ProbeInput& input);

  // <g_k, r> and <r, r> of the remedy's running mean, by group; empty where there is none.
  // `preconditioned`: as AdamW scales gradients, where the record has such products.
  [[nodiscard]] std::map<std::string, Reference> references(bool preconditioned = false) const;
  // Between walk and the optimizer's step: puts sum e_k g_k + rho r in the place of the total's
  // gradient in every group that is changed, and moves the running mean.
  void apply(const std::vector<GroupWeights>& answers, LiveRemedy& remedy,
             std::vector<Tensor>& gradients);

  // The total's gradient without auxiliary loss `k` of the axis.
  [[nodiscard]] std::vector<Tensor> without(std::size_t k,
                                            const std::vector<Tensor>& gradients) const;

  // The optimizer's observer: adds <g_k, delta> of one parameter, then forgets its gradients.
  void updated(std::size_t parameter, const Tensor& before, const Tensor& total_gradient);

  // Keeps what the only element of a float tensor is now, to be read with everything else; up to
  // kKept of them for each term and loss.
  [[nodiscard]] ProbeNumbers::Place keep(const Tensor& number) { return numbers_.keep(number); }
  [[nodiscard]] double kept(ProbeNumbers::Place place) const { return numbers_.read_kept(place); }
  // On a GPU, after the optimizer's step: keeps its norm and the clip's factor for the record.
  void keep_norm();
  // The values of the terms that were walked, unweighted.
  [[nodiscard]] std::vector<double> term_values() const;

  // All but what only the step and the schedule know: step, epoch, rate, seconds, interval. After
  // the optimizer's step; before it, norm and clip are those of the step before or, on a GPU, none.
  // `term_values` unweighted; `clip` is the plan's, 0 for none.
  [[nodiscard]] ProbeRecord record(const std::vector<double>& term_values, double clip) const;

  // By loss on the axis: what it became less what it was.
  [[nodiscard]] std::vector<double> changes(const std::vector<double>& before,
                                            const std::vector<double>& after) const;

  // By group: the cosine of detection's gradients of the two halves of the batch. Empty unless
  // asked for.
  [[nodiscard]] std::vector<std::pair<std::string, double>> split_half() const;

  // Of the groups that were asked for, those that losses reach.
  [[nodiscard]] const std::vector<ChannelDots>& channels() const;

  [[nodiscard]] const ProbeAxis& axis() const { return axis_; }

 private:
  struct Sums {
    Gram raw, preconditioned;
    bool seen = false, weighted = false, half = false;
  };
  // What was summed up of one entry, raw and preconditioned products one behind the other, and
  // where it belongs: a group, or a feature behind all groups.
  struct Part {
    ProbeNumbers::Place place;
    std::size_t of = 0;
    bool weighted = false;
    double lr = 1;
  };
  struct ChannelPart {
    ProbeNumbers::Place place;
    std::size_t of = 0;  // in channels_
  };

  void make_sets(const ProbeInput& input);
  void meet(const ProbeInput& input, std::size_t entry, int pass, std::span<Tensor> of_sets);
  void meet_feature(const ProbeInput& input, std::size_t feature, std::span<Tensor> of_sets);
  [[nodiscard]] Tensor half_cotangent(std::span<const Tensor> of_sets,
                                      std::int64_t per_image) const;
  // The axis' vectors out of a walk's sets, the remainder's place taken by the total.
  [[nodiscard]] std::vector<Span<const float>> vectors(std::span<const Tensor> of_sets,
                                                       bool reached) const;
  // What makes a loss of the total's place in the first `count` vectors; none where that loss does
  // not reach, since its gradient is zero there and a difference would leave rounding errors.
  [[nodiscard]] Remainder remainder(bool reached, std::size_t count) const;
  void add_channels(const ProbeInput& input, std::size_t entry, int group,
                    std::span<const Span<const float>> vectors);
  void add_products(std::size_t of, std::span<const Span<const float>> vectors, bool reached,
                    const std::optional<Optimizer::Moment>& moment);
  // Products of vectors that lie side by side in the memory of the parameters.
  void products(std::span<const Span<const float>> vectors, bool reached,
                const SecondMoment<float>& second, Span<double> raw, Span<double> preconditioned);
  // How many numbers a probe may leave.
  [[nodiscard]] std::int64_t capacity(const ProbeInput& input) const;
  [[nodiscard]] const ContextPtr& context() const { return parameters_.all()[0].value.context(); }
  [[nodiscard]] Sums& sums(std::size_t of);
  // Adds up what the device has left, in the order in which it was given. Once for all of it.
  void read() const;

  const ParameterSet& parameters_;
  const LayerGroups& groups_;
  const Optimizer& optimizer_;
  ProbeAxis axis_;
  std::vector<std::size_t> set_of_;  // by axis: its set in the walk
  std::size_t half_set_ = 0;         // 0: none
  bool referenced_ = false;          // the last vector of every Gram is the remedy's running mean
  std::vector<Tensor> outputs_;
  std::vector<std::vector<Tensor>> sets_;
  std::vector<double> mix_;    // by axis, and 0 for the half
  std::vector<bool> reached_;  // by parameter: whether the remainder's loss depends on it
  ProbeNumbers numbers_;
  std::vector<Part> parts_;
  std::vector<ChannelPart> channel_parts_;
  std::vector<ProbeNumbers::Place> changes_, term_places_;  // of a parameter; of a term
  std::optional<ProbeNumbers::Place> norm_, clip_;
  // How many of parts_, channel_parts_ and changes_ are in the sums.
  mutable std::size_t read_parts_ = 0, read_channels_ = 0, read_changes_ = 0;
  mutable std::vector<Sums> by_group_, by_feature_;
  std::vector<std::string> feature_names_;
  std::vector<std::vector<Tensor>> kept_;  // by parameter: gradients of the walk's sets
  mutable std::vector<double> predicted_;
  mutable std::vector<ChannelDots> channels_;
};

}  // namespace ktrain
