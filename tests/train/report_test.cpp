// A report of a tiny run, with a monitor whose every number is known; read back from the page.
#include <filesystem>
#include <regex>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/browser.h"
#include "tests/support/monitor_fixture.h"
#include "tests/support/tiny_run.h"
#include "train/report/chart.h"
#include "train/report/conflict.h"
#include "train/report/heat_map.h"
#include "train/report/html.h"
#include "train/report/report_command.h"
#include "train/report/rescore.h"

namespace ktrain::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

std::string report_of(const std::vector<std::string>& runs, const std::string& out) {
  std::ostringstream said;
  EXPECT_EQ(run_report({.runs = runs, .out = out}, said), 0);
  EXPECT_EQ(said.str(), "report    " + out + "\n");
  return read_text(out);
}

json data_of(const std::string& page) {
  const std::string begin = "<script type=\"application/json\" id=\"data\">";
  const std::size_t at = page.find(begin) + begin.size();
  return json::parse(page.substr(at, page.find("</script>", at) - at));
}

// The attribute of a heat map's cell.
std::string cell_value(const std::string& page, const std::string& row, const std::string& column) {
  std::smatch match;
  const std::regex cell("data-row=\"" + row + "\" data-column=\"" + column +
                        "\" data-value=\"([^\"]*)\"");
  return std::regex_search(page, match, cell) ? match[1].str() : "no such cell";
}

json last_validation(const TinyRun& tiny) {
  std::istringstream lines(tiny.read("scalars.jsonl"));
  json best;
  for (std::string line; std::getline(lines, line);)
    if (const json record = json::parse(line);
        record["kind"] == "validation" && record["best"] == true)
      best = record;
  return best;
}

TEST(Report, ShowsWhatTheRunRecorded) {
  TinyRun tiny;
  ASSERT_EQ(tiny.train({"stop.threshold=1.0", "stop.patience=9"}), 0) << tiny.output();
  const std::string page = report_of({tiny.run_folder()}, tiny.runs() + "/r.html");
  const json data = data_of(page), best = last_validation(tiny);
  EXPECT_EQ(data["runs"][0]["best"], best);
  EXPECT_EQ(data["metrics"]["map"][0]["points"].size(), 3U);
  EXPECT_EQ(data["metrics"]["map"][0]["points"][0][0], 1.0) << "the end of the first epoch";
  EXPECT_EQ(data["losses"]["roi_cls"][0]["points"].size(), 6U);
  EXPECT_EQ(data["curves"]["tiny"]["fingerprint"], best["fingerprint"]);
  EXPECT_NEAR(data["curves"]["tiny"]["map_of_curve"].get<double>(), best["map"].get<double>(),
              5e-4);
  EXPECT_THAT(page, HasSubstr("(3 of 9)"));
  EXPECT_THAT(page, HasSubstr("No auxiliary loss was on"));
  EXPECT_THAT(page, HasSubstr("<code>loss.macl.weight = 0.05</code>"));
  EXPECT_THAT(page, HasSubstr("drift against a reference was not measured"));
  EXPECT_THAT(page, HasSubstr("no probe was made, so no alarm could be raised"));
  EXPECT_THAT(page, HasSubstr("data:image/jpeg;base64,/9j/"));
  EXPECT_THAT(page, HasSubstr(data["provenance"]["tiny"]["checkpoint"].get<std::string>()));
  EXPECT_EQ(data["provenance"]["tiny"]["checkpoint"].get<std::string>().size(), 64U);
  EXPECT_THAT(page, Not(HasSubstr("http://")));
  EXPECT_THAT(page, Not(HasSubstr("https://")));
}

TEST(Report, ConflictQuantitiesHaveTheirKnownValues) {
  TinyRun tiny;
  ASSERT_EQ(tiny.train({"train.epochs=1"}), 0);
  write_monitor_fixture(tiny.run_folder());
  const std::string page = report_of({tiny.run_folder()}, tiny.runs() + "/r.html");
  const json data = data_of(page)["conflict"]["tiny"];
  EXPECT_EQ(data["losses"], json({"det", "macl"}));
  // Within a batch: means of the epoch; a band that covers 0 is silent.
  EXPECT_NEAR(std::stod(cell_value(page, "visible.layer1", "1")), kConflict, 1e-12);
  EXPECT_NEAR(std::stod(cell_value(page, "fusion", "2")), kAgreement, 1e-12);
  EXPECT_EQ(cell_value(page, "thermal.layer1", "1"), "");
  // Across batches.
  EXPECT_EQ(cell_value(page, "visible.layer1", "32"), "-0.31");
  EXPECT_EQ(cell_value(page, "thermal.layer1", "32"), "");
  EXPECT_EQ(cell_value(page, "fusion", "32"), "");
  EXPECT_THAT(page, HasSubstr("fusion, det~macl, step 32: below noise"));
  EXPECT_THAT(page,
              HasSubstr("visible.layer1, det~macl, step 32: \u22120.31 [\u22120.4, \u22120.22]"));
  // Tax over all groups: -w <g_det, P g_macl> / <g_det, P g_det>, 2 (c1 + c2 + c3) / 12 with the
  // wave in all three.
  const double expected0 = -kMaclWeight * 2 * (kConflict + kAgreement + 0.15) / 12;
  EXPECT_NEAR(data["tax"]["macl"][0][1].get<double>(), expected0, 1e-12);
  EXPECT_NEAR(data["shares"]["det"][0].get<double>() + data["shares"]["macl"][0].get<double>(), 1,
              1e-12);
  // Effects: -eta w_j <g_k, P g_j>; of detection on itself -1e-3 * 12.
  EXPECT_NEAR(data["effects"][0]["value"].get<double>(), -0.012, 1e-12);
  EXPECT_NEAR(data["effects"][1]["value"].get<double>(),
              -1e-3 * kMaclWeight * 2 * (kConflict + kAgreement), 1e-12);
  EXPECT_THAT(page, HasSubstr("det~macl below 0 in visible.layer1"));
  EXPECT_THAT(page, HasSubstr("#12345678"));
  EXPECT_EQ(data_of(page)["drift"]["kl95"]["tiny"]["visible.layer1"][1], json({32, 0.64}));
  // The audit's loss that is not applied stands out.
  EXPECT_THAT(page, HasSubstr("<tr class=\"differs\"><th scope=\"row\">macl</th><td "
                              "class=\"num\">0.5</td><td class=\"num\">0</td>"));
}

TEST(Report, HostileTextStaysText) {
  TinyRun tiny;
  ASSERT_EQ(tiny.train({"train.epochs=1"}), 0);
  const std::string evil =
      "</script><script>document.title='owned'</script><img src=x "
      "onerror=\"document.title='owned'\">'\"&\x01";
  write_monitor_fixture(tiny.run_folder(), evil, "visible.\"><b>");
  json status = json::parse(tiny.read("STATUS"));
  status["message"] = evil;
  status["state"] = "<i>failed";
  write_text(tiny.run_folder() + "/STATUS", status.dump());
  write_text(tiny.run_folder() + "/env.txt", evil + "\xff\xfe");
  write_text(tiny.run_folder() + "/run.cfg", "# " + evil + "\nno.such.key = 1\n");
  const std::string name = tiny.runs() + "/<script>alert(1)<";
  fs::rename(tiny.run_folder(), name);
  const std::string out = tiny.runs() + "/r.html", page = report_of({name}, out);
  EXPECT_THAT(page, Not(HasSubstr("<img src=x")));
  EXPECT_THAT(page, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(page, Not(HasSubstr("<script>document")));
  EXPECT_THAT(page, Not(HasSubstr("<b>\"")));
  const std::regex script("<script");
  EXPECT_EQ(std::distance(std::sregex_iterator(page.begin(), page.end(), script), {}), 2);
  EXPECT_EQ(data_of(page)["alarms"].begin().value()[0]["text"], evil);
  EXPECT_THAT(page, HasSubstr("no curves, since the plan that names the data set cannot be read"));
  if (browser().empty()) return;
  EXPECT_THAT(rendered(out), Not(HasSubstr("<title>owned")));
}

TEST(Report, SaysWhatIsMissingAndRefusesOtherData) {
  TinyRun tiny;
  ASSERT_EQ(tiny.train({"train.epochs=1"}), 0);
  fs::remove(tiny.run_folder() + "/env.txt");
  fs::remove(tiny.run_folder() + "/weights/best.safetensors");
  std::ofstream(tiny.run_folder() + "/scalars.jsonl", std::ios::app) << "rubbish\n{\"half";
  fs::rename(tiny.data(), tiny.data() + "-away");
  const std::string out = tiny.runs() + "/r.html";
  std::string page = report_of({tiny.run_folder()}, out);
  EXPECT_THAT(page, HasSubstr("env.txt is not there"));
  EXPECT_THAT(page, HasSubstr("weights/best.safetensors is not there"));
  EXPECT_THAT(page, HasSubstr("scalars.jsonl: 1 lines are not JSON objects"));
  EXPECT_THAT(page, HasSubstr("its last line has no end"));
  EXPECT_THAT(page, HasSubstr("no curves, since KT-DATA-"));
  EXPECT_FALSE(fs::exists(tiny.data())) << "a report makes no data";
  // Another data set in its place has another fingerprint.
  ASSERT_EQ(tiny.train({"data.synth.seed=6", "train.epochs=1", "output.dir=" + tiny.runs() + "/b"}),
            0)
      << tiny.output();
  page = report_of({tiny.run_folder()}, out);
  EXPECT_THAT(page, HasSubstr("is another one now"));
  EXPECT_THROW(report_of({tiny.runs()}, out), Fault);
}

TEST(Report, SeveralRunsAreLaidOverEachOtherWithTheirDifferences) {
  TinyRun tiny;
  ASSERT_EQ(tiny.train({"train.epochs=1"}), 0);
  const std::string other = tiny.runs() + "/other";
  ASSERT_EQ(tiny.train({"train.epochs=1", "optimizer.lr=5e-4", "output.dir=" + other}), 0);
  write_monitor_fixture(tiny.run_folder());
  write_monitor_fixture(other);
  const std::string page = report_of({tiny.run_folder(), other}, tiny.runs() + "/r.html");
  const json data = data_of(page);
  EXPECT_EQ(data["settings"]["optimizer.lr"], json({{"tiny", "0.001"}, {"other", "0.0005"}}));
  EXPECT_FALSE(data["settings"].contains("train.batch"));
  EXPECT_EQ(data["metrics"]["map"].size(), 2U);
  EXPECT_TRUE(data["drift"]["kl95"].contains("other"));
  // Every figure and table has a name of its own.
  std::set<std::string> ids;
  const std::regex id(" id=\"([^\"]+)\"");
  for (std::sregex_iterator at(page.begin(), page.end(), id), end; at != end; ++at)
    EXPECT_TRUE(ids.insert((*at)[1]).second) << (*at)[1];
}

TEST(Report, ReadsBackFromTheBrowser) {
  if (browser().empty()) GTEST_SKIP() << "no Chromium: apt-get install chromium";
  TinyRun tiny;
  ASSERT_EQ(tiny.train(), 0);
  write_monitor_fixture(tiny.run_folder());
  const std::string out = tiny.runs() + "/r.html";
  (void)report_of({tiny.run_folder()}, out);
  const std::string dom = rendered(out);
  const json best = last_validation(tiny);
  EXPECT_THAT(
      dom, HasSubstr("data-metric=\"map\">" + report::fixed(best["map"].get<double>()) + "</td>"));
  EXPECT_EQ(cell_value(dom, "visible.layer1", "32"), "-0.31");
  EXPECT_THAT(dom, HasSubstr("det~macl below 0 in visible.layer1"));
  // The script has run: tooltips come from it.
  EXPECT_THAT(dom, HasSubstr("data-tip=\"visible.layer1, det~macl, step 32: \u22120.31"));
  EXPECT_THAT(dom, Not(HasSubstr("Figure 0.")));
}

TEST(ReportChart, TicksAreRoundAndInside) {
  EXPECT_EQ(report::ticks(0, 1, 5), (std::vector<double>{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1}));
  EXPECT_EQ(report::ticks(3, 3, 5), std::vector<double>{3});
  for (const double t : report::ticks(-7.3, 912.4, 6)) {
    EXPECT_GE(t, -7.3);
    EXPECT_LE(t, 912.4);
  }
}

TEST(ReportChart, NothingToDrawIsNothing) {
  EXPECT_EQ(report::draw(report::Chart{}), "");
  report::Chart chart;
  chart.series = {{.name = "a", .points = {{.x = 1, .y = std::nan("")}}}};
  EXPECT_EQ(report::draw(chart), "");
  chart.series[0].points.push_back({.x = 2, .y = 3});
  EXPECT_THAT(report::draw(chart), HasSubstr("<svg"));
  EXPECT_THAT(report::draw(chart), Not(HasSubstr("nan")));
}

TEST(ReportChart, ColoursDivergeAroundZeroAndHoldAtTheEnds) {
  EXPECT_EQ(report::diverging(0), "#f7f7f7");
  EXPECT_EQ(report::diverging(-1), "#b2182b");
  EXPECT_EQ(report::diverging(1), "#2166ac");
  EXPECT_EQ(report::diverging(-7), report::diverging(-1));
  EXPECT_EQ(report::rounded_limit(0.13), 0.2);
}

TEST(ReportHtml, EscapesWhateverAFileMayHold) {
  EXPECT_EQ(report::escaped("<a href='x' id=\"y\">&"),
            "&lt;a href=&#39;x&#39; id=&quot;y&quot;&gt;&amp;");
  EXPECT_EQ(report::escaped("\x1b[31m"), "\\x1b[31m");
  EXPECT_EQ(report::number(-0.5), "\u22120.5");
  EXPECT_EQ(report::number(std::optional<double>()), "n/a");
  EXPECT_THAT(report::script_json({{"a", "</script>"}}), Not(HasSubstr("<")));
  EXPECT_EQ(json::parse(report::script_json({{"a", "</script>"}}))["a"], "</script>");
}

}  // namespace
}  // namespace ktrain::test
