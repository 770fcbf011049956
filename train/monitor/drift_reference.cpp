#include "train/monitor/drift_reference.h"

#include <algorithm>
#include <filesystem>

#include "runtime/fault.h"
#include "runtime/sha256.h"
#include "train/tensor_arrays.h"

namespace ktrain {
namespace {

constexpr std::string_view kLayer = "layer.", kMean = ".mean", kVariance = ".variance",
                           kFeatures = "features.", kWeights = "weights.", kOrder = "layers";

// Arrays of a file refer to memory of somebody else: this holds it.
struct Pool {
  std::vector<std::vector<double>> doubles;
  std::vector<std::vector<float>> floats;
};

template <class T>
NamedArray array_of(std::string name, ArrayType type, std::vector<std::int64_t> shape,
                    const std::vector<T>& values) {
  return {{std::move(name), type, std::move(shape)}, std::as_bytes(std::span(values))};
}

template <class T>
std::vector<T> values_of(const NamedArray& array, ArrayType type, const std::string& path) {
  if (array.spec.type != type)
    throw_fault("KT-CKPT-003", "{}: '{}' is {}, wanted {}", path, array.spec.name,
                array.spec.text(), type_name(type));
  std::vector<T> values(array.bytes.size() / sizeof(T));
  std::copy(array.bytes.begin(), array.bytes.end(),
            std::as_writable_bytes(std::span(values)).begin());
  return values;
}

NamedArray required(const LoadedCheckpoint& from, const std::string& name) {
  const auto found = from.find(name);
  if (!found)
    throw_fault("KT-CKPT-003",
                "{}: has no array '{}', so it is no reference of a run's drift; remove it and set "
                "monitor.reference, or start over with --fresh",
                from.path(), name);
  return *found;
}

std::string names_of(const Activations& activations) {
  std::string text;
  for (const LayerStatistics& layer : activations.layers) text += layer.layer + "\n";
  return text;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0, end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1)
    lines.push_back(text.substr(at, end - at));
  return lines;
}

std::string groups_of(const Activations& activations) {
  std::string text;
  for (const FeatureRows& part : activations.features) text += part.group + "\n";
  return text;
}

}  // namespace

std::string weights_hash(const ParameterSet& parameters, const std::set<std::string>& without) {
  Sha256 hash;
  for (const Parameter& parameter : parameters.all()) {
    if (without.contains(parameter.name)) continue;
    const NamedArray array = named_array(parameter.name, parameter.value);
    hash.update(parameter.name);
    hash.update("\n");
    hash.update(array.bytes.data(), array.bytes.size());
  }
  return hash.hex();
}

void save_drift_reference(FileSystem& files, const std::string& path,
                          const DriftReference& reference, const ParameterSet& parameters,
                          const std::set<std::string>& without) {
  Pool pool;
  const auto& layers = reference.activations.layers;
  const auto& features = reference.activations.features;
  pool.doubles.reserve(2 * layers.size());
  pool.floats.reserve(features.size());
  std::vector<NamedArray> arrays;
  for (const LayerStatistics& layer : layers) {
    std::vector<double> mean, variance;
    for (const ChannelMoments& channel : layer.channels) {
      mean.push_back(channel.mean);
      variance.push_back(channel.variance);
    }
    for (const auto& [suffix, values] :
         {std::pair(kMean, std::move(mean)), std::pair(kVariance, std::move(variance))}) {
      pool.doubles.push_back(values);
      arrays.push_back(array_of(fmt::format("{}{}{}", kLayer, layer.layer, suffix), ArrayType::kF64,
                                {static_cast<std::int64_t>(values.size())}, pool.doubles.back()));
    }
  }
  for (const FeatureRows& part : features) {
    // Rounded to float when they were measured: nothing is lost.
    std::vector<float> values;
    for (const double value : part.rows.values) values.push_back(static_cast<float>(value));
    pool.floats.push_back(std::move(values));
    arrays.push_back(array_of(fmt::format("{}{}", kFeatures, part.group), ArrayType::kF32,
                              {part.rows.rows, part.rows.columns}, pool.floats.back()));
  }
  for (const Parameter& parameter : parameters.all())
    if (parameter.kind != ParameterKind::kBuffer && !without.contains(parameter.name))
      arrays.push_back(named_array(fmt::format("{}{}", kWeights, parameter.name), parameter.value));
  const std::string temporary = path + ".tmp";
  try {
    try_remove(files, temporary);
    (void)write_checkpoint_file(files, temporary, arrays,
                                {{"reference", reference.hash},
                                 {"source", reference.source},
                                 {"anchors", reference.anchors},
                                 {"data", reference.data},
                                 {std::string(kOrder), names_of(reference.activations)},
                                 {"groups", groups_of(reference.activations)}});
    files.rename_over(temporary, path);
    files.sync_folder(std::filesystem::path(path).parent_path().string());
  } catch (const IoError& error) {
    try_remove(files, temporary);
    throw_fault("KT-IO-001", "{}: {}; make room or set monitor.drift = \"off\"", path,
                error.what());
  }
}

DriftReference load_drift_reference(const LoadedCheckpoint& from) {
  DriftReference out{from.metadata("reference"),
                     from.metadata("source"),
                     from.metadata("anchors"),
                     from.metadata("data"),
                     {}};
  for (const std::string& name : lines_of(from.metadata(std::string(kOrder)))) {
    const auto values = [&](std::string_view suffix) {
      return values_of<double>(required(from, fmt::format("{}{}{}", kLayer, name, suffix)),
                               ArrayType::kF64, from.path());
    };
    const std::vector<double> mean = values(kMean), variance = values(kVariance);
    if (mean.size() != variance.size())
      throw_fault("KT-CKPT-003", "{}: layer '{}' has {} means and {} variances", from.path(), name,
                  mean.size(), variance.size());
    LayerStatistics layer{name, {}};
    for (std::size_t c = 0; c < mean.size(); ++c) layer.channels.push_back({mean[c], variance[c]});
    out.activations.layers.push_back(std::move(layer));
  }
  for (const std::string& group : lines_of(from.metadata("groups"))) {
    const NamedArray array = required(from, fmt::format("{}{}", kFeatures, group));
    if (array.spec.shape.size() != 2)
      throw_fault("KT-CKPT-003", "{}: '{}' is {}, wanted a matrix", from.path(), array.spec.name,
                  array.spec.text());
    const std::vector<float> values = values_of<float>(array, ArrayType::kF32, from.path());
    out.activations.features.push_back(
        {group, {array.spec.shape[0], array.spec.shape[1], {values.begin(), values.end()}}});
  }
  return out;
}

ReferenceWeights reference_weights(const LoadedCheckpoint& from) {
  return [&from](const Parameter& parameter) {
    const auto found = from.find(fmt::format("{}{}", kWeights, parameter.name));
    return found ? values_of<float>(*found, ArrayType::kF32, from.path()) : std::vector<float>{};
  };
}

WeightsScope::WeightsScope(ParameterSet& parameters) : parameters_(parameters) {
  for (const Parameter& parameter : parameters.all())
    values_.push_back(parameter.value.to_vector<float>());
}

WeightsScope::~WeightsScope() {
  for (std::size_t i = 0; i < values_.size(); ++i)
    parameters_.all()[i].value.copy_from<float>(values_[i]);
}

}  // namespace ktrain
