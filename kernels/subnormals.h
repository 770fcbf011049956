// Numbers below 1.2e-38 have no fast arithmetic: where a sparse gradient fades through many layers,
// they make a pass several times as slow and say nothing.
#pragma once

namespace ktrain {

// While it lives, this thread and the threads of CPU kernels take subnormal numbers for zero. Not
// nested. On processors other than x86 it does nothing.
class FlushSubnormals {
 public:
  explicit FlushSubnormals(bool on);
  ~FlushSubnormals();
  FlushSubnormals(const FlushSubnormals&) = delete;
  FlushSubnormals& operator=(const FlushSubnormals&) = delete;

 private:
  bool on_;
};

}  // namespace ktrain
