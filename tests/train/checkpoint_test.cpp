// The folder of checkpoints on the machine's own disk.
#include "train/checkpoint.h"

#include <filesystem>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/fault.h"
#include "tests/support/checkpoint_fixture.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_folder.h"

namespace ktrain {
namespace {

namespace fs = std::filesystem;
using test::FaultyFileSystem;
using test::StepArrays;
using test::TemporaryFolder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A run folder with its lock and checkpoints, and every line that the user saw.
class TestRun {
 public:
  explicit TestRun(const std::string& path, std::int64_t keep = 2,
                   FileSystem& files = real_file_system())
      : lock(files, path, notice()), folder(files, lock, "checkpoints", options(keep)) {}

  SavedCheckpoint save(std::int64_t step, const Metadata& metadata = {}) {
    return folder.save(step, StepArrays(step).arrays(), metadata);
  }

  std::vector<std::string> lines;
  FolderLock lock;
  CheckpointFolder folder;

 private:
  Notice notice() {
    return [this](const std::string& line) { lines.push_back(line); };
  }
  CheckpointOptions options(std::int64_t keep) {
    CheckpointOptions out;
    out.keep = keep;
    out.notice = notice();
    return out;
  }
};

template <class Call>
std::string fault_of(const std::string& id, Call call) {
  try {
    call();
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.id(), id);
    return fault.what();
  }
  ADD_FAILURE() << "no " << id;
  return "";
}

// Flips a bit of the arrays: they lie 972 bytes before the end, the record 96.
void damage(const std::string& path) {
  std::string text = test::read_text(path);
  text.at(text.size() - 500) ^= 1;
  test::write_text(path, text);
}

TEST(Checkpoint, NamesAreOursOnlyWhenExact) {
  EXPECT_EQ(checkpoint_name(1234), "step_00001234.safetensors");
  EXPECT_EQ(checkpoint_name(123456789012), "step_123456789012.safetensors");
  for (const std::int64_t step : {std::int64_t{0}, std::int64_t{1234}, std::int64_t{123456789012}})
    EXPECT_EQ(checkpoint_step(checkpoint_name(step)), step);
  for (const char* other :
       {"step_1234.safetensors", "step_00001234.safetensors.bak", "step_00001234",
        "step_.safetensors", "step_-0001234.safetensors", "step_+0001234.safetensors",
        "step_ 0001234.safetensors", "step_000000001234.safetensors", "Step_00001234.safetensors",
        "step_0000123x.safetensors", "step_99999999999999999999.safetensors", "best.safetensors",
        "step_safetensors", ""})
    EXPECT_FALSE(checkpoint_step(other).has_value()) << other;
}

TEST(Checkpoint, SaveAnnounceResume) {
  const TemporaryFolder folder;
  {
    TestRun run(folder / "runs/a");
    EXPECT_FALSE(run.folder.resume().has_value());
    const SavedCheckpoint saved = run.save(3, {{"epoch", "1"}, {"plan", "[train]\n"}});
    EXPECT_EQ(saved.bytes, fs::file_size(saved.path));
    EXPECT_THAT(run.lines, ElementsAre("durable step=3 " + run.folder.path_of(3)));
    EXPECT_EQ(test::read_text(run.folder.folder() + "/LATEST"), "step_00000003.safetensors\n");
    EXPECT_EQ(fs::status(saved.path).permissions(), fs::perms(0600));
    EXPECT_EQ(fs::status(run.folder.folder()).permissions(), fs::perms(0700));
  }
  TestRun run(folder / "runs/a");
  const auto loaded = run.folder.resume();
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->step(), 3);
  EXPECT_EQ(loaded->metadata("plan"), "[train]\n");
  EXPECT_TRUE(test::holds_its_step(*loaded));
  EXPECT_TRUE(run.lines.empty()) << run.lines[0];
}

TEST(Checkpoint, RetentionKeepsTheNewestVerifiedAndTheBest) {
  const TemporaryFolder folder;
  TestRun run(folder.path());
  run.save(1);
  run.save(2);
  run.folder.mark_best(1);
  for (std::int64_t step = 3; step <= 5; ++step) run.save(step);
  EXPECT_THAT(run.folder.steps(), ElementsAre(4, 5));
  const auto best = take_checkpoint(real_file_system(), run.folder.folder(), "best");
  ASSERT_TRUE(best.has_value());
  EXPECT_EQ(best->step(), 1);
  EXPECT_TRUE(test::holds_its_step(*best));
  // The same once more: a rename onto the same file must leave nothing behind.
  run.folder.mark_best(5);
  run.folder.mark_best(5);
  EXPECT_EQ(take_checkpoint(real_file_system(), run.folder.folder(), "best")->step(), 5);
  for (const auto& entry : fs::directory_iterator(run.folder.folder()))
    EXPECT_EQ(entry.path().string().find(".tmp"), std::string::npos) << entry.path();

  TestRun all(folder / "all", 0);
  for (std::int64_t step = 1; step <= 4; ++step) all.save(step);
  EXPECT_THAT(all.folder.steps(), ElementsAre(1, 2, 3, 4));
  EXPECT_THROW(TestRun(folder / "one", 1), Error);
}

// A damaged file does not count among those that are kept, and stays for who wants to look at it.
TEST(Checkpoint, RetentionCountsOnlyWhatVerifies) {
  const TemporaryFolder folder;
  {
    TestRun run(folder.path());
    for (std::int64_t step = 1; step <= 3; ++step) run.save(step);
    damage(run.folder.path_of(3));
  }
  TestRun run(folder.path());
  EXPECT_EQ(run.folder.resume()->step(), 2);
  EXPECT_THAT(run.lines.at(0), HasSubstr("step_00000003.safetensors: refused: "));
  run.save(4);
  EXPECT_THAT(run.folder.steps(), ElementsAre(2, 3, 4));
}

TEST(Checkpoint, TheSameStepAgain) {
  const TemporaryFolder folder;
  TestRun run(folder.path());
  run.save(1, {{"best", "0.5"}});
  run.save(1, {{"best", "0.6"}});
  EXPECT_EQ(run.folder.resume()->metadata("best"), "0.6");
  // Other contents: another run's, or a step that does not repeat; neither may be overwritten.
  EXPECT_THAT(
      fault_of("KT-CKPT-007", [&] { (void)run.folder.save(1, StepArrays(9).arrays(), {}); }),
      HasSubstr("with other contents"));
  EXPECT_EQ(run.folder.resume()->metadata("best"), "0.6");
  damage(run.folder.path_of(1));
  run.save(1, {{"best", "0.7"}});
  EXPECT_EQ(run.folder.resume()->metadata("best"), "0.7");
}

TEST(Checkpoint, NonFiniteStateIsNotSaved) {
  const TemporaryFolder folder;
  TestRun run(folder.path());
  const std::vector<float> bad = {0.0f, std::nanf("")};
  const std::vector<NamedArray> arrays = {named_array("w", {2}, std::span(bad))};
  fault_of("KT-NUM-020", [&] { (void)run.folder.save(1, arrays, {}); });
  EXPECT_TRUE(run.folder.steps().empty());
}

// C14, R5.
TEST(Checkpoint, AllBadIsAFaultAndNoFreshStart) {
  const TemporaryFolder folder;
  {
    TestRun run(folder.path());
    run.save(1);
    run.save(2);
    run.folder.mark_best(1);
    damage(run.folder.path_of(1));  // and with it the best, which is the same file
    fs::resize_file(run.folder.path_of(2), 0);
  }
  TestRun run(folder.path());
  const std::string text = fault_of("KT-CKPT-001", [&] { (void)run.folder.resume(); });
  EXPECT_THAT(text, HasSubstr("3 checkpoint file(s), none usable"));
  EXPECT_THAT(text, HasSubstr("step_00000002.safetensors: the file has 0 bytes"));
  EXPECT_THAT(text, HasSubstr("step_00000001.safetensors: array bytes 0 to 875 are damaged"));
  EXPECT_THAT(text, HasSubstr("--fresh"));
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_EQ(find_message("KT-CKPT-001")->exit, Exit::kCheckpoint);
}

TEST(Checkpoint, TheBestIsTheLastResort) {
  const TemporaryFolder folder;
  TestRun run(folder.path());
  run.save(1);
  run.folder.mark_best(1);
  fs::remove(run.folder.path_of(1));
  run.save(2);
  fs::resize_file(run.folder.path_of(2), 100);
  EXPECT_EQ(run.folder.resume()->step(), 1);
}

TEST(Checkpoint, AFileUnderAnotherStepsNameIsRefused) {
  const TemporaryFolder folder;
  TestRun run(folder.path());
  run.save(1);
  fs::copy_file(run.folder.path_of(1), run.folder.path_of(8));
  EXPECT_EQ(run.folder.resume()->step(), 1);
  EXPECT_THAT(run.lines.back(), HasSubstr("its metadata says step 1"));
}

TEST(Checkpoint, TakeByName) {
  const TemporaryFolder folder;
  FileSystem& files = real_file_system();
  EXPECT_FALSE(take_checkpoint(files, folder / "none", "best").has_value());
  TestRun run(folder.path(), 0);
  const std::string path = run.folder.folder();
  EXPECT_FALSE(take_checkpoint(files, path, "last").has_value());
  for (std::int64_t epoch = 1; epoch <= 3; ++epoch)
    run.save(10 * epoch, {{"epoch", std::to_string(epoch)}});
  EXPECT_FALSE(take_checkpoint(files, path, "best").has_value());
  EXPECT_EQ(take_checkpoint(files, path, "last")->step(), 30);
  EXPECT_EQ(take_checkpoint(files, path, "epoch_2")->step(), 20);
  EXPECT_FALSE(take_checkpoint(files, path, "epoch_4").has_value());
  // Saved in the middle of epoch 3, with two epochs behind it: not the end of epoch 2.
  run.save(25, {{"epoch", "2"}});
  EXPECT_EQ(take_checkpoint(files, path, "epoch_2")->step(), 20);
  damage(run.folder.path_of(20));
  fault_of("KT-CKPT-001", [&] { (void)take_checkpoint(files, path, "epoch_2", test::kSilent); });
}

// C13.
TEST(Checkpoint, IdentityListsEveryFieldThatDiffers) {
  const Metadata found = {{"plan", "aa"}, {"data", "dd"}, {"classes", "person"}, {"note", "x"}};
  EXPECT_NO_THROW(check_identity("x", found, {{"plan", "aa"}, {"data", "dd"}}));
  const std::string text = fault_of("KT-CKPT-002", [&] {
    check_identity("runs/a", found,
                   {{"plan", "bb"}, {"data", "dd"}, {"classes", "person,car"}, {"build", "1"}});
  });
  EXPECT_THAT(text, HasSubstr("build: 'nothing' there, '1' here; classes: 'person' there, "
                              "'person,car' here; plan: 'aa' there, 'bb' here"));
  EXPECT_EQ(text.find("data:"), std::string::npos);
}

// C15.
TEST(Checkpoint, ASecondRunIsTurnedAwayAndTheFirstUnaffected) {
  const TemporaryFolder folder;
  TestRun first(folder.path());
  first.save(1);
  const auto turned_away = [&] {
    return fault_of("KT-IO-011", [&] { const TestRun second(folder.path()); });
  };
  EXPECT_THAT(turned_away(), HasSubstr(fmt::format("process {}", ::getpid())));
  EXPECT_EQ(find_message("KT-IO-011")->exit, Exit::kCannotCreate);
  const pid_t child = ::fork();
  if (child == 0) {
    int result = 1;
    try {
      const TestRun second(folder.path());
    } catch (const Fault& fault) {
      result = static_cast<int>(fault.exit());
    }
    ::_exit(result);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 73);
  first.save(2);
  EXPECT_THAT(first.folder.steps(), ElementsAre(1, 2));
}

TEST(Checkpoint, ALockOfTheDeadIsTakenOver) {
  const TemporaryFolder folder;
  test::write_text(folder / "LOCK", "process 17, boot 00000000-0000-0000-0000-000000000000");
  {
    TestRun run(folder.path());
    EXPECT_THAT(run.lines.at(0), HasSubstr("taken over from process 17, boot 00000000"));
    EXPECT_THAT(test::read_text(folder / "LOCK"), HasSubstr(fmt::format("process {}", ::getpid())));
  }
  EXPECT_EQ(test::read_text(folder / "LOCK"), "");
  const TestRun again(folder.path());
  EXPECT_TRUE(again.lines.empty());
}

// C17, P7.
TEST(Checkpoint, ForeignFilesAreNeverTouched) {
  const TemporaryFolder folder;
  const std::string checkpoints = folder / "checkpoints";
  fs::create_directories(checkpoints + "/step_00000003.safetensors.tmp1");
  std::map<std::string, std::string> foreign = {
      {"step_1.safetensors", "mine"},
      {"step_00000001.safetensors.bak", "mine"},
      {"step_00000001.pth", "mine"},
      {"notes.txt", "mine"},
      {"best.safetensors.old", "mine"},
      {"step_00000001.safetensors.tmp", "mine"},
      {"step_00000001.safetensors.tmpx", "mine"},
      {"x.safetensors.tmp1", "mine"},
  };
  for (const auto& [name, text] : foreign) test::write_text(checkpoints + "/" + name, text);
  test::write_text(folder / "elsewhere", "precious");
  fs::create_symlink(folder / "elsewhere", checkpoints + "/step_00000001.safetensors");
  fs::create_symlink(folder / "elsewhere", checkpoints + "/best.safetensors.tmp2");
  test::write_text(checkpoints + "/step_00000007.safetensors.tmp2", "left over");

  FaultyFileSystem quick(real_file_system());
  quick.sleeps = false;
  TestRun run(folder.path(), 2, quick);
  EXPECT_FALSE(fs::exists(checkpoints + "/step_00000007.safetensors.tmp2"));
  EXPECT_THAT(run.lines.at(0), HasSubstr("a save was cut short here"));
  for (std::int64_t step = 2; step <= 5; ++step) run.save(step);
  for (const auto& [name, text] : foreign)
    EXPECT_EQ(test::read_text(checkpoints + "/" + name), text) << name;
  EXPECT_TRUE(fs::is_symlink(checkpoints + "/step_00000001.safetensors"));
  EXPECT_TRUE(fs::is_symlink(checkpoints + "/best.safetensors.tmp2"));
  EXPECT_TRUE(fs::is_directory(checkpoints + "/step_00000003.safetensors.tmp1"));
  EXPECT_EQ(test::read_text(folder / "elsewhere"), "precious");
}

// A link under our name is neither followed nor replaced.
TEST(Checkpoint, LinksUnderOurNamesAreRefused) {
  const TemporaryFolder folder;
  test::write_text(folder / "elsewhere", "precious");
  FaultyFileSystem quick(real_file_system());
  quick.sleeps = false;
  TestRun run(folder.path(), 2, quick);
  run.save(1);
  fs::create_symlink(folder / "elsewhere", run.folder.folder() + "/best.safetensors");
  fault_of("KT-IO-010", [&] { run.folder.mark_best(1); });
  fs::create_symlink(folder / "elsewhere", run.folder.path_of(2));
  fault_of("KT-IO-010", [&] { run.save(2); });
  EXPECT_EQ(test::read_text(folder / "elsewhere"), "precious");
  EXPECT_EQ(run.folder.resume()->step(), 1);
}

TEST(Checkpoint, AFolderThatCannotBeMadeIsAFault) {
  const TemporaryFolder folder;
  test::write_text(folder / "file", "");
  fault_of("KT-IO-012", [&] { const TestRun run(folder / "file/run"); });
  fault_of("KT-IO-012", [&] { const TestRun run(folder / "file"); });
}

// C9: the folder goes away under a run.
TEST(Checkpoint, AFolderThatVanishesEndsInAnIoFault) {
  const TemporaryFolder folder;
  FaultyFileSystem quick(real_file_system());
  quick.sleeps = false;
  TestRun run(folder / "a", 2, quick);
  run.save(1);
  fs::rename(folder / "a", folder / "b");
  fault_of("KT-IO-010", [&] { run.save(2); });
  fs::rename(folder / "b", folder / "a");
  EXPECT_EQ(run.folder.resume()->step(), 1);
}

// C2 on the real disk: a child kills itself with SIGKILL at each call in turn.
TEST(Checkpoint, SigkillAtEveryCallOfASave) {
  int killed = 0;
  for (std::int64_t call = 1;; call += 2) {
    const TemporaryFolder folder;
    const std::string path = folder / "run";
    { TestRun(path).save(1); }
    const pid_t child = ::fork();
    if (child == 0) {
      FaultyFileSystem files(real_file_system());
      files.die_at = call;
      files.die_when =
          call % 4 == 1 ? FaultyFileSystem::When::kMiddle : FaultyFileSystem::When::kAfter;
      files.die = [] { ::raise(SIGKILL); };
      try {
        TestRun run(path, 2, files);
        run.save(2);
        run.folder.mark_best(2);
        run.save(3);
      } catch (const std::exception&) {
        ::_exit(2);
      }
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    if (WIFEXITED(status)) {
      EXPECT_EQ(WEXITSTATUS(status), 0);
      break;
    }
    ++killed;
    TestRun run(path);
    const auto loaded = run.folder.resume();
    ASSERT_TRUE(loaded.has_value()) << call;
    EXPECT_TRUE(test::holds_its_step(*loaded)) << call;
    EXPECT_EQ(run.save(loaded->step() + 1).step, loaded->step() + 1);
  }
  EXPECT_GT(killed, 30);
}

}  // namespace
}  // namespace ktrain
