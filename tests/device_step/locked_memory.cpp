// For all tests of this program: a loop on the host over memory of the emulated GPU ends it.
#include <cstdlib>

namespace {

[[maybe_unused]] const int locked = setenv("KT_EMULATION_LOCK", "1", 0);

}  // namespace
