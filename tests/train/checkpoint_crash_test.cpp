// Every call to the file system that a few saves make is made to fail, and the process to die and
// the power to go before, in the middle of and after it.
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/fault.h"
#include "tests/support/checkpoint_fixture.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/simulated_disk.h"
#include "train/checkpoint.h"

namespace ktrain {
namespace {

using test::Death;
using test::FaultyFileSystem;
using test::SimulatedDisk;
using test::StepArrays;
using ::testing::HasSubstr;
using When = FaultyFileSystem::When;

constexpr std::int64_t kLastStep = 4;

// What the user has been told.
struct Told {
  std::int64_t durable = -1;
  int warnings = 0;
  Notice notice() {
    return [this](const std::string& line) {
      if (line.starts_with("durable step=")) durable = std::stoll(line.substr(13));
      warnings += line.find("warning") != std::string::npos ? 1 : 0;
    };
  }
};

CheckpointOptions options(Told& told) {
  CheckpointOptions out;
  out.notice = told.notice();
  return out;
}

// A run: makes its folders, saves steps 1 to 4, of which two stay, and marks a best one.
void run(FileSystem& files, Told& told) {
  const FolderLock lock(files, "runs/a", told.notice());
  CheckpointFolder folder(files, lock, "checkpoints", options(told));
  (void)folder.resume();
  for (std::int64_t step = 1; step <= kLastStep; ++step) {
    (void)folder.save(step, StepArrays(step).arrays(), {{"epoch", std::to_string(step)}});
    if (step == 2 || step == 3) folder.mark_best(step);
  }
}

SimulatedDisk::State empty_disk() {
  SimulatedDisk disk;
  disk.make_folder("runs");
  disk.sync_folder(".");
  return disk.state();
}

// P1 and P2 for one state of the disk: what was announced is there or something newer is, it is
// whole, and the run goes on from it.
void expect_survives(const SimulatedDisk::State& state, std::int64_t durable,
                     const std::string& where) {
  SimulatedDisk disk(state);
  Told told;
  try {
    const FolderLock lock(disk, "runs/a", told.notice());
    CheckpointFolder folder(disk, lock, "checkpoints", options(told));
    const auto loaded = folder.resume();
    ASSERT_TRUE(loaded.has_value() || durable < 0) << where << ": step " << durable << " is lost";
    if (loaded) {
      ASSERT_GE(loaded->step(), durable) << where;
      ASSERT_TRUE(test::holds_its_step(*loaded)) << where;
    }
    for (const auto& entry : disk.list("runs/a/checkpoints"))
      ASSERT_EQ(entry.name.find(".tmp"), std::string::npos) << where << ": " << entry.name;
    const auto best = take_checkpoint(disk, "runs/a/checkpoints", "best", told.notice());
    ASSERT_TRUE(!best || test::holds_its_step(*best)) << where;
    const std::int64_t next = loaded ? loaded->step() + 1 : 1;
    (void)folder.save(next, StepArrays(next).arrays(), {});
    ASSERT_EQ(folder.resume()->step(), next) << where;
  } catch (const Error& error) {
    FAIL() << where << ": " << error.what();
  }
}

std::int64_t count_calls() {
  SimulatedDisk disk(empty_disk());
  FaultyFileSystem files(disk);
  Told told;
  run(files, told);
  EXPECT_EQ(told.durable, kLastStep);
  return files.calls;
}

// C2, C3, C16.
TEST(CheckpointCrash, DeathAndPowerCutAtEveryCall) {
  const std::int64_t calls = count_calls();
  EXPECT_GT(calls, 100);
  std::int64_t states = 0, cuts_with_loss = 0;
  for (std::int64_t call = 1; call <= calls; ++call) {
    for (const When when : {When::kBefore, When::kMiddle, When::kAfter}) {
      SimulatedDisk disk(empty_disk());
      FaultyFileSystem files(disk);
      files.die_at = call;
      files.die_when = when;
      Told told;
      EXPECT_THROW(run(files, told), Death);
      // Before a call is after the one before it.
      if (when == When::kMiddle && files.names.back() != "write") continue;
      if (when == When::kBefore && call > 1) continue;
      const std::string where = fmt::format("call {} ({})", call, files.names.back());
      expect_survives(disk.state(), told.durable, where + ", killed");
      ++states;
      disk.power_cuts([&](const SimulatedDisk::State& state) {
        ++states;
        cuts_with_loss += state.names != disk.state().names ? 1 : 0;
        expect_survives(state, told.durable, where + ", power cut");
      });
      if (HasFatalFailure()) return;
    }
  }
  RecordProperty("states", std::to_string(states));
  // The enumeration really takes things away.
  EXPECT_GT(states, 2'000);
  EXPECT_GT(cuts_with_loss, 1'000);
}

// C4, C5: on a disk whose fsync is a lie nothing can be promised but this: what is torn is refused,
// and whatever is loaded is whole.
TEST(CheckpointCrash, TornFilesAreNeverLoaded) {
  std::int64_t refused = 0, loaded_states = 0;
  for (std::int64_t call = 20, calls = count_calls(); call <= calls; call += 3) {
    SimulatedDisk disk(empty_disk());
    disk.fsync_lies = true;
    FaultyFileSystem files(disk);
    files.die_at = call;
    Told told;
    EXPECT_THROW(run(files, told), Death);
    std::int64_t visited = 0;
    disk.power_cuts([&](const SimulatedDisk::State& state) {
      if (++visited > 400) return;
      SimulatedDisk after(state);
      try {
        const auto loaded = take_checkpoint(after, "runs/a/checkpoints", "last", test::kSilent);
        if (!loaded) return;
        ++loaded_states;
        ASSERT_TRUE(test::holds_its_step(*loaded));
      } catch (const Fault& fault) {
        ASSERT_EQ(fault.id(), "KT-CKPT-001");
        ++refused;
      }
    });
  }
  EXPECT_GT(refused, 100);
  EXPECT_GT(loaded_states, 100);
}

// Saves steps 1 and 2 in good order, then step 3 with faults; returns the fault's id, "" for none.
std::string save_third(SimulatedDisk& disk, Told& told,
                       const std::function<void(FaultyFileSystem&)>& make_faulty) {
  FaultyFileSystem files(disk);
  const FolderLock lock(files, "runs/a", told.notice());
  CheckpointFolder folder(files, lock, "checkpoints", options(told));
  for (std::int64_t step = 1; step <= 2; ++step)
    (void)folder.save(step, StepArrays(step).arrays(), {});
  files.calls = 0;
  files.names.clear();
  make_faulty(files);
  try {
    (void)folder.save(3, StepArrays(3).arrays(), {});
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.exit(), Exit::kIo) << fault.what();
    EXPECT_THAT(fault.what(), HasSubstr("older checkpoints are untouched"));
    return fault.id();
  }
  return "";
}

std::int64_t calls_of_a_save() {
  SimulatedDisk disk(empty_disk());
  Told told;
  std::int64_t calls = 0;
  // Dying at a call that never comes leaves the count of all.
  for (bool reached = true; reached; ++calls) {
    reached = false;
    SimulatedDisk fresh(empty_disk());
    (void)save_third(fresh, told, [&](FaultyFileSystem& files) {
      files.die_at = calls + 1;
      files.die = [&] { reached = true; };
    });
  }
  return calls - 1;
}

// C6, C7: each call fails once.
TEST(CheckpointCrash, OneFailureAnywhereIsOvercome) {
  const std::int64_t calls = calls_of_a_save();
  EXPECT_GT(calls, 25);
  for (std::int64_t call = 1; call <= calls; ++call) {
    SimulatedDisk disk(empty_disk());
    Told told;
    const std::string id = save_third(disk, told, [&](FaultyFileSystem& files) {
      files.fail_from = call;
      files.fail_to = call + 1;
      files.on_failed_sync = [&](FileSystem::File file) { disk.forget_unsynced(file); };
    });
    EXPECT_EQ(id, "") << "call " << call;
    EXPECT_EQ(told.durable, 3) << "call " << call;
    disk.power_cuts([&](const SimulatedDisk::State& state) {
      expect_survives(state, 3, fmt::format("EIO at call {}", call));
    });
    if (HasFatalFailure()) return;
  }
}

// C7, C8, C9: from some call on everything fails, and the older checkpoints stay.
TEST(CheckpointCrash, LastingFailuresEndInOneFaultWithOldFilesIntact) {
  int faults = 0;
  for (const auto& failure : std::vector<std::pair<int, bool>>{
           {EIO, false}, {ENOSPC, true}, {EDQUOT, true}, {EROFS, true}}) {
    const int code = failure.first;  // clang 14 captures no structured binding
    const bool only_room = failure.second;
    for (std::int64_t call = 1, calls = calls_of_a_save(); call <= calls; ++call) {
      SimulatedDisk disk(empty_disk());
      Told told;
      const std::string id = save_third(disk, told, [&](FaultyFileSystem& files) {
        files.fail_from = call;
        files.code = code;
        files.fail_only_what_takes_room = only_room;
        files.on_failed_sync = [&](FileSystem::File file) { disk.forget_unsynced(file); };
      });
      // After the announcement a failing hint or retention is only a warning.
      EXPECT_EQ(id, told.durable == 3 ? "" : "KT-IO-010") << "call " << call;
      EXPECT_TRUE(told.durable == 2 || told.durable == 3);
      faults += id.empty() ? 0 : 1;
      const bool waits = !id.empty() && (code == ENOSPC || code == EDQUOT);
      EXPECT_TRUE(!waits || disk.slept_seconds >= 60.0);
      expect_survives(disk.state(), told.durable, fmt::format("{} from call {}", code, call));
      disk.power_cuts([&](const SimulatedDisk::State& state) {
        expect_survives(state, told.durable, fmt::format("{} from call {}, cut", code, call));
      });
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_GT(faults, 60);
}

// C8.
TEST(CheckpointCrash, AFullDiskThatGetsRoomIsWaitedFor) {
  SimulatedDisk disk(empty_disk());
  Told told;
  FaultyFileSystem* faulty = nullptr;
  disk.on_sleep = [&] {
    if (disk.slept_seconds >= 20) faulty->fail_from = FaultyFileSystem::kNever;
  };
  const std::string id = save_third(disk, told, [&](FaultyFileSystem& files) {
    faulty = &files;
    files.fail_from = 3;
    files.code = ENOSPC;
    files.fail_only_what_takes_room = true;
  });
  EXPECT_EQ(id, "");
  EXPECT_EQ(told.durable, 3);
  EXPECT_EQ(disk.slept_seconds, 20);
}

// C7.
TEST(CheckpointCrash, ShortAndInterruptedWritesAreContinued) {
  SimulatedDisk disk(empty_disk());
  Told told;
  EXPECT_EQ(save_third(disk, told,
                       [](FaultyFileSystem& files) { files.interrupt_and_shorten_writes = true; }),
            "");
  EXPECT_EQ(disk.slept_seconds, 0);
  expect_survives(disk.state(), 3, "short writes");
}

// C6 in detail: the file whose fsync failed is not the one that is kept.
TEST(CheckpointCrash, AFailedFsyncCondemnsItsFile) {
  SimulatedDisk disk(empty_disk());
  Told told;
  std::vector<FileSystem::File> condemned;
  const std::string id = save_third(disk, told, [&](FaultyFileSystem& files) {
    // Two failures in a row: the third file is the last that is tried.
    files.fail_syncs = 2;
    files.on_failed_sync = [&](FileSystem::File file) {
      disk.forget_unsynced(file);
      condemned.push_back(file);
    };
  });
  EXPECT_EQ(id, "");
  EXPECT_EQ(condemned.size(), 2u);
  disk.power_cuts(
      [&](const SimulatedDisk::State& state) { expect_survives(state, 3, "after two EIO"); });
}

}  // namespace
}  // namespace ktrain
