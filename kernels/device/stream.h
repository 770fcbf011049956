// A stream of work for a GPU, owned, and points in it. A host header: it compiles without the
// toolkit.
#pragma once

#include "kernels/queue.h"

struct CUevent_st;

namespace ktrain {

// Work of one stream runs in order; it does not wait for the default stream or another one, but
// where an event holds it. Errors are Error.
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

// A point in a stream's work. Takes no time.
class Event {
 public:
  Event();
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  // The point is where the stream's work ends now.
  void record(CudaStream stream);
  // Returns when the work before the point is done, at once when there is no point yet. Work behind
  // it goes on.
  void wait() const;
  // What is given to `stream` from now on waits for the point; the host does not.
  void hold(CudaStream stream) const;

 private:
  [[maybe_unused]] CUevent_st* event_ = nullptr;
};

}  // namespace ktrain
