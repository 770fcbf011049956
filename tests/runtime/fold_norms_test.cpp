// Norms with fixed statistics, all of them one op.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/ops.h"
#include "tests/support/tape.h"

namespace ktrain {
namespace {

using test::random_leaf;

constexpr double kEps = 1e-5;
using Numbers = std::vector<float>;

Numbers numbers(const Tensor& t) { return t.defined() ? t.to_vector<float>() : Numbers{}; }

// `count` norms of 3, 4, 5, ... channels.
std::vector<FrozenNorm> random_norms(const ContextPtr& c, unsigned count) {
  std::vector<FrozenNorm> norms;
  for (unsigned k = 0; k < count; ++k) {
    const Shape channels = {3 + static_cast<std::int64_t>(k)};
    norms.push_back({random_leaf(c, channels, 4 * k + 1), random_leaf(c, channels, 4 * k + 2),
                     random_leaf(c, channels, 4 * k + 3).detached(),
                     random_leaf(c, channels, 4 * k + 4, 0.5f, 2).detached()});
  }
  return norms;
}

std::vector<Tensor> leaves_of(const std::vector<FrozenNorm>& norms) {
  std::vector<Tensor> leaves;
  for (const FrozenNorm& norm : norms) leaves.insert(leaves.end(), {norm.gamma, norm.beta});
  return leaves;
}

// Scale and shift of each norm in turn.
std::vector<Tensor> fold(const std::vector<FrozenNorm>& norms, bool together = true) {
  std::vector<Tensor> results;
  const auto append = [&](const std::vector<FrozenNorm>& some) {
    for (const FoldedNorm& norm : fold_norms(some, kEps))
      results.insert(results.end(), {norm.scale, norm.shift});
  };
  if (together) append(norms);
  for (std::size_t k = 0; !together && k < norms.size(); ++k) append({norms[k]});
  return results;
}

// Cotangents of all results but those `without`.
CotangentSet cotangents(const std::vector<Tensor>& results, unsigned seed,
                        const std::vector<std::size_t>& without = {}) {
  CotangentSet set;
  for (const Tensor& result : results)
    set.push_back(random_leaf(result.context(), result.shape(), seed++).detached());
  for (const std::size_t r : without) set[r] = Tensor();
  return set;
}

std::vector<Numbers> grads(const std::vector<Tensor>& outputs, const CotangentSet& set,
                           const std::vector<Tensor>& wrt, Tape tape = Tape::kKeep) {
  std::vector<Numbers> found;
  for (const Tensor& gradient : gradients(outputs, set, wrt, tape))
    found.push_back(numbers(gradient));
  return found;
}

TEST(FoldNorms, GradientsAreTheDerivatives) {
  const ContextPtr c = make_cpu_context();
  std::vector<FrozenNorm> norms = random_norms(c, 3);
  const auto op = [&](const std::vector<Tensor>& leaves) {
    for (std::size_t k = 0; k < norms.size(); ++k)
      norms[k].gamma = leaves[2 * k], norms[k].beta = leaves[2 * k + 1];
    const std::vector<Tensor> results = fold(norms);
    std::vector<Tensor> rows;
    for (const Tensor& result : results) rows.push_back(reshape(result, {1, result.size()}));
    return concat_columns(rows);
  };
  EXPECT_LT(test::tape_error(op, leaves_of(norms)), 5e-3);  // see tape_error
}

// Whatever gradients there are: what each norm would give by an op of its own, to the bit.
TEST(FoldNorms, TogetherHaveTheBitsOfEachAlone) {
  const ContextPtr c = make_cpu_context();
  const std::vector<FrozenNorm> norms = random_norms(c, 3);
  const std::vector<Tensor> together = fold(norms), alone = fold(norms, false);
  for (std::size_t r = 0; r < together.size(); ++r)
    EXPECT_EQ(numbers(together[r]), numbers(alone[r])) << r;
  using Without = std::vector<std::size_t>;
  for (const Without& without : {Without{}, {0}, {1}, {2, 3}, {0, 1, 2, 5}, {0, 1, 2, 3, 4, 5}}) {
    const CotangentSet set = cotangents(together, 50, without);
    EXPECT_EQ(grads(together, set, leaves_of(norms)), grads(alone, set, leaves_of(norms)));
  }
  const CotangentSet set = cotangents(together, 50, {3});
  const std::vector<Tensor> asked = {together[0], together[3], norms[0].gamma};
  EXPECT_THAT(
      grads(together, set, asked, Tape::kConsume),
      testing::ElementsAre(numbers(set[0]), Numbers{}, grads(alone, set, {norms[0].gamma})[0]));
}

// One gamma in two norms, and a result that two ops use.
TEST(FoldNorms, SharedOnesAddUp) {
  const ContextPtr c = make_cpu_context();
  std::vector<FrozenNorm> norms = random_norms(c, 1);
  norms.push_back(norms[0]);
  const std::vector<Tensor> together = fold(norms), alone = fold(norms, false);
  const auto sum = [](const std::vector<Tensor>& r) {
    return std::vector{add(add(r[0], r[3]), r[0]), r[1], r[2]};
  };
  const CotangentSet set = cotangents(sum(together), 50);
  EXPECT_EQ(grads(sum(together), set, leaves_of(norms)), grads(sum(alone), set, leaves_of(norms)));
}

TEST(FoldNorms, FrozenPartsAreLeftOut) {
  const ContextPtr c = make_cpu_context();
  std::vector<FrozenNorm> norms = random_norms(c, 3);
  norms[0].gamma = norms[0].gamma.detached();
  norms[1].beta = norms[1].beta.detached();
  norms[2] = {norms[2].gamma.detached(), norms[2].beta.detached(), norms[2].mean, norms[2].var};
  const std::vector<Tensor> results = fold(norms);
  std::vector<bool> tied;
  for (const Tensor& result : results) tied.push_back(result.requires_grad());
  EXPECT_THAT(tied, testing::ElementsAre(false, true, true, true, false, false));
  const CotangentSet set = cotangents(results, 50);
  const auto found = grads(results, set, {norms[0].beta, norms[1].gamma, norms[2].gamma});
  EXPECT_EQ(found[0], numbers(set[1]));
  EXPECT_EQ(found[1].size(), 4u);
  EXPECT_EQ(found[2], Numbers{});
  const NoGradScope no_grad;
  EXPECT_FALSE(fold(random_norms(c, 1))[0].requires_grad());
  EXPECT_TRUE(fold_norms({}, kEps).empty());
}

TEST(FoldNorms, EverySetOfCotangentsHasTheBitsOfItsOwnWalk) {
  const ContextPtr c = make_cpu_context();
  const std::vector<FrozenNorm> norms = random_norms(c, 3);
  const std::vector<Tensor> results = fold(norms), leaves = leaves_of(norms);
  const std::vector<CotangentSet> sets = {cotangents(results, 50), cotangents(results, 60, {1, 4}),
                                          cotangents(results, 70, {0, 1, 2, 3, 4})};
  std::vector<std::vector<Numbers>> want, got(sets.size(), std::vector<Numbers>(leaves.size()));
  for (const CotangentSet& set : sets) want.push_back(grads(results, set, leaves));
  MultiWalk walk;
  walk.outputs = results;
  walk.sets = sets;
  walk.wrt = leaves;
  walk.consumer = [&](std::size_t entry, int, std::span<Tensor> of_sets) {
    for (std::size_t s = 0; s < sets.size(); ++s) {
      EXPECT_TRUE(got[s][entry].empty()) << "told once";
      got[s][entry] = numbers(of_sets[s]);
    }
  };
  (void)multi_gradients(walk);
  EXPECT_EQ(got, want);
}

}  // namespace
}  // namespace ktrain
