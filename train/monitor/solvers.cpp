#include "train/monitor/solvers.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <boost/math/tools/roots.hpp>

#include "kernels/check.h"

namespace ktrain::solvers {
namespace {

// Pivots below this part of their diagonal element count as 0: the column depends on others.
constexpr double kDependent = 1e-12;

double form(const Gram& gram, std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < gram.size(); ++i)
    for (std::size_t j = 0; j < gram.size(); ++j) sum += a[i] * gram(i, j) * b[j];
  return sum;
}

// <p, g_j> for p = sum coefficients g
double product(const Gram& gram, std::span<const double> coefficients, std::size_t j) {
  double sum = 0;
  for (std::size_t i = 0; i < gram.size(); ++i) sum += coefficients[i] * gram(i, j);
  return sum;
}

std::vector<std::size_t> all_places(std::size_t size) {
  std::vector<std::size_t> places(size);
  std::iota(places.begin(), places.end(), std::size_t{0});
  return places;
}

}  // namespace

std::optional<std::vector<double>> solve(const Gram& a, std::span<const double> b,
                                         std::span<const std::size_t> places) {
  const std::size_t n = places.size();
  std::vector<double> lower(n * n), x(n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = a(places[i], places[j]);
      for (std::size_t k = 0; k < j; ++k) sum -= lower[i * n + k] * lower[j * n + k];
      if (i != j) {
        lower[i * n + j] = sum / lower[j * n + j];
      } else {
        if (!(sum > kDependent * a(places[i], places[i]))) return {};
        lower[i * n + i] = std::sqrt(sum);
      }
    }
  for (std::size_t i = 0; i < n; ++i) {
    x[i] = b[places[i]];
    for (std::size_t k = 0; k < i; ++k) x[i] -= lower[i * n + k] * x[k];
    x[i] /= lower[i * n + i];
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t k = i + 1; k < n; ++k) x[i] -= lower[k * n + i] * x[k];
    x[i] /= lower[i * n + i];
  }
  return x;
}

Coefficients nonnegative_minimum(const Gram& a, std::span<const double> b) {
  const std::size_t n = a.size();
  Coefficients u(n, 0.0);
  std::vector<char> barred(n, 0);  // columns that depend on the free ones: nothing to gain
  std::vector<std::size_t> free;
  double scale = 0;
  for (std::size_t i = 0; i < n; ++i) scale = std::max(scale, std::abs(b[i]));
  for (std::size_t round = 0; round < 3 * n + 10; ++round) {
    std::size_t best = n;
    double steepest = 1e-12 * scale;
    for (std::size_t i = 0; i < n; ++i) {
      if (barred[i] || std::find(free.begin(), free.end(), i) != free.end()) continue;
      const double slope = b[i] - product(a, u, i);
      if (slope > steepest) {
        steepest = slope;
        best = i;
      }
    }
    if (best == n) return u;
    free.push_back(best);
    for (;;) {
      const auto x = solve(a, b, free);
      if (!x) {
        barred[free.back()] = 1;
        u[free.back()] = 0;
        free.pop_back();
        break;
      }
      double step = 1;
      for (std::size_t k = 0; k < free.size(); ++k)
        if ((*x)[k] <= 0) step = std::min(step, u[free[k]] / (u[free[k]] - (*x)[k]));
      for (std::size_t k = 0; k < free.size(); ++k) u[free[k]] += step * ((*x)[k] - u[free[k]]);
      if (step >= 1) {
        for (std::size_t k = 0; k < free.size(); ++k) u[free[k]] = (*x)[k];
        std::fill(barred.begin(), barred.end(), 0);
        break;
      }
      std::erase_if(free, [&](std::size_t i) {
        if (u[i] > 1e-15) return false;
        u[i] = 0;
        return true;
      });
    }
  }
  return u;
}

Coefficients pcgrad(const Gram& gram, const std::vector<std::vector<std::size_t>>& order) {
  const std::size_t n = gram.size();
  Coefficients sum(n, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    Coefficients p(n, 0.0);
    p[i] = 1;
    for (const std::size_t j : order[i]) {
      const double conflict = product(gram, p, j);
      if (conflict < 0 && gram(j, j) > 0) p[j] -= conflict / gram(j, j);
    }
    for (std::size_t k = 0; k < n; ++k) sum[k] += p[k];
  }
  return sum;
}

Coefficients gradvac(const Gram& gram, const Gram& target,
                     const std::vector<std::vector<std::size_t>>& order) {
  const std::size_t n = gram.size();
  Coefficients sum(n, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    Coefficients p(n, 0.0);
    p[i] = 1;
    for (const std::size_t j : order[i]) {
      const double square = form(gram, p, p);
      if (!(square > 0) || !(gram(j, j) > 0)) continue;
      const double norm = std::sqrt(square), other = std::sqrt(gram(j, j));
      const double r = std::clamp(product(gram, p, j) / (norm * other), -1.0, 1.0);
      const double wanted = target(i, j);
      if (r >= wanted) continue;
      const double sine = std::sqrt(1 - wanted * wanted);
      p[j] += norm * (wanted * std::sqrt(1 - r * r) - r * sine) / (other * sine);
    }
    for (std::size_t k = 0; k < n; ++k) sum[k] += p[k];
  }
  return sum;
}

// alpha = u / sum u for the minimum of 1/2 u^T (G + s 1 1^T) u - 1^T u: adding s to every element
// adds s to alpha^T G alpha on the simplex and moves nothing, but makes the problem bounded where
// gradients cancel.
Coefficients min_norm(const Gram& gram) {
  const std::size_t n = gram.size();
  double scale = 0;
  for (std::size_t i = 0; i < n; ++i) scale = std::max(scale, gram(i, i));
  if (!(scale > 0)) return Coefficients(n, 1.0 / static_cast<double>(n));
  Gram lifted(n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = i; j < n; ++j) lifted(i, j) = gram(i, j) / scale + 1;
  Coefficients u = nonnegative_minimum(lifted, std::vector<double>(n, 1.0));
  const double sum = std::accumulate(u.begin(), u.end(), 0.0);
  for (double& x : u) x /= sum;
  return u;
}

// For a fixed length t of g_w the dual is the shortest vector of the hull of g_i + (t / kappa) g_0,
// kappa = c ||g_0||, since ||g_w|| = min over t of (||g_w||^2 / t + t) / 2; the right t is the root
// of ||g_w(t)|| - t, which falls.
Coefficients cagrad(const Gram& gram, double c) {
  const std::size_t n = gram.size();
  const double mean = 1.0 / static_cast<double>(n);
  Coefficients answer(n, mean);
  const std::vector<double> w0(n, mean);
  const double square = form(gram, w0, w0);
  if (!(square > 0) || c == 0) return answer;
  const double kappa = c * std::sqrt(square);
  std::vector<double> b(n);
  for (std::size_t i = 0; i < n; ++i) b[i] = product(gram, w0, i);
  const auto at = [&](double t) {
    const double s = t / kappa;
    Gram shifted(n);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = i; j < n; ++j)
        shifted(i, j) = gram(i, j) + s * (b[i] + b[j]) + s * s * square;
    return min_norm(shifted);
  };
  const auto excess = [&](double t) {
    const Coefficients w = at(t);
    return std::sqrt(std::max(0.0, form(gram, w, w))) - t;
  };
  double longest = 0;
  for (std::size_t i = 0; i < n; ++i) longest = std::max(longest, std::sqrt(gram(i, i)));
  const double least = 1e-9 * longest;
  if (excess(least) <= 0) return answer;  // the worst case is at its best with d = g_0
  std::uintmax_t calls = 60;
  const auto [lo, hi] = boost::math::tools::toms748_solve(
      excess, least, 1.001 * longest, boost::math::tools::eps_tolerance<double>(34), calls);
  const Coefficients w = at((lo + hi) / 2);
  const double length = std::sqrt(std::max(0.0, form(gram, w, w)));
  if (!(length > 0)) return answer;
  for (std::size_t k = 0; k < n; ++k) answer[k] += kappa * w[k] / length;
  return answer;
}

// v = e_i + u with u >= 0: min 1/2 u^T G u + (G e_i)^T u.
Coefficients upgrad(const Gram& gram) {
  const std::size_t n = gram.size();
  Coefficients sum(n, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    std::vector<double> b(n);
    for (std::size_t j = 0; j < n; ++j) b[j] = -gram(i, j);
    const Coefficients u = nonnegative_minimum(gram, b);
    sum[i] += 1;
    for (std::size_t j = 0; j < n; ++j) sum[j] += u[j];
  }
  for (double& x : sum) x /= static_cast<double>(n);
  return sum;
}

std::optional<Coefficients> imtl_g(const Gram& gram) {
  const std::size_t n = gram.size();
  std::vector<double> norms(n);
  for (std::size_t i = 0; i < n; ++i) norms[i] = std::sqrt(gram(i, i));
  auto alpha = solve(gram, norms, all_places(n));
  if (!alpha) return {};
  const double sum = std::accumulate(alpha->begin(), alpha->end(), 0.0);
  if (!(sum > 0)) return {};
  for (double& x : *alpha) x /= sum;
  return alpha;
}

// Newton on 1/2 a^T G a - sum ln a of unit gradients (a_i = alpha_i ||g_i||), a self-concordant
// function: damped by 1 / (1 + decrement) it comes down from anywhere.
std::optional<Coefficients> nash_mtl(const Gram& gram) {
  const std::size_t n = gram.size();
  Gram unit(n);
  for (std::size_t i = 0; i < n; ++i) {
    if (!(gram(i, i) > 0)) return {};
    for (std::size_t j = i; j < n; ++j)
      unit(i, j) = gram(i, j) / (std::sqrt(gram(i, i)) * std::sqrt(gram(j, j)));
  }
  std::vector<double> a(n, 1.0), slope(n);
  const auto places = all_places(n);
  for (int round = 0; round < 200; ++round) {
    Gram curvature = unit;
    for (std::size_t i = 0; i < n; ++i) {
      slope[i] = 1 / a[i] - product(unit, a, i);
      curvature(i, i) += 1 / (a[i] * a[i]);
    }
    const auto step = solve(curvature, slope, places);
    if (!step) return {};
    double decrement = 0;
    for (std::size_t i = 0; i < n; ++i) decrement += slope[i] * (*step)[i];
    decrement = std::sqrt(std::max(0.0, decrement));
    const double damping = decrement > 0.25 ? 1 / (1 + decrement) : 1;
    double largest = 0;
    for (std::size_t i = 0; i < n; ++i) {
      a[i] += damping * (*step)[i];
      largest = std::max(largest, a[i]);
    }
    if (largest > 1e8) return {};  // the gradients cancel: ever longer weights
    if (decrement < 1e-13) break;
  }
  for (std::size_t i = 0; i < n; ++i) a[i] /= std::sqrt(gram(i, i));
  return a;
}

Coefficients aligned_mtl(const Gram& gram, std::span<const double> w) {
  const std::size_t n = gram.size();
  const Eigen parts = eigen(gram);
  Coefficients alpha(n, 0.0);
  const double largest = parts.values.back();
  if (!(largest > 0)) return {w.begin(), w.end()};
  double smallest = 0;
  for (std::size_t k = 0; k < n; ++k) {
    if (!(parts.values[k] > 1e-12 * largest)) continue;
    if (smallest == 0) smallest = parts.values[k];
    double along = 0;
    for (std::size_t i = 0; i < n; ++i) along += parts.vectors[k][i] * w[i];
    for (std::size_t i = 0; i < n; ++i)
      alpha[i] += std::sqrt(smallest / parts.values[k]) * along * parts.vectors[k][i];
  }
  return alpha;
}

Eigen eigen(const Gram& gram) {
  const std::size_t n = gram.size();
  Gram a = gram;
  std::vector<std::vector<double>> v(n, std::vector<double>(n, 0.0));  // v[k]: column k
  for (std::size_t i = 0; i < n; ++i) v[i][i] = 1;
  for (int sweep = 0; sweep < 60; ++sweep) {
    double off = 0, on = 0;
    for (std::size_t i = 0; i < n; ++i) {
      on += a(i, i) * a(i, i);
      for (std::size_t j = i + 1; j < n; ++j) off += a(i, j) * a(i, j);
    }
    if (off <= 1e-32 * on) break;
    for (std::size_t p = 0; p < n; ++p)
      for (std::size_t q = p + 1; q < n; ++q) {
        if (a(p, q) == 0) continue;
        const double theta = (a(q, q) - a(p, p)) / (2 * a(p, q));
        const double t = std::copysign(1 / (std::abs(theta) + std::sqrt(theta * theta + 1)), theta);
        const double c = 1 / std::sqrt(t * t + 1), s = t * c, cross = a(p, q);
        a(p, p) -= t * cross;
        a(q, q) += t * cross;
        a(p, q) = 0;
        for (std::size_t k = 0; k < n; ++k) {
          if (k != p && k != q) {
            const double kp = a(k, p), kq = a(k, q);
            a(k, p) = c * kp - s * kq;
            a(k, q) = s * kp + c * kq;
          }
          const double vp = v[p][k], vq = v[q][k];
          v[p][k] = c * vp - s * vq;
          v[q][k] = s * vp + c * vq;
        }
      }
  }
  std::vector<std::size_t> order = all_places(n);
  std::sort(order.begin(), order.end(),
            [&](std::size_t x, std::size_t y) { return a(x, x) < a(y, y); });
  Eigen parts;
  for (const std::size_t k : order) {
    parts.values.push_back(a(k, k));
    parts.vectors.push_back(v[k]);
  }
  return parts;
}

}  // namespace ktrain::solvers
