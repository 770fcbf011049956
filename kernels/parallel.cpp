#include "kernels/parallel.h"

#include <omp.h>

#include "kernels/check.h"

namespace ktrain {

void set_num_threads(int threads) {
  KT_CHECK(threads >= 0 && threads <= 1024, "set_num_threads: {} threads asked, 0 to 1024 allowed",
           threads);
  omp_set_num_threads(threads == 0 ? omp_get_num_procs() : threads);
}

int num_threads() { return omp_get_max_threads(); }

}  // namespace ktrain
