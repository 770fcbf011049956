#include "train/monitor/remedy.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "kernels/check.h"
#include "kernels/random.h"
#include "train/monitor/probe_json.h"
#include "train/monitor/solvers.h"

namespace ktrain {
namespace {

constexpr std::array<std::string_view, 14> kNames = {
    "none", "cut",     "gate",   "pc_asym", "pcgrad",   "gradvac",     "cagrad",
    "mgda", "mgda_ub", "upgrad", "imtl_g",  "nash_mtl", "aligned_mtl", "gradnorm"};

constexpr std::uint32_t kOrderStream = 20;  // of a RandomKey: the order of pcgrad and gradvac

// <sum of w_k g_k over detection, g_j>
double with_detection(const ProbeRecord& record, const Gram& gram, std::size_t j) {
  double sum = 0;
  for (std::size_t k = 0; k < record.detection; ++k) sum += record.weights[k] * gram(k, j);
  return sum;
}

double detection_square(const ProbeRecord& record, const Gram& gram) {
  double sum = 0;
  for (std::size_t k = 0; k < record.detection; ++k)
    sum += record.weights[k] * with_detection(record, gram, k);
  return std::max(0.0, sum);
}

// The losses that have a weighted gradient here, and the Gram of those gradients.
struct Active {
  std::vector<std::size_t> losses;
  Gram gram;
};

Active active(const ProbeRecord& record, const Gram& gram) {
  Active result;
  for (std::size_t k = 0; k < gram.size(); ++k)
    if (record.weights[k] != 0 && gram(k, k) > 0) result.losses.push_back(k);
  const std::size_t n = result.losses.size();
  result.gram = Gram(n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = i; j < n; ++j) {
      const std::size_t k = result.losses[i], l = result.losses[j];
      result.gram(i, j) = record.weights[k] * record.weights[l] * gram(k, l);
    }
  return result;
}

std::vector<std::vector<std::size_t>> drawn_order(std::size_t losses, const RandomKey& key,
                                                  std::uint32_t place) {
  std::vector<std::vector<std::size_t>> order(losses);
  std::vector<std::uint32_t> draws(losses);
  for (std::size_t i = 0; i < losses; ++i) {
    for (std::size_t j = 0; j < losses; ++j) {
      draws[j] = order_key(key, place, static_cast<std::uint32_t>(i * kMostLosses + j));
      if (j != i) order[i].push_back(j);
    }
    std::stable_sort(order[i].begin(), order[i].end(),
                     [&](std::size_t a, std::size_t b) { return draws[a] < draws[b]; });
  }
  return order;
}

bool named(const std::vector<std::string>& names, const std::string& group) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    return group == name || group.starts_with(name + ".");
  });
}

// alpha times what makes sum alpha u as long as the plain sum of u.
void keep_length(const Gram& gram, std::vector<double>& alpha) {
  double plain = 0, now = 0;
  for (std::size_t i = 0; i < gram.size(); ++i)
    for (std::size_t j = 0; j < gram.size(); ++j) {
      plain += gram(i, j);
      now += alpha[i] * alpha[j] * gram(i, j);
    }
  if (!(now > 0)) return;
  for (double& a : alpha) a *= std::sqrt(std::max(0.0, plain) / now);
}

void check(const RemedyOptions& o) {
  KT_CHECK(o.cut_scale >= 0 && o.cut_scale <= 1, "remedy: cut_scale {} is not in [0, 1]",
           o.cut_scale);
  KT_CHECK(o.gate_beta >= 0 && o.gate_beta < 1, "remedy: gate_beta {} is not in [0, 1)",
           o.gate_beta);
  KT_CHECK(o.gradvac_beta > 0 && o.gradvac_beta <= 1, "remedy: gradvac_beta {} is not in (0, 1]",
           o.gradvac_beta);
  KT_CHECK(o.cagrad_c >= 0 && o.cagrad_c < 1, "remedy: cagrad_c {} is not in [0, 1)", o.cagrad_c);
  KT_CHECK(o.gradnorm_alpha >= 0 && o.gradnorm_rate > 0, "remedy: gradnorm_alpha {}, rate {}",
           o.gradnorm_alpha, o.gradnorm_rate);
}

}  // namespace

std::span<const std::string_view> remedy_names() { return kNames; }

std::string_view remedy_name(RemedyKind kind) { return kNames[static_cast<std::size_t>(kind)]; }

std::optional<RemedyKind> find_remedy(std::string_view name) {
  const auto at = std::find(kNames.begin(), kNames.end(), name);
  if (at == kNames.end()) return {};
  return static_cast<RemedyKind>(at - kNames.begin());
}

Remedy::Remedy(RemedyOptions options) : options_(std::move(options)) { check(options_); }

const Gram& Remedy::metric(const GroupGram& group) const {
  return options_.preconditioned && group.preconditioned.size() > 0 ? group.preconditioned
                                                                    : group.raw;
}

void Remedy::cut(const ProbeRecord& record, GroupWeights& answer) const {
  if (!named(options_.cut_groups, answer.group)) {
    answer.reason = "not named";
    return;
  }
  for (std::size_t j = record.detection; j < record.losses.size(); ++j)
    answer.weights[j] *= options_.cut_scale;
}

void Remedy::gate(const ProbeRecord& record, const Gram& gram, GroupWeights& answer) {
  std::vector<double>& average = averages_[answer.group];
  average.resize(gram.values().size());
  Gram smooth(gram.size());
  for (std::size_t i = 0; i < average.size(); ++i) {
    average[i] = options_.gate_beta * average[i] + (1 - options_.gate_beta) * gram.values()[i];
    smooth.values()[i] = average[i];
  }
  const double det = detection_square(record, smooth);
  bool any = false;
  for (std::size_t j = record.detection; j < record.losses.size(); ++j) {
    if (!(det > 0) || !(smooth(j, j) > 0)) continue;
    any = true;
    const double cos = with_detection(record, smooth, j) / std::sqrt(det * smooth(j, j));
    answer.weights[j] *= options_.gate_hard ? (cos >= 0 ? 1.0 : 0.0) : std::clamp(cos, 0.0, 1.0);
  }
  if (!any) answer.reason = "no gradient";
}

void Remedy::pc_asym(const ProbeRecord& record, const Gram& gram, const Reference* reference,
                     GroupWeights& answer) const {
  const double square = reference ? reference->square : detection_square(record, gram);
  if (!(square > 0)) {
    answer.reason = "no gradient";
    return;
  }
  double rho = 0;
  for (std::size_t j = record.detection; j < record.losses.size(); ++j) {
    const double along =
        record.weights[j] * (reference ? reference->products[j] : with_detection(record, gram, j));
    if (along < 0 || options_.always) rho -= along / square;
  }
  if (reference) {
    answer.reference = rho;
  } else {
    for (std::size_t k = 0; k < record.detection; ++k) answer.weights[k] *= 1 + rho;
  }
  if (rho == 0) answer.reason = "no conflict";
}

void Remedy::symmetric(const ProbeRecord& record, const Gram& gram, std::uint32_t place,
                       GroupWeights& answer) {
  const Active found = active(record, gram);
  const std::size_t n = found.losses.size();
  if (n < 2) {
    answer.reason = "no gradient";
    return;
  }
  const RandomKey key{options_.seed, kOrderStream, static_cast<std::uint32_t>(record.step)};
  const double count = static_cast<double>(n);
  std::optional<std::vector<double>> alpha;
  double scale = 1;
  switch (options_.kind) {
    case RemedyKind::kPcgrad:
      alpha = solvers::pcgrad(found.gram, drawn_order(n, key, place));
      break;
    case RemedyKind::kGradvac: {
      // Where a cosine has no history yet, the one found is its own target: nothing changes.
      std::vector<double>& targets = averages_[answer.group];
      targets.resize(gram.values().size(), 2.0);
      Gram target(n), all(gram.size());
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = i + 1; j < n; ++j) {
          const double cos = std::clamp(
              found.gram(i, j) / std::sqrt(found.gram(i, i) * found.gram(j, j)), -0.999, 0.999);
          all.values() = targets;
          double& mean = all(found.losses[i], found.losses[j]);
          target(i, j) = mean > 1 ? cos : mean;
          mean = mean > 1 ? cos : mean + options_.gradvac_beta * (cos - mean);
          targets = all.values();
        }
      alpha = solvers::gradvac(found.gram, target, drawn_order(n, key, place));
      break;
    }
    case RemedyKind::kCagrad:
      alpha = solvers::cagrad(found.gram, options_.cagrad_c);
      scale = count / (options_.cagrad_rescale ? 1 + options_.cagrad_c * options_.cagrad_c : 1.0);
      break;
    case RemedyKind::kMgda:
    case RemedyKind::kMgdaUb:
      alpha = solvers::min_norm(found.gram);
      scale = count;
      break;
    case RemedyKind::kUpgrad:
      alpha = solvers::upgrad(found.gram);
      scale = count;
      break;
    case RemedyKind::kImtlG:
      alpha = solvers::imtl_g(found.gram);
      scale = count;
      break;
    case RemedyKind::kNashMtl:
      alpha = solvers::nash_mtl(found.gram);
      if (alpha) keep_length(found.gram, *alpha);
      break;
    case RemedyKind::kAlignedMtl:
      alpha = solvers::aligned_mtl(found.gram, std::vector<double>(n, 1.0));
      break;
    default:
      KT_CHECK(false, "remedy: {} has no solver", remedy_name(options_.kind));
  }
  if (!alpha) {
    answer.reason = "gradients are dependent";
    return;
  }
  for (std::size_t i = 0; i < n; ++i)
    answer.weights[found.losses[i]] = record.weights[found.losses[i]] * (*alpha)[i] * scale;
}

std::vector<GroupWeights> Remedy::solve(const ProbeRecord& record,
                                        const std::map<std::string, Reference>& references) {
  KT_CHECK(record.losses.size() <= kMostLosses && record.weights.size() == record.losses.size(),
           "remedy: {} losses and {} weights", record.losses.size(), record.weights.size());
  std::vector<GroupWeights> answers;
  for (const GroupGram& group : record.groups)
    answers.push_back({group.group, record.weights, 0, false, {}});
  if (options_.kind == RemedyKind::kGradnorm) {
    gradnorm(record, answers);
  } else if (options_.kind == RemedyKind::kMgdaUb) {
    KT_CHECK(!record.features.empty(), "remedy: mgda_ub needs the cotangents of the pyramid");
    Gram sum(record.losses.size());
    for (const FeatureGram& feature : record.features)
      for (std::size_t i = 0; i < sum.values().size(); ++i)
        sum.values()[i] += feature.raw.values()[i];
    GroupWeights answer{"", record.weights, 0, false, {}};
    symmetric(record, sum, 0, answer);
    for (GroupWeights& each : answers) {
      each.weights = answer.weights;
      each.reason = answer.reason;
    }
  } else {
    for (std::size_t at = 0; at < answers.size(); ++at) {
      GroupWeights& answer = answers[at];
      const Gram& gram = metric(record.groups[at]);
      const auto reference = references.find(answer.group);
      switch (options_.kind) {
        case RemedyKind::kNone:
          break;
        case RemedyKind::kCut:
          cut(record, answer);
          break;
        case RemedyKind::kGate:
          gate(record, gram, answer);
          break;
        case RemedyKind::kPcAsym:
          pc_asym(record, gram, reference == references.end() ? nullptr : &reference->second,
                  answer);
          break;
        default:
          symmetric(record, gram, static_cast<std::uint32_t>(at), answer);
      }
    }
  }
  for (GroupWeights& answer : answers) {
    answer.changed = answer.weights != record.weights || answer.reference != 0;
    if (!answer.changed && answer.reason.empty() && options_.kind != RemedyKind::kNone)
      answer.reason = "no conflict";
  }
  return answers;
}

}  // namespace ktrain
