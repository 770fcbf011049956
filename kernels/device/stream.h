// A stream of work for a GPU, owned. A host header: it compiles without the toolkit.
#pragma once

#include "kernels/queue.h"

namespace ktrain {

// Work of one stream runs in order; it does not wait for the default stream. Errors are Error.
class Stream {
 public:
  Stream();
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  [[nodiscard]] CudaStream get() const { return stream_; }
  // Returns when all work given to the stream is done; throws what that work did wrong.
  void synchronize() const;

 private:
  CudaStream stream_ = nullptr;
};

}  // namespace ktrain
