// What a wrong call says.
#pragma once

#include <string>

#include "kernels/check.h"

namespace ktrain::test {

// The text of the Error that `call` throws.
template <class Call>
std::string message_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

}  // namespace ktrain::test
