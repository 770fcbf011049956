#include "kernels/queue.h"

#include <chrono>

#include "kernels/check.h"
#include "kernels/profile.h"

namespace ktrain {
namespace {

thread_local Part current_part;

std::string name_of(const Part& part) {
  return part.backward ? std::string(part.name) + ", backward" : part.name;
}

}  // namespace

PartScope::PartScope(Part part) : before_(current_part) { current_part = part; }
PartScope::~PartScope() { current_part = before_; }
Part PartScope::current() { return current_part; }

double monotonic_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void Profile::add_time(const std::string& kernel, double seconds) {
  for (Entry* entry : {&entries_[kernel], &parts_[name_of(current_part)][kernel]}) {
    ++entry->calls;
    entry->seconds += seconds;
  }
}

void Profile::add_flops(const std::string& kernel, double flops) {
  entries_[kernel].flops += flops;
  parts_[name_of(current_part)][kernel].flops += flops;
}

ProfiledScope::ProfiledScope(const Queue& queue, const char* kernel)
    : profile_(queue.profile), kernel_(kernel) {
  if (profile_) begin_seconds_ = monotonic_seconds();
}

ProfiledScope::~ProfiledScope() {
  if (profile_) profile_->add_time(kernel_, monotonic_seconds() - begin_seconds_);
}

void fail_no_kernel(const Queue& queue, const char* kernel) {
  KT_CHECK(false, "{}: this kernel has no {} form; train with device = \"cpu\"", kernel,
           name(queue.device));
  __builtin_unreachable();
}

}  // namespace ktrain
