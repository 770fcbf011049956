// Damaged copies of good inputs, the same for the same seed.
#pragma once

#include <random>
#include <string>
#include <vector>

namespace ktrain::test {

// Calls use(text) with `count` mutants of the seeds: bytes flipped, inserted, removed, doubled
// runs, cut ends, pieces of another seed or of `tokens` spliced in.
template <class Use>
void for_each_mutant(const std::vector<std::string>& seeds, const std::vector<std::string>& tokens,
                     int count, Use&& use) {
  std::mt19937 engine(20);
  const auto below = [&](std::size_t n) { return n == 0 ? 0 : engine() % n; };
  for (int i = 0; i < count; ++i) {
    std::string text = seeds[below(seeds.size())];
    for (std::size_t edits = 1 + below(4); edits > 0; --edits) {
      const std::size_t at = below(text.size() + 1);
      switch (engine() % 7) {
        case 0:
          if (at < text.size()) text[at] = static_cast<char>(engine());
          break;
        case 1:
          text.insert(at, 1, static_cast<char>(engine()));
          break;
        case 2:
          text.erase(at, 1 + below(8));
          break;
        case 3:
          text.resize(at);
          break;
        case 4:
          text.insert(at, text.substr(at, below(60)));
          break;
        case 5: {
          const std::string& other = seeds[below(seeds.size())];
          text.insert(at, other.substr(below(other.size()), below(60)));
          break;
        }
        default:
          if (!tokens.empty()) text.insert(at, tokens[below(tokens.size())]);
      }
    }
    use(text);
  }
}

}  // namespace ktrain::test
