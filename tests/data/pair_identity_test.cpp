#include "data/pair_identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ktrain {
namespace {

Pair pair_of(const std::string& id, const std::string& group) {
  Pair pair;
  pair.id = id;
  pair.group = group;
  return pair;
}

TEST(PairIdentity, GroupsAreNumberedAndPairsWithoutOneAreAlone) {
  PairIndex index;
  for (const auto& [id, group] :
       {std::pair("set00/V000/I00019", "set00/V000"), std::pair("set00/V001/I00019", "set00/V001"),
        std::pair("set00/V000/I00021", "set00/V000"), std::pair("street", ""),
        std::pair("alley7", "")})
    ASSERT_TRUE(index.add(pair_of(id, group)));
  const auto identities = pair_identities(index);
  std::vector<std::pair<int, int>> found;
  for (const PairIdentity& i : identities) found.emplace_back(i.group, i.frame);
  EXPECT_THAT(found,
              testing::ElementsAre(testing::Pair(0, 19), testing::Pair(1, 19), testing::Pair(0, 21),
                                   testing::Pair(2, -1), testing::Pair(3, 7)));
}

TEST(PairIdentity, LongFrameNumbersKeepTheirLastNineDigits) {
  PairIndex index;
  ASSERT_TRUE(index.add(pair_of("20201123123456789", "")));
  ASSERT_TRUE(index.add(pair_of("x0123456789", "")));
  EXPECT_EQ(pair_identities(index)[0].frame, -1) << "17 digits are a date or a hash";
  EXPECT_EQ(pair_identities(index)[1].frame, 123456789);
}

}  // namespace
}  // namespace ktrain
