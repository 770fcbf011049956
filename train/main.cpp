#include <cstdio>

int main() {
  std::fputs("ktrain: no command yet\n", stderr);
  return 64;
}
