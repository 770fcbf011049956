// Eigen as this project includes it: for sources only, never for headers.
#pragma once

// Blocks of a product, and with them the order of its sums, would depend on the number of threads.
#define EIGEN_DONT_PARALLELIZE

// GCC 12 takes the undefined halves in its own AVX-512 headers for a mistake of ours (GCC bug
// 105593). It judges by the state at that header, so this is not popped.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include <Eigen/Cholesky>
#include <Eigen/QR>
#include <Eigen/SVD>
