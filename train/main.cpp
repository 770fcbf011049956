#include <iostream>

#include "train/cli.h"

int main(int argc, char** argv) {
  return ktrain::run({argv + 1, argv + argc}, std::cout, std::cerr);
}
