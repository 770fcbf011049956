// What the scenes and cameras of the built-in data set do.
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/annotations.h"
#include "data/synth/dice.h"
#include "data/synth/figure.h"
#include "data/synth/render.h"
#include "data/synth/sensor.h"
#include "data/synth/wardrobe.h"

namespace ktrain::synth {
namespace {

SynthSpec spec_of(int width, int height) {
  SynthSpec spec;
  spec.width = width;
  spec.height = height;
  return spec;
}

TEST(SynthCanvas, ShapesCoverTheirArea) {
  const auto painted = [](auto&& paint) {
    Canvas canvas(100, 80, 0);
    paint(canvas);
    double sum = 0;
    for (int y = 0; y < 80; ++y)
      for (int x = 0; x < 100; ++x) sum += static_cast<double>(canvas.at(x, y).celsius);
    return sum;
  };
  Surface warm;
  warm.celsius = 1;
  const double pi = 3.14159265358979;
  // Edges are antialiased by distance: exact for straight edges along the axes, within about a
  // thousandth of the outline's length otherwise.
  EXPECT_NEAR(painted([&](Canvas& c) {
                c.rectangle({10.25F, 20.5F, 40, 30}, warm);
              }),
              29.75 * 9.5, 0.5);
  EXPECT_NEAR(painted([&](Canvas& c) { c.ellipse({50, 40}, {20, 20}, warm); }), pi * 400, 3);
  EXPECT_NEAR(painted([&](Canvas& c) {
                c.capsule({20, 40}, 6, {70, 40}, 6, warm);
              }),
              50 * 12 + pi * 36, 3);
  EXPECT_NEAR(painted([&](Canvas& c) {
                c.polygon(std::array<Vec2, 3>{Vec2{10, 10}, Vec2{60, 10}, Vec2{10, 70}}, warm);
              }),
              1500, 3);
}

TEST(SynthCanvas, ASurfaceOfOneModalityLeavesTheOther) {
  Canvas canvas(20, 20, 2);
  Surface ghost;
  ghost.visible = false;
  ghost.light = grey(1);
  ghost.celsius = 30;
  canvas.rectangle({-2, -2, 22, 22}, ghost);
  EXPECT_EQ(canvas.at(5, 5).light.r, 0.0F);
  EXPECT_EQ(canvas.at(-2, 21).celsius, 30.0F) << "the margin is painted";
  Surface poster;
  poster.thermal = false;
  poster.light = grey(0.5F);
  poster.celsius = 99;
  canvas.rectangle({0, 0, 20, 20}, poster);
  EXPECT_EQ(canvas.at(5, 5).light.r, 0.5F);
  EXPECT_EQ(canvas.at(5, 5).celsius, 30.0F);
}

// People of every pose stand on their feet and are as tall as they are.
TEST(SynthFigure, HasItsHeight) {
  for (std::uint32_t i = 0; i < 60; ++i) {
    Dice dice(3, i);
    Figure figure = random_person(dice, Climate{});
    figure.bag = false;
    Canvas canvas(300, 300, 0);
    canvas.set_owner(1);
    paint_figure(canvas, figure, {{150, 280}, 120, grey(1), 0});
    int top = 300, bottom = 0;
    for (int y = 0; y < 300; ++y)
      for (int x = 0; x < 300; ++x)
        if (canvas.owner(x, y) == 1) top = std::min(top, y), bottom = std::max(bottom, y + 1);
    EXPECT_NEAR(bottom, 280, 4 + 0.02 * 120 * figure.height) << i;
    // A long stride lowers the head by up to a tenth of the leg.
    EXPECT_LE(280 - top, 120 * figure.height * 1.01 + 1) << i;
    EXPECT_GE(280 - top, 120 * figure.height * 0.93 - 1) << i;
  }
}

// The same scene with and without one person: what changes is inside the box, reaches its sides,
// and does so in both modalities.
TEST(SynthScene, BoxesAreTight) {
  const SynthSpec spec = spec_of(640, 512);
  int people = 0;
  for (std::int64_t number = 0; number < 24; ++number) {
    Scene scene = compose_scene(spec, {false, number});
    Canvas with(640, 512, 0), without(640, 512, 0);
    const std::vector<Label> labels = paint_scene(with, scene);
    std::size_t own = scene.things.size();
    for (std::size_t i = 0; i < scene.things.size(); ++i)
      if (scene.things[i].person == 1) own = i;
    if (own == scene.things.size()) continue;
    scene.things.erase(scene.things.begin() + static_cast<std::ptrdiff_t>(own));
    (void)paint_scene(without, scene);
    const auto found = std::find_if(labels.begin(), labels.end(),
                                    [](const Label& label) { return label.subject == 1; });
    if (found == labels.end() || found->occlusion > 0) continue;
    const Label& label = *found;
    ++people;
    int left = 640, right = 0, top = 512, bottom = 0, outside = 0;
    for (int y = 0; y < 512; ++y)
      for (int x = 0; x < 640; ++x) {
        const float change = std::abs(with.at(x, y).celsius - without.at(x, y).celsius);
        if (change == 0) continue;
        left = std::min(left, x), right = std::max(right, x + 1);
        top = std::min(top, y), bottom = std::max(bottom, y + 1);
        const PixelBox& box = label.box;
        const bool inside = x >= box.left - 1 && x < box.left + box.width + 1 && y >= box.top - 1 &&
                            y < box.top + box.height + 1;
        const Rgb a = with.at(x, y).light, b = without.at(x, y).light;
        EXPECT_TRUE(a.r != b.r || a.g != b.g || a.b != b.b) << "seen by one camera alone";
        outside += !inside;
      }
    // A box counts pixels that are covered to half; edges are antialiased over one pixel more.
    EXPECT_EQ(outside, 0) << number;
    EXPECT_NEAR(left, label.box.left, 1) << number;
    EXPECT_NEAR(right, label.box.left + label.box.width, 1) << number;
    EXPECT_NEAR(top, label.box.top, 1) << number;
    EXPECT_NEAR(bottom, label.box.top + label.box.height, 1) << number;
  }
  EXPECT_GE(people, 10);
}

// Size follows place: who stands lower in the picture is nearer and taller.
TEST(SynthScene, SizeFollowsPlace) {
  const SynthSpec spec = spec_of(640, 512);
  double sum_x = 0, sum_y = 0, sum_xx = 0, sum_yy = 0, sum_xy = 0, n = 0;
  for (std::int64_t number = 0; number < 150; ++number) {
    const Scene scene = compose_scene(spec, {true, number});
    const View view(scene.camera, 640, 512);
    for (const Thing& thing : scene.things) {
      if (thing.person == 0) continue;
      const double below = static_cast<double>(view.at(thing.x, 0, thing.z).y - view.horizon);
      const double height = static_cast<double>(std::get<Figure>(thing.what).height *
                                                view.scale(thing.z) * scene.camera.height);
      n += 1, sum_x += below, sum_y += height;
      sum_xx += below * below, sum_yy += height * height, sum_xy += below * height;
    }
  }
  const double covariance = sum_xy / n - sum_x / n * (sum_y / n);
  const double spread =
      std::sqrt((sum_xx / n - sum_x * sum_x / n / n) * (sum_yy / n - sum_y * sum_y / n / n));
  EXPECT_GT(n, 150);
  EXPECT_GT(covariance / spread, 0.8);
}

// Each modality lacks something: dummies are cold, mirror images invisible, and by night warmth
// stands out more than by day.
TEST(SynthScene, ModalitiesComplementEachOther) {
  const SynthSpec spec = spec_of(320, 256);
  double contrast[2] = {0, 0}, people[2] = {0, 0};
  int dummies = 0, mirrors = 0;
  for (std::int64_t number = 0; number < 200; ++number) {
    const Scene scene = compose_scene(spec, {false, number});
    for (const Thing& thing : scene.things) {
      const auto* const figure = std::get_if<Figure>(&thing.what);
      if (figure == nullptr) continue;
      const double warmer = static_cast<double>(figure->chest - scene.climate.ground);
      if (thing.person > 0) {
        contrast[scene.climate.night] += warmer, people[scene.climate.night] += 1;
      } else if (thing.crowd == 0 && figure->visible) {
        ++dummies;
        EXPECT_LE(std::abs(warmer), 3);
      } else if (thing.crowd == 0) {
        ++mirrors;
        EXPECT_TRUE(figure->thermal);
      }
    }
  }
  EXPECT_GT(contrast[1] / people[1], 2 * contrast[0] / people[0]);
  EXPECT_GT(contrast[1] / people[1], 5);
  EXPECT_GT(dummies, 50);
  EXPECT_GT(mirrors, 50);
}

// A grey wall that a camera looks at.
Canvas wall(int margin = 0) {
  Canvas canvas(160, 120, margin);
  for (int y = -margin; y < 120 + margin; ++y)
    for (int x = -margin; x < 160 + margin; ++x) canvas.at(x, y) = {grey(0.2F), 20};
  return canvas;
}

// Relative spread of linear light, back from sRGB.
double relative_noise(const Image& image) {
  double sum = 0, squares = 0;
  for (const std::uint8_t value : image.rgb) {
    const double v = value / 255.0;
    const double linear = v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4);
    sum += linear, squares += linear * linear;
  }
  const auto n = static_cast<double>(image.rgb.size());
  return std::sqrt(squares / n - sum * sum / n / n) / (sum / n);
}

// Shot noise: the spread of a signal of N electrons is sqrt(N), that of the amplifier is added.
TEST(SynthSensor, NoiseFollowsPhotons) {
  for (const double photons : {4000.0, 1000.0, 400.0}) {
    const Image image = expose_visible(wall(), {photons, false, 0, 0}, 1, 5);
    const double electrons = 0.2 * photons;
    const double expected = std::sqrt(electrons + 2.5 * 2.5) / electrons;
    // 57,600 samples know their spread to 0.3 %; steps of 1/255 add less than 4 %.
    EXPECT_NEAR(relative_noise(image), expected, 0.05 * expected) << photons;
  }
  EXPECT_GT(relative_noise(expose_visible(wall(), {20, false, 0, 0}, 1, 5)), 0.4);
  EXPECT_DOUBLE_EQ(synth_photons(0), 4);
  EXPECT_NEAR(synth_photons(1), 4000, 1e-9);
  EXPECT_NEAR(synth_quality(synth_photons(0.37)), 0.37, 1e-12);
}

TEST(SynthSensor, ThermalNoiseIsSmall) {
  Canvas canvas = wall();
  for (int y = 0; y < 5; ++y)
    for (int x = 0; x < 160; ++x) canvas.at(x, y).celsius = 16;
  const Image image = expose_thermal(canvas, 1, 5);
  double sum = 0, squares = 0, n = 0;
  for (int y = 10; y < 120; ++y)
    for (int x = 0; x < 160; ++x) {
      const double v = image.rgb[static_cast<std::size_t>(y * 160 + x) * 3];
      n += 1, sum += v, squares += v * v;
    }
  // The stretch goes from 16 to 20 + 8 degrees: 0.24 degrees of noise are 5.1 of 255 levels; what
  // the 160 columns have in common is known to 6 %.
  EXPECT_NEAR(std::sqrt(squares / n - sum * sum / n / n), 5.1, 0.3);
}

// The visible image is the unshifted one, moved by whole pixels (but for noise).
TEST(SynthSensor, ShiftMovesTheVisibleImage) {
  SynthSpec spec = spec_of(160, 128);
  spec.shift = 5;
  bool moved = false;
  for (std::int64_t number = 0; number < 12; ++number) {
    const Scene scene = compose_scene(spec, {false, number});
    EXPECT_LE(std::abs(scene.shift_x), 5);
    EXPECT_LE(std::abs(scene.shift_y), 3);
    const RenderedPair pair = render_pair(spec, {false, number});
    Canvas canvas(160, 128, 5);
    (void)paint_scene(canvas, scene);
    const Image still = expose_visible(canvas, {4000, scene.climate.night, 0, 0}, spec.seed, 1);
    // The shift that fits best, searched for.
    double best = 1e18;
    int best_x = 99, best_y = 99;
    for (int dy = -4; dy <= 4; ++dy)
      for (int dx = -6; dx <= 6; ++dx) {
        double error = 0;
        for (int y = 10; y < 118; ++y)
          for (int x = 10; x < 150; ++x) {
            const double d =
                static_cast<double>(pair.visible.rgb[static_cast<std::size_t>(y * 160 + x) * 3]) -
                still.rgb[static_cast<std::size_t>((y + dy) * 160 + x + dx) * 3];
            error += d * d;
          }
        if (error < best) best = error, best_x = dx, best_y = dy;
      }
    EXPECT_EQ(best_x, scene.shift_x) << number;
    EXPECT_EQ(best_y, scene.shift_y) << number;
    moved = moved || scene.shift_x != 0;
  }
  EXPECT_TRUE(moved);
}

TEST(SynthLabels, AreWhatTheParserReads) {
  const std::vector<Label> labels = {{"person", {10, 20, 15, 40}, {10, 20, 15, 30}, 1, 1},
                                     {"people", {50, 20, 30, 20}, {50, 20, 30, 20}, 0, 1001}};
  const AnnotationFile file = parse_bbgt({"x.txt", bbgt_text(labels)});
  ASSERT_EQ(file.objects.size(), 2u);
  EXPECT_EQ(file.objects[0].label, "person");
  EXPECT_EQ(file.objects[0].box, (std::array<double, 4>{10, 20, 25, 60}));
  EXPECT_EQ(file.objects[0].occlusion, 1);
  EXPECT_EQ(file.objects[1].label, "people");
  EXPECT_EQ(bbgt_text({}), "% bbGt version=3\n");
}

}  // namespace
}  // namespace ktrain::synth
