#include "train/explain.h"

#include <array>

#include "train/plan_text.h"

namespace ktrain {
namespace {

struct ExitLine {
  Exit code;
  std::string_view name, meaning;
};

constexpr auto kExits = std::to_array<ExitLine>({
    {Exit::kDone, "DONE", "finished by plan or by early stop"},
    {Exit::kUsage, "USAGE", "bad command line"},
    {Exit::kData, "DATA", "bad image, annotation, list or results file"},
    {Exit::kNoInput, "NOINPUT", "a file or folder is missing"},
    {Exit::kUnavailable, "UNAVAILABLE", "no usable GPU, driver or library"},
    {Exit::kBug, "BUG", "an invariant of ktrain is broken; please report it"},
    {Exit::kOutOfMemory, "OUTOFMEMORY", "not enough memory for what was asked"},
    {Exit::kCannotCreate, "CANTCREATE", "an output folder is not writable or is in use"},
    {Exit::kIo, "IOERR", "state could not be made durable"},
    {Exit::kPreempted, "PREEMPTED", "saved on request; the same command goes on"},
    {Exit::kPlan, "PLAN", "bad plan"},
    {Exit::kNonFinite, "NONFINITE", "a number is not finite, or a loss trains nothing"},
    {Exit::kCheckpoint, "CHECKPOINT", "no usable checkpoint, or not one for this plan"},
    {Exit::kInterrupted, "INTERRUPTED", "stopped by the user after saving"},
});

std::string exit_table() {
  std::string text = "exit codes\n";
  for (const ExitLine& line : kExits)
    text +=
        fmt::format("  {:>3}  {:<12} {}\n", static_cast<int>(line.code), line.name, line.meaning);
  return text;
}

std::string message_list() {
  std::string text = "messages (ktrain explain ID tells more)\n";
  for (const Message& message : messages())
    text += fmt::format("  {:<12} exit {:>3}  {}\n", message.id, static_cast<int>(message.exit),
                        message.title);
  return text;
}

}  // namespace

std::string_view exit_name(Exit code) {
  for (const ExitLine& line : kExits)
    if (line.code == code) return line.name;
  return "UNKNOWN";
}

std::string explain(std::string_view topic) {
  if (topic == "exit") return exit_table();
  if (topic == "messages") return message_list();
  if (const Message* const message = find_message(topic))
    return fmt::format("{}: {}\n\n{}\n\nexit code {} {}\n", message->id, message->title,
                       message->explanation, static_cast<int>(message->exit),
                       exit_name(message->exit));
  const std::string keys = reference_text(topic == "plan" ? "" : topic);
  if (!keys.empty() && !topic.empty()) return keys;
  throw_fault("KT-CLI-002",
              "nothing is known about '{}'; wanted a message id such as KT-CFG-001, part of a plan "
              "key, or one of plan, messages, exit",
              printable(topic));
}

}  // namespace ktrain
