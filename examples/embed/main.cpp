// A small net on ktrain::runtime alone: convolution, ReLU, linear layer, softmax cross-entropy, and
// one step of plain gradient descent.
#include <cstdio>
#include <vector>

#include "runtime/ops.h"
#include "runtime/parameters.h"
#include "runtime/random.h"

using ktrain::Tensor;

int main() {
  const ktrain::ContextPtr context = ktrain::make_cpu_context();
  ktrain::ParameterSet parameters;
  const auto weight = [&](const char* name, const ktrain::Shape& shape) {
    return parameters.add(
        name,
        ktrain::initial_tensor(context, shape, ktrain::xavier_uniform(shape), /*seed=*/1, name),
        ktrain::ParameterKind::kWeight);
  };
  const Tensor filters = weight("conv.weight", {8, 3, 3, 1});  // KRSC
  const Tensor matrix = weight("fc.weight", {2, 4 * 4 * 8});

  // Four 8x8 images, NHWC: two with bright rows, two with bright columns.
  std::vector<float> pixels;
  for (int image = 0; image < 4; ++image)
    for (int row = 0; row < 8; ++row)
      for (int col = 0; col < 8; ++col)
        pixels.push_back((image < 2 ? row : col) % 2 == 0 ? 1.0f : -1.0f);
  const Tensor images = Tensor::from<float>(context, {4, 8, 8, 1}, pixels);
  const Tensor labels =
      Tensor::from<std::int32_t>(context, {4}, std::vector<std::int32_t>{0, 0, 1, 1});
  const Tensor count = ktrain::filled(context, {1}, 4);

  const auto loss = [&] {
    const Tensor maps = ktrain::conv2d(images, filters, {}, {.stride = 2, .pad = 1, .relu = true});
    const Tensor scores = ktrain::linear(ktrain::reshape(maps, {4, 4 * 4 * 8}), matrix, Tensor());
    return ktrain::cross_entropy(scores, labels, count);
  };

  const Tensor before = loss();
  const std::vector<Tensor> gradients = ktrain::backward(before, parameters);
  for (std::size_t i = 0; i < gradients.size(); ++i)
    ktrain::accumulate_into(parameters.all()[i].value,
                            ktrain::weighted_sum({gradients[i]}, {-0.05f}));
  std::printf("loss before: %.6f\nloss after:  %.6f\n", before.item(), loss().item());
}
