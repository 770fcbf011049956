#include "train/monitor/embedding.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/check.h"
#include "train/monitor/eigen.h"

namespace ktrain {
namespace {

constexpr double kShrinkage = 0.1;

void check_pairs(const SampleMatrix& u, const SampleMatrix& v) {
  KT_CHECK(u.rows == v.rows && u.columns == v.columns && u.rows > 0,
           "embedding: {} x {} and {} x {}, wanted pairs", u.rows, u.columns, v.rows, v.columns);
}

double squared_distance(const SampleMatrix& a, std::int64_t i, const SampleMatrix& b,
                        std::int64_t j) {
  double sum = 0;
  for (std::int64_t c = 0; c < a.columns; ++c) {
    const double d = a(i, c) - b(j, c);
    sum += d * d;
  }
  return sum;
}

using Columns = Eigen::MatrixXd;  // a sample per column

Columns take(const SampleMatrix& m, const std::vector<std::int64_t>& rows) {
  Columns out(m.columns, static_cast<Eigen::Index>(rows.size()));
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::int64_t c = 0; c < m.columns; ++c)
      out(c, static_cast<Eigen::Index>(i)) = m(rows[i], c);
  return out;
}

// The direction in which u scores above v.
Eigen::VectorXd discriminant(const Columns& u, const Columns& v) {
  const Eigen::VectorXd mean_u = u.rowwise().mean(), mean_v = v.rowwise().mean();
  const Columns du = u.colwise() - mean_u, dv = v.colwise() - mean_v;
  Eigen::MatrixXd pooled =
      (du * du.transpose() + dv * dv.transpose()) / static_cast<double>(u.cols() + v.cols());
  const double variance = pooled.trace() / static_cast<double>(pooled.rows());
  pooled *= 1 - kShrinkage;
  // Sets without any spread within: the line between the means.
  pooled.diagonal().array() += variance > 0 ? kShrinkage * variance : 1.0;
  return Eigen::LLT<Eigen::MatrixXd>(pooled).solve(mean_u - mean_v);
}

std::vector<double> scores(const Columns& samples, const Eigen::VectorXd& direction) {
  const Eigen::VectorXd s = samples.transpose() * direction;
  return {s.begin(), s.end()};
}

}  // namespace

SampleMatrix normalized_rows(SampleMatrix matrix) {
  for (std::int64_t i = 0; i < matrix.rows; ++i) {
    double square = 0;
    for (std::int64_t c = 0; c < matrix.columns; ++c) square += matrix(i, c) * matrix(i, c);
    if (square == 0) continue;
    const double length = std::sqrt(square);
    for (std::int64_t c = 0; c < matrix.columns; ++c) matrix(i, c) /= length;
  }
  return matrix;
}

double alignment(const SampleMatrix& u, const SampleMatrix& v) {
  check_pairs(u, v);
  double sum = 0;
  for (std::int64_t i = 0; i < u.rows; ++i) sum += squared_distance(u, i, v, i);
  return sum / static_cast<double>(u.rows);
}

double uniformity(const SampleMatrix& x) {
  KT_CHECK(x.rows >= 2, "uniformity: {} rows, at least 2 are wanted", x.rows);
  double sum = 0;
  for (std::int64_t i = 0; i < x.rows; ++i)
    for (std::int64_t j = 0; j < i; ++j) sum += std::exp(-2 * squared_distance(x, i, x, j));
  return std::log(sum / (0.5 * static_cast<double>(x.rows * (x.rows - 1))));
}

double modality_gap(const SampleMatrix& u, const SampleMatrix& v) {
  check_pairs(u, v);
  double square = 0;
  for (std::int64_t c = 0; c < u.columns; ++c) {
    double difference = 0;
    for (std::int64_t i = 0; i < u.rows; ++i) difference += u(i, c) - v(i, c);
    difference /= static_cast<double>(u.rows);
    square += difference * difference;
  }
  return std::sqrt(square);
}

double area_under_curve(std::span<const double> positive, std::span<const double> negative) {
  KT_CHECK(!positive.empty() && !negative.empty(), "area_under_curve: {} positives, {} negatives",
           positive.size(), negative.size());
  std::vector<double> sorted(negative.begin(), negative.end());
  std::sort(sorted.begin(), sorted.end());
  double wins = 0;
  for (const double score : positive) {
    const auto [first, last] = std::equal_range(sorted.begin(), sorted.end(), score);
    wins += static_cast<double>(first - sorted.begin()) + 0.5 * static_cast<double>(last - first);
  }
  return wins / (static_cast<double>(positive.size()) * static_cast<double>(negative.size()));
}

std::optional<double> modality_auc(const SampleMatrix& u, const SampleMatrix& v,
                                   std::span<const std::int64_t> group) {
  check_pairs(u, v);
  KT_CHECK(group.size() == static_cast<std::size_t>(u.rows), "modality_auc: {} groups of {} rows",
           group.size(), u.rows);
  std::vector<std::int64_t> halves[2];
  for (std::int64_t i = 0; i < u.rows; ++i)
    halves[group[static_cast<std::size_t>(i)] % 2 == 0 ? 0 : 1].push_back(i);
  if (halves[0].size() < 2 || halves[1].size() < 2) return std::nullopt;
  double sum = 0;
  for (const auto& [fit, test] : {std::pair(0, 1), std::pair(1, 0)}) {
    const Eigen::VectorXd w = discriminant(take(u, halves[fit]), take(v, halves[fit]));
    sum += area_under_curve(scores(take(u, halves[test]), w), scores(take(v, halves[test]), w));
  }
  return sum / 2;
}

}  // namespace ktrain
