#include "kernels/device/emulation/fiber.h"

#include <cstdint>
#include <cstdlib>

#include "kernels/device/emulation/sanitizers.h"

#if !defined(__x86_64__) && !defined(KT_EMULATION_UCONTEXT)
#define KT_EMULATION_UCONTEXT
#endif
#ifdef KT_EMULATION_UCONTEXT
#include <ucontext.h>
#endif

// switch_stack(save, load): saves the callee's registers and the stack pointer in *save and goes on
// where `load` was saved.
#ifndef KT_EMULATION_UCONTEXT
extern "C" void ktrain_switch_stack(void** save, void* load);
asm(R"(
.text
.type ktrain_switch_stack,@function
ktrain_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp,(%rdi)
  movq %rsi,%rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  popq %rcx
  jmp *%rcx
.size ktrain_switch_stack,.-ktrain_switch_stack
)");
#endif

namespace ktrain::emulation {
namespace {

// The one scheduler that fibres are resumed from, and the fibre that runs.
struct Scheduler {
  void* stack_pointer = nullptr;
  void* fake_stack = nullptr;
  const void* stack = nullptr;  // AddressSanitizer's idea of the scheduler's stack
  std::size_t bytes = 0;
  Fiber* running = nullptr;
};
Scheduler scheduler;

void switch_stack(void** save, void* load) {
#ifdef KT_EMULATION_UCONTEXT
  ucontext_t here;
  *save = &here;
  swapcontext(&here, static_cast<ucontext_t*>(load));
#else
  ktrain_switch_stack(save, load);
#endif
}

}  // namespace

void Fiber::first_frame() {
#if KT_EMULATION_ASAN
  __sanitizer_finish_switch_fiber(nullptr, &scheduler.stack, &scheduler.bytes);
#endif
  scheduler.running->entry_();
  std::abort();  // an entry ends with leave()
}

void Fiber::prepare(char* stack, std::size_t bytes, std::size_t number, void (*entry)()) {
  stack_ = stack;
  bytes_ = bytes;
  fake_stack_ = nullptr;
  entry_ = entry;
  auto top = reinterpret_cast<std::uintptr_t>(stack) + bytes - number * 576 % 16384;
  top &= ~std::uintptr_t{63};
#ifdef KT_EMULATION_UCONTEXT
  top -= sizeof(ucontext_t) + 64;
  auto* const context = reinterpret_cast<ucontext_t*>(top & ~std::uintptr_t{63});
  getcontext(context);
  context->uc_stack.ss_sp = stack;
  context->uc_stack.ss_size = reinterpret_cast<char*>(context) - stack;
  context->uc_link = nullptr;
  makecontext(context, &first_frame, 0);
  stack_pointer_ = context;
#else
  // The entry never returns, so that the red zones of its frame are still there from the last use.
  allow(reinterpret_cast<void*>(top - 4096), 4096);
  void** p = reinterpret_cast<void**>(top);
  *--p = nullptr;  // keeps the stack aligned as at a call
  *--p = reinterpret_cast<void*>(&first_frame);
  for (int saved_register = 0; saved_register < 6; ++saved_register) *--p = nullptr;
  stack_pointer_ = p;
#endif
}

void Fiber::resume() {
  scheduler.running = this;
#if KT_EMULATION_ASAN
  __sanitizer_start_switch_fiber(&scheduler.fake_stack, stack_, bytes_);
#endif
  switch_stack(&scheduler.stack_pointer, stack_pointer_);
#if KT_EMULATION_ASAN
  __sanitizer_finish_switch_fiber(scheduler.fake_stack, nullptr, nullptr);
#endif
  scheduler.running = nullptr;
}

void Fiber::suspend() {
  Fiber* const self = scheduler.running;
#if KT_EMULATION_ASAN
  __sanitizer_start_switch_fiber(&self->fake_stack_, scheduler.stack, scheduler.bytes);
#endif
  switch_stack(&self->stack_pointer_, scheduler.stack_pointer);
#if KT_EMULATION_ASAN
  __sanitizer_finish_switch_fiber(self->fake_stack_, nullptr, nullptr);
#endif
}

void Fiber::leave() {
  Fiber* const self = scheduler.running;
#if KT_EMULATION_ASAN
  __sanitizer_start_switch_fiber(nullptr, scheduler.stack, scheduler.bytes);  // frees a fake stack
#endif
  switch_stack(&self->stack_pointer_, scheduler.stack_pointer);
  std::abort();  // nobody resumes a fibre that left
}

void Fiber::abandon() { allow(stack_, bytes_); }

}  // namespace ktrain::emulation
