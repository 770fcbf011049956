// How two modalities lie to each other on the unit sphere. u and v are rows of length 1, row i of
// one paired with row i of the other. All in double; throw Error when shapes differ.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "train/monitor/representation.h"

namespace ktrain {

// Every row over its length; a row of zeros stays what it is.
[[nodiscard]] SampleMatrix normalized_rows(SampleMatrix matrix);

// Wang and Isola 2020: mean of ||u_i - v_i||^2. 0 where pairs coincide, 4 where they are opposite,
// about 2 for strangers.
[[nodiscard]] double alignment(const SampleMatrix& u, const SampleMatrix& v);

// The same authors: ln of the mean of exp(-2 ||x_i - x_j||^2) over pairs i < j. 0 when everything
// has collapsed into one point, lower the more evenly the sphere is filled; never below -8. At
// least 2 rows.
[[nodiscard]] double uniformity(const SampleMatrix& x);

// ||mean u - mean v||, Liang et al. 2022. By itself it misleads: two clouds with one centre can be
// told apart by a line, so read it beside modality_auc.
[[nodiscard]] double modality_gap(const SampleMatrix& u, const SampleMatrix& v);

// The area under the ROC curve of `positive` against `negative`: the probability that a positive
// scores higher, ties counting half. Neither may be empty.
[[nodiscard]] double area_under_curve(std::span<const double> positive,
                                      std::span<const double> negative);

// How well a line tells u from v on rows that it has not seen: Fisher's linear discriminant with
// the pooled covariance shrunk by a tenth towards its mean variance, fitted on the rows of even
// `group`s and scored on the odd ones, then the other way round; the mean of both areas. Rows of
// one group (one image) are never on both sides. 1: the modality can be read off; 0.5: it cannot;
// below it by chance alone. None unless both sides have at least two rows.
[[nodiscard]] std::optional<double> modality_auc(const SampleMatrix& u, const SampleMatrix& v,
                                                 std::span<const std::int64_t> group);

}  // namespace ktrain
