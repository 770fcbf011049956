// Expected numbers that a script of tests/reference/ computed with PyTorch and stored. A file is a
// list of "name size" lines, each followed by a line of `size` numbers.
#pragma once

#include <cstddef>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace ktrain::test {

class Reference {
 public:
  // `file` below tests/reference/data.
  explicit Reference(const std::string& file) {
    const std::string path = KT_SOURCE_DIR "/tests/reference/data/" + file;
    std::ifstream in(path);
    if (!in) throw std::runtime_error("cannot open " + path);
    std::string name, number;
    std::size_t size = 0;
    while (in >> name >> size) {
      std::vector<double>& values = values_[name];
      values.resize(size);
      for (double& value : values) {
        if (!(in >> number)) throw std::runtime_error(path + ": " + name + " ends early");
        value = std::stod(number);  // operator>> would not read "nan" or "inf"
      }
    }
    if (!in.eof()) throw std::runtime_error(path + ": a line that is no \"name size\"");
  }

  // Throws when there is no such name.
  template <class T = double>
  [[nodiscard]] std::vector<T> get(const std::string& name) const {
    const auto found = values_.find(name);
    if (found == values_.end()) throw std::runtime_error("no reference numbers named " + name);
    std::vector<T> values;
    for (const double value : found->second) values.push_back(static_cast<T>(value));
    return values;
  }

 private:
  std::map<std::string, std::vector<double>> values_;
};

}  // namespace ktrain::test
