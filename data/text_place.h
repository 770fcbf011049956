// Line and column while somebody else's parser reads a text. Internal to data/.
#pragma once

#include <cstddef>
#include <iterator>

namespace ktrain {

struct TextPlace {
  int line = 1;
  int column = 0;
};

// An iterator over the text that keeps count of lines and columns, which the parser does not tell.
// All copies share the place.
class PlaceIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  PlaceIterator(const char* at, TextPlace* place) : at_(at), place_(place) {}
  reference operator*() const { return *at_; }
  PlaceIterator& operator++() {
    if (*at_ == '\n') {
      ++place_->line;
      place_->column = 0;
    } else {
      ++place_->column;
    }
    ++at_;
    return *this;
  }
  PlaceIterator operator++(int) {
    const PlaceIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const PlaceIterator& other) const { return at_ == other.at_; }
  bool operator!=(const PlaceIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  TextPlace* place_;
};

}  // namespace ktrain
