#include "train/recovery/decisions.h"

#include "runtime/fault.h"
#include "train/utc_time.h"

namespace ktrain {
namespace {

const std::string kFile = "decisions.jsonl", kMarkdown = "recovery.md";

// Where two records part, and what stands there.
std::string first_difference(const OrderedJson& before, const OrderedJson& now) {
  const nlohmann::json a = before, b = now;
  const auto patch = nlohmann::json::diff(a, b);
  if (patch.empty()) return "";
  const std::string path = patch[0]["path"];
  const nlohmann::json::json_pointer at(path);
  const auto text = [&](const nlohmann::json& j) {
    return j.contains(at) ? printable(j[at].dump(), 80) : std::string("nothing");
  };
  return fmt::format("{} was {}, is {}", path, text(a), text(b));
}

}  // namespace

Decisions::Decisions(RunFolder& folder, const Recovery& recovery)
    : folder_(folder), recovery_(recovery) {
  const std::string text = folder.read(kFile);
  std::int64_t number = 0;
  for (std::size_t at = 0, end = 0; (end = text.find('\n', at)) != std::string::npos;
       at = end + 1) {
    ++number;
    auto json = OrderedJson::parse(text.substr(at, end - at), nullptr, false);
    if (!json.is_object())
      throw_fault("KT-REC-001", "{}/{}:{}: not a JSON object; --fresh starts over", folder.path(),
                  kFile, number);
    before_.push_back(std::move(json));
  }
  known_ = before_.size();
}

const OrderedJson& Decisions::add(OrderedJson record) {
  OrderedJson full = {{"n", records_.size() + 1}};
  full.update(record);
  if (records_.size() < known_) {
    const OrderedJson& before = before_[records_.size()];
    OrderedJson compared = before;
    compared.erase("time");
    const std::string difference = first_difference(compared, full);
    if (!difference.empty())
      throw_fault(
          "KT-REC-001",
          "{}/{}:{}: decided otherwise before: {}; put back what has changed, or start over "
          "with --fresh",
          folder_.path(), kFile, records_.size() + 1, difference);
    records_.push_back(before);
    // A process that was killed between the two files left the second one behind.
    if (records_.size() == known_)
      folder_.write(kMarkdown, decisions_markdown(recovery_, records_));
    return records_.back();
  }
  full["time"] = utc_now();
  records_.push_back(std::move(full));
  write();
  return records_.back();
}

void Decisions::write() {
  std::string text;
  for (const OrderedJson& record : records_) text += record.dump() + '\n';
  folder_.write(kFile, text);
  folder_.write(kMarkdown, decisions_markdown(recovery_, records_));
}

}  // namespace ktrain
