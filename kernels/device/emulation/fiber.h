// Fibres: functions with a stack of their own that stop in the middle and go on later. One host
// thread runs all of them; a switch costs a few nanoseconds, which is what makes 1024 CUDA threads
// with a barrier between every two lines affordable.
#pragma once

#include <cstddef>

namespace ktrain::emulation {

class Fiber {
 public:
  // The next resume() calls `entry` on the stack [stack, stack + bytes), which the caller keeps.
  // `entry` must end with leave(). `number` staggers the tops: stacks at equal offsets would fight
  // for the same cache sets.
  void prepare(char* stack, std::size_t bytes, std::size_t number, void (*entry)());
  // Runs the fibre until it suspends or leaves. Never called from inside a fibre.
  void resume();
  // Goes back to whoever resumed the running fibre.
  static void suspend();
  // Does not return. Not declared so: AddressSanitizer would clear the whole stack before each
  // call.
  static void leave();
  // A fibre that will never be resumed: its stack may be used again.
  void abandon();

  [[nodiscard]] bool owns(const void* p) const {
    return static_cast<const char*>(p) >= stack_ && static_cast<const char*>(p) < stack_ + bytes_;
  }

 private:
  static void first_frame();

  void (*entry_)() = nullptr;
  void* stack_pointer_ = nullptr;
  char* stack_ = nullptr;
  std::size_t bytes_ = 0;
  void* fake_stack_ = nullptr;  // AddressSanitizer's
};

}  // namespace ktrain::emulation
