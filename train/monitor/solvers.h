// The solvers behind train/monitor/remedy.h in the form of their publications: from the Gram of K
// (weighted) gradients the coefficients alpha of d = sum alpha_k g_k.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "train/monitor/probe_record.h"

namespace ktrain::solvers {

using Coefficients = std::vector<double>;

// The sum of every g_i after its projections: for each i, the others in `order`, skipping i; where
// the conflict with g_j remains, minus <p_i, g_j> / ||g_j||^2 g_j. `order[i]` holds K - 1 places.
[[nodiscard]] Coefficients pcgrad(const Gram& gram,
                                  const std::vector<std::vector<std::size_t>>& order);
// As pcgrad with the target cosine(i, j) in place of 0 and GradVac's coefficient; targets in (-1,
// 1).
[[nodiscard]] Coefficients gradvac(const Gram& gram, const Gram& target,
                                   const std::vector<std::vector<std::size_t>>& order);
// The shortest vector of the convex hull: alpha >= 0, sum 1.
[[nodiscard]] Coefficients min_norm(const Gram& gram);
// g_0 + c ||g_0|| g_w / ||g_w||, g_0 the mean; w by minimising g_w.g_0 + c ||g_0|| ||g_w||.
[[nodiscard]] Coefficients cagrad(const Gram& gram, double c);
// The mean over i of the projection of g_i on the cone {d : d.g_j >= 0 for all j}.
[[nodiscard]] Coefficients upgrad(const Gram& gram);
// sum alpha = 1, d with the same projection on every unit gradient. Nothing when the Gram is
// singular.
[[nodiscard]] std::optional<Coefficients> imtl_g(const Gram& gram);
// G alpha = 1 / alpha, alpha > 0. Nothing when no finite answer exists (gradients that cancel).
[[nodiscard]] std::optional<Coefficients> nash_mtl(const Gram& gram);
// sqrt(lambda_min) V Lambda^-1/2 V^T w of the eigenvalues that are not 0.
[[nodiscard]] Coefficients aligned_mtl(const Gram& gram, std::span<const double> w);

// min 1/2 u^T A u - b^T u over u >= 0 for a positive semidefinite A in which a minimum exists
// (Lawson and Hanson's active set).
[[nodiscard]] Coefficients nonnegative_minimum(const Gram& a, std::span<const double> b);

// Eigenvalues, ascending, and eigenvectors (vectors[k] belongs to values[k]) by Jacobi's rotations.
struct Eigen {
  std::vector<double> values;
  std::vector<std::vector<double>> vectors;
};
[[nodiscard]] Eigen eigen(const Gram& gram);

// x with A x = b on the places listed, by Cholesky; nothing when A is not positive definite there
// (relative 1e-12).
[[nodiscard]] std::optional<std::vector<double>> solve(const Gram& a, std::span<const double> b,
                                                       std::span<const std::size_t> places);

}  // namespace ktrain::solvers
