#include "bench/rivals/library.h"

#include <cstdlib>
#include <sstream>

#include <dlfcn.h>
#include <link.h>

namespace ktrain::bench {

Library::Library(const std::vector<std::string>& names) {
  std::vector<std::string> folders;
  if (const char* const listed = std::getenv("KT_RIVALS")) {
    std::istringstream in(listed);
    for (std::string folder; std::getline(in, folder, ':');)
      if (!folder.empty()) folders.push_back(folder + "/");
  }
  folders.insert(folders.end(), {"", "/usr/local/cuda/lib64/"});
  for (const std::string& folder : folders)
    for (const std::string& name : names) {
      handle_ = dlopen((folder + name).c_str(), RTLD_NOW | RTLD_LOCAL);
      if (!handle_) continue;
      link_map* map = nullptr;
      path_ = dlinfo(handle_, RTLD_DI_LINKMAP, &map) == 0 && map ? map->l_name : name;
      return;
    }
  reason_ = names.front() + " is not here (KT_RIVALS may name its folder)";
}

void* Library::symbol(const char* name) {
  if (!handle_) return nullptr;
  void* const found = dlsym(handle_, name);
  if (!found && reason_.empty()) reason_ = path_ + " has no " + name;
  return found;
}

}  // namespace ktrain::bench
