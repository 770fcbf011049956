#include "models/auxiliary/dhn.h"

#include <cmath>

#include "runtime/ops.h"

namespace ktrain {
namespace {

Maker place(Maker at, const std::vector<std::string>& below) {
  for (const std::string& name : below) at = at / name;
  return at;
}

// Random unit vectors, never filled as far as the places say.
void fill_with_noise(KeyQueue& queue, std::uint64_t seed) {
  const Tensor noise = l2_normalize(
      initial_tensor(queue.keys.context(), queue.keys.shape(), normal(1), seed, "dhn"));
  queue.keys.copy_from<float>(noise.to_vector<float>());
}

MiningRule rule_of(const DhnOptions& options) {
  return options.polluted ? MiningRule{false, false, -1, 0, false, 0} : options.mining;
}

ContrastOptions contrast_of(const DhnOptions& options) {
  constexpr double kShareOfTheReference = 0.1;
  return options.polluted
             ? ContrastOptions{ContrastForm::kRepel, options.temperature, kShareOfTheReference}
             : ContrastOptions{ContrastForm::kInfoNce, options.temperature, 1.0};
}

// Of mining_statistics. Of nothing there is no share, and no age.
std::vector<SideFormula> formulas(const DhnOptions& options) {
  const auto number = [](const Measured& m, MiningNumber which) {
    return double{m.elements[static_cast<std::size_t>(which)]};
  };
  const auto negatives = [number](const Measured& m) {
    return m.rows > 0 ? number(m, kMinedNegatives) / m.rows : 0.0;
  };
  std::vector<SideFormula> side;
  if (!options.polluted)
    side.push_back({"dhn_rel", [negatives](const Measured& m) {
                      const double mined = negatives(m);
                      return mined > 0 ? m.value / std::log1p(mined) : std::nan("");
                    }});
  side.push_back({"dhn_negatives", negatives});
  side.push_back({"dhn_fnr", [number](const Measured& m) {
                    const double mined = number(m, kMinedNegatives);
                    return mined > 0 ? number(m, kMinedFalse) / mined : std::nan("");
                  }});
  side.push_back({"dhn_filled", [number, size = options.queue](const Measured& m) {
                    return number(m, kQueueFilled) / static_cast<double>(size);
                  }});
  side.push_back({"dhn_age", [number](const Measured& m) {
                    return number(m, kQueueFilled) > 0 ? number(m, kQueueAge) : std::nan("");
                  }});
  return side;
}

}  // namespace

MomentumEncoder::MomentumEncoder(const Maker& root, const std::vector<std::string>& below,
                                 const DetectorOptions& detector,
                                 const PairEmbeddingOptions& embedding, double momentum)
    : copy_(root, momentum),
      statistics_(detector.thermal),
      maps_(detector.maps),
      backbone_(copy_.maker() / (detector.shared ? "shared" : "thermal") / "backbone",
                detector.backbone),
      neck_(copy_.maker() / (detector.shared ? "shared" : "thermal") / "neck", backbone_.channels(),
            detector.channels),
      embedding_(place(copy_.maker(), below), detector, embedding) {
  copy_.bind();
}

Tensor MomentumEncoder::keys(const DetectorInput& batch, const PairRows& rows) const {
  const NoGradScope no_grad;
  const Tensor image = image_normalize(batch.thermal, batch.sizes, statistics_, maps_);
  return embedding_.thermal(neck_(backbone_(image, Mode::kEval)), rows);
}

DhnTerm::DhnTerm(const Maker& root, const std::vector<std::string>& below,
                 const PairEmbedding& embedding, const DetectorOptions& detector,
                 const DhnOptions& options)
    : options_(options), embedding_(embedding) {
  KT_CHECK(options.top_k > 0 && options.queue > 0 && options.temperature > 0,
           "dhn: a queue of {}, top {}, temperature {}", options.queue, options.top_k,
           options.temperature);
  queue_ = make_key_queue(root.context(), options.queue, embedding.options().channels);
  if (options.polluted)
    fill_with_noise(queue_, options.seed);
  else
    encoder_ = std::make_unique<MomentumEncoder>(root, below, detector, embedding.options(),
                                                 options.momentum);
}

Tensor DhnTerm::keys_of(const AuxiliaryInput& input, const PairRows& rows) const {
  if (encoder_ && input.step > 0) return encoder_->keys(input.batch, rows);
  const NoGradScope no_grad;
  Pyramid thermal = *input.detection.thermal;
  for (Tensor& level : thermal) level = level.detached();
  return embedding_.thermal(thermal, rows);
}

AuxiliaryResult DhnTerm::loss(const AuxiliaryInput& input) const {
  KT_CHECK(input.detection.visible && input.detection.thermal, "dhn: wants both streams");
  const PairRows rows = embedding_.rows(input);
  const Tensor queries = embedding_.visible(*input.detection.visible, rows);
  const Tensor keys = keys_of(input, rows);
  const Tensor places = key_places(rows.marks, input.batch.counters);
  KeyQueue queue = queue_;
  if (options_.polluted) {
    queue = clone(queue_);  // the walk of a probe must find the queue as it was
    enqueue_keys(keys, places, queue);
  }
  const Tensor indices =
      mine_negatives(queries.detached(), places, queue, options_.top_k, rule_of(options_));
  const Tensor numbers =
      mining_statistics(places, queue, indices, input.batch.counters, options_.mining.frame_gap);
  AuxiliaryResult result;
  result.value = queue_contrast({queries, options_.polluted ? Tensor() : keys, indices, rows.image},
                                queue, contrast_of(options_));
  result.rows = rows.count;
  result.measured = {numbers};
  result.side = formulas(options_);
  result.carry = {keys, places};
  return result;
}

void DhnTerm::after_step(const DetectorInput&, const AuxiliaryResult& trained, std::int64_t step) {
  KT_CHECK(trained.carry.size() == 2, "dhn: {} tensors carried, wanted keys and places",
           trained.carry.size());
  enqueue_keys(trained.carry[0], trained.carry[1], queue_);
  if (encoder_) encoder_->follow(step == 0);
}

std::vector<NamedTensor> DhnTerm::state() const {
  std::vector<NamedTensor> all = {{"queue.keys", queue_.keys},
                                  {"queue.places", queue_.places},
                                  {"queue.cursor", queue_.cursor}};
  if (encoder_)
    for (NamedTensor& own : encoder_->state()) all.push_back(std::move(own));
  return all;
}

}  // namespace ktrain
