#include "data/annotations.h"

#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/data.h"
#include "tests/support/mutate.h"

namespace ktrain {
namespace {

using test::fault_of;
using testing::HasSubstr;
using Box = std::array<double, 4>;

const std::string kLlvip =
    "<annotation>\n<filename>010001.jpg</filename>\n"
    "<size><width>1280</width><height>1024</height><depth>3</depth></size>\n"
    "<!-- a note between elements -->\n"
    "<object><name>person</name><difficult>0</difficult>\n"
    "<bndbox><xmin>412</xmin><ymin>305</ymin><xmax>455</xmax><ymax>431</ymax></bndbox></object>\n"
    "</annotation>\n";
const std::string kDialectA =
    "<annotation><size><width>640</width><height>512</height><depth>4</depth></size>"
    "<object><name>person?</name><difficult>0</difficult><occlusion>2</occlusion><bndbox>"
    "<xmin>10.5</xmin><ymin>20.25</ymin><xmax>30</xmax><ymax>70</ymax></bndbox></object>"
    "</annotation>";
const std::string kDialectB =
    "<annotation><size><width>640</width><height>512</height></size><object><name>people</name>"
    "<bndbox><x>33</x><y>220</y><w>61</w><h>47</h></bndbox></object></annotation>";
const std::string kBbgt =
    "% bbGt version=3\nperson 512 208 24 58 0 0 0 0 0 0 0\npeople 33 220 61 47 1 0 0 0 0 1 0\n";
const std::string kSanitized = "person 101 52.5 130 110\nignore 1 1 20 20\n";

TEST(VocXml, ReadsLlvip) {
  const AnnotationFile file = parse_voc_xml({"010001.xml", kLlvip});
  EXPECT_EQ(file.width, 1280);
  EXPECT_EQ(file.height, 1024);
  ASSERT_EQ(file.objects.size(), 1u);
  EXPECT_EQ(file.objects[0].label, "person");
  EXPECT_EQ(file.objects[0].box, (Box{412, 305, 455, 431}));
  EXPECT_EQ(file.objects[0].line, 5);
}

TEST(VocXml, ReadsBothDialectsOfKaist) {
  const AnnotationFile a = parse_voc_xml({"a.xml", kDialectA});
  ASSERT_EQ(a.objects.size(), 1u);
  EXPECT_EQ(a.objects[0].box, (Box{10.5, 20.25, 30, 70}));
  EXPECT_EQ(a.objects[0].occlusion, 2);
  const AnnotationFile b = parse_voc_xml({"b.xml", kDialectB});
  ASSERT_EQ(b.objects.size(), 1u);
  EXPECT_EQ(b.objects[0].box, (Box{33, 220, 94, 267}));
}

TEST(VocXml, SaysWhereItIsBroken) {
  const std::string cut = kLlvip.substr(0, kLlvip.find("</bndbox>"));
  EXPECT_THAT(fault_of([&] { (void)parse_voc_xml({"x.xml", cut}); }), HasSubstr("x.xml:"));
  std::string word = kLlvip;
  word.replace(word.find("305"), 3, "3o5");
  EXPECT_THAT(fault_of([&] { (void)parse_voc_xml({"x.xml", word}); }), HasSubstr("x.xml:6"));
  EXPECT_NE(fault_of([&] {
              (void)parse_voc_xml({"x.xml", "<!DOCTYPE a [<!ENTITY b 'c'>]><annotation/>"});
            }),
            "");
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "<a>";
  EXPECT_NE(fault_of([&] { (void)parse_voc_xml({"x.xml", deep}); }), "");
}

TEST(Bbgt, ReadsBoxesFlagsAndTheEmptyFrame) {
  const AnnotationFile file = parse_bbgt({"I00000.txt", kBbgt});
  ASSERT_EQ(file.objects.size(), 2u);
  EXPECT_EQ(file.objects[0].box, (Box{512, 208, 536, 266}));
  EXPECT_FALSE(file.objects[0].ignore);
  EXPECT_EQ(file.objects[1].label, "people");
  EXPECT_EQ(file.objects[1].occlusion, 1);
  EXPECT_TRUE(file.objects[1].ignore);
  EXPECT_EQ(file.objects[1].line, 3);
  EXPECT_TRUE(parse_bbgt({"I00000.txt", "% bbGt version=3\n"}).objects.empty());
}

TEST(Bbgt, SaysWhereItIsBroken) {
  EXPECT_THAT(fault_of([] {
                (void)parse_bbgt({"I.txt", "% bbGt version=3\nperson 512 208 24 58 0 0 0\n"});
              }),
              HasSubstr("I.txt:2"));
  EXPECT_THAT(fault_of([] {
                (void)parse_bbgt({"I.txt", "% bbGt version=3\nperson x 2 3 4 0 0 0 0 0 0 0\n"});
              }),
              HasSubstr("I.txt:2"));
  EXPECT_NE(fault_of([] { (void)parse_bbgt({"I.txt", "% bbGt version=9\n"}); }), "");
}

TEST(Sanitized, ReadsCorners) {
  const AnnotationFile file = parse_sanitized({"s.txt", kSanitized});
  ASSERT_EQ(file.objects.size(), 2u);
  EXPECT_EQ(file.objects[0].box, (Box{101, 52.5, 130, 110}));
  EXPECT_THAT(fault_of([] {
                (void)parse_sanitized({"s.txt", "person 1 2 3 4\nperson 1 2 3\n"});
              }),
              HasSubstr("s.txt:2"));
}

TEST(Annotations, TheParserIsChosenByTheText) {
  EXPECT_EQ(parse_annotation({"a", kLlvip}).objects.size(), 1u);
  EXPECT_EQ(parse_annotation({"a", kBbgt}).objects.size(), 2u);
  EXPECT_EQ(parse_annotation({"a", kSanitized}).objects.size(), 2u);
  EXPECT_NE(fault_of([] { (void)parse_annotation({"a", ""}); }), "");
}

// Whatever comes, a parser gives a value or a Fault.
template <class Parse>
void survive(const std::vector<std::string>& seeds, const std::vector<std::string>& tokens,
             Parse&& parse) {
  int parsed = 0, refused = 0;
  test::for_each_mutant(seeds, tokens, 10000, [&](const std::string& text) {
    try {
      (void)parse(TextSource{"mutant", text});
      ++parsed;
    } catch (const Fault&) {
      ++refused;
    }
  });
  EXPECT_EQ(parsed + refused, 10000);
  EXPECT_GT(parsed, 100);
  EXPECT_GT(refused, 100);
}

TEST(Annotations, TenThousandMutantsOfEachFormat) {
  survive({kLlvip, kDialectA, kDialectB},
          {"<", "</object>", "<object>", "&#0;", "<!--", "-->", "<![CDATA[", "nan", "1e999", "-1"},
          [](TextSource source) { return parse_voc_xml(source); });
  survive({kBbgt}, {"nan", "-1", "1e999", "\n", "% bbGt version=3\n", "\0", "99999999999999999999"},
          [](TextSource source) { return parse_bbgt(source); });
  survive({kSanitized}, {"nan", "-1", "\n", " ", "ignore 1 1 2 2\n"},
          [](TextSource source) { return parse_sanitized(source); });
}

TEST(Annotations, RealLlvipFiles) {
  if (test::shared_data().empty()) GTEST_SKIP() << "no real LLVIP pairs beside the checkout";
  const auto folder = test::shared_data() / "llvip_mini/Annotations";
  std::size_t files = 0, people = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream stream(entry.path());
    std::stringstream text;
    text << stream.rdbuf();
    const std::string content = text.str();
    const AnnotationFile file = parse_annotation({entry.path().filename().string(), content});
    EXPECT_EQ(file.width, 1280);
    EXPECT_EQ(file.height, 1024);
    ++files;
    for (const AnnotatedObject& object : file.objects) people += object.label == "person";
  }
  EXPECT_EQ(files, 9u);
  EXPECT_GT(people, 9u);
}

}  // namespace
}  // namespace ktrain
