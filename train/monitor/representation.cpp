#include "train/monitor/representation.h"

#include <algorithm>
#include <cmath>

#include "kernels/check.h"
#include "train/monitor/eigen.h"

namespace ktrain {
namespace {

using Dense = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using View = Eigen::Map<const Dense>;

View view(const SampleMatrix& m) {
  KT_CHECK(m.rows > 0 && m.columns > 0 &&
               m.values.size() == static_cast<std::size_t>(m.rows * m.columns),
           "representation: {} x {} samples in {} numbers", m.rows, m.columns, m.values.size());
  return {m.values.data(), m.rows, m.columns};
}

void check_same_rows(const SampleMatrix& a, const SampleMatrix& b) {
  KT_CHECK(a.rows == b.rows, "representation: {} and {} samples, wanted the same inputs", a.rows,
           b.rows);
}

// Dot products of all pairs of rows, a row with itself left out. Centring first changes nothing in
// exact arithmetic and keeps a large common mean from eating the digits.
Eigen::MatrixXd gram_without_diagonal(const SampleMatrix& a) {
  const SampleMatrix c = centred(a);
  Eigen::MatrixXd gram = view(c) * view(c).transpose();
  gram.diagonal().setZero();
  return gram;
}

double unbiased_hsic(const Eigen::MatrixXd& k, const Eigen::MatrixXd& l) {
  const auto n = static_cast<double>(k.rows());
  const Eigen::VectorXd k_rows = k.rowwise().sum(), l_rows = l.rowwise().sum();
  const double trace = (k.array() * l.array()).sum();
  const double means = k_rows.sum() * l_rows.sum() / ((n - 1) * (n - 2));
  return (trace + means - 2 / (n - 2) * k_rows.dot(l_rows)) / (n * (n - 3));
}

// Of a matrix whose shorter side decides the cost.
Eigen::VectorXd singular_values(const Eigen::MatrixXd& m) {
  return Eigen::BDCSVD<Eigen::MatrixXd>(m).singularValues();
}

// R of m^T = Q R: the columns that n rows can span, no more than n of them.
Eigen::MatrixXd triangle(const View& m) {
  if (m.cols() <= m.rows()) return m.transpose();
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr(m.transpose());
  return qr.matrixQR().topRows(m.rows()).triangularView<Eigen::Upper>();
}

}  // namespace

SampleMatrix centred(SampleMatrix matrix) {
  (void)view(matrix);
  Eigen::Map<Dense> m(matrix.values.data(), matrix.rows, matrix.columns);
  const Eigen::RowVectorXd mean = m.colwise().mean();
  m.rowwise() -= mean;
  return matrix;
}

bool is_still(const ChannelMoments& channel) {
  const double square = channel.mean * channel.mean + channel.variance;
  return !(channel.variance > 1e-12 * square && channel.variance > 1e-30);
}

ChannelDrift channel_drift(const ChannelMoments& now, const ChannelMoments& reference) {
  KT_CHECK(!is_still(now) && !is_still(reference),
           "channel drift: a channel of variance {} against one of {}", now.variance,
           reference.variance);
  ChannelDrift drift;
  const double ratio = now.variance / reference.variance;
  drift.z = (now.mean - reference.mean) / std::sqrt(reference.variance);
  drift.r = std::log(ratio);
  drift.kl = 0.5 * (ratio + drift.z * drift.z - 1 - drift.r);
  return drift;
}

double quantile(std::vector<double> sample, double p) {
  KT_CHECK(!sample.empty() && p >= 0 && p <= 1, "quantile {} of {} numbers", p, sample.size());
  std::sort(sample.begin(), sample.end());
  const double place = p * static_cast<double>(sample.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sample.size() - 1);
  return std::lerp(sample[below], sample[above], place - static_cast<double>(below));
}

std::optional<double> linear_cka(const SampleMatrix& a, const SampleMatrix& b) {
  check_same_rows(a, b);
  KT_CHECK(a.rows >= 4, "linear_cka: {} samples, at least 4 are wanted", a.rows);
  const Eigen::MatrixXd k = gram_without_diagonal(a), l = gram_without_diagonal(b);
  const double aa = unbiased_hsic(k, k), bb = unbiased_hsic(l, l);
  // Against the size of what was summed: a set that does not vary leaves rounding.
  const auto n = static_cast<double>(a.rows);
  const double scale_a = view(a).squaredNorm() / n, scale_b = view(b).squaredNorm() / n;
  if (!(aa > 1e-24 * scale_a * scale_a) || !(bb > 1e-24 * scale_b * scale_b)) return std::nullopt;
  return unbiased_hsic(k, l) / std::sqrt(aa * bb);
}

std::optional<double> procrustes_distance(const SampleMatrix& a, const SampleMatrix& b) {
  check_same_rows(a, b);
  KT_CHECK(a.columns == b.columns, "procrustes_distance: {} and {} columns", a.columns, b.columns);
  const double of_a = view(a).squaredNorm(), of_b = view(b).squaredNorm();
  if (of_b == 0) return std::nullopt;
  // ||A^T B||_* = ||R_A R_B^T||_*: never larger than rows x rows.
  const double nuclear = singular_values(triangle(view(a)) * triangle(view(b)).transpose()).sum();
  return std::max(0.0, (of_a + of_b - 2 * nuclear) / of_b);
}

std::optional<double> effective_rank(const SampleMatrix& a) {
  const View m = view(a);
  const Eigen::VectorXd sigma =
      m.rows() < m.cols() ? singular_values(m.transpose()) : singular_values(m);
  const double sum = sigma.sum();
  if (sum == 0) return std::nullopt;
  double entropy = 0;
  for (const double s : sigma)
    if (s > 0) entropy -= s / sum * std::log(s / sum);
  return std::exp(entropy);
}

}  // namespace ktrain
