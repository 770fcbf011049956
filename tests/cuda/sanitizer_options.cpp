// What the sanitizers of a program may do without: fibres have stacks of their own, tests ask for
// more memory than there is, and the emulation keeps its memory to the end.
extern "C" const char* __asan_default_options() {
  return "detect_stack_use_after_return=0:allocator_may_return_null=1:detect_leaks=0";
}
extern "C" const char* __ubsan_default_options() { return "print_stacktrace=1"; }
