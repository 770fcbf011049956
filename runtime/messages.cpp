#include <algorithm>
#include <vector>

#include "runtime/fault.h"
#include "runtime/messages/families.h"

namespace ktrain {

std::span<const Message> messages() {
  static const std::vector<Message> all = [] {
    std::vector<Message> list;
    for (const auto family : {bug_messages(), config_messages(), checkpoint_messages(),
                              data_messages(), eval_messages(), experiment_messages(),
                              io_messages(), numeric_messages(), system_messages()})
      list.insert(list.end(), family.begin(), family.end());
    std::sort(list.begin(), list.end(), [](auto& a, auto& b) { return a.id < b.id; });
    return list;
  }();
  return all;
}

}  // namespace ktrain
