#include "data/synth/props.h"

#include <array>

#include "data/synth/noise.h"

namespace ktrain::synth {
namespace {

Surface matt(Rgb albedo, const Spotlight& spot, float celsius) {
  Surface out;
  out.light = albedo * spot.light;
  out.celsius = celsius;
  return out;
}

Surface rounded(Rgb albedo, const Spotlight& spot, float celsius, const Climate& climate) {
  Surface out = matt(albedo, spot, celsius);
  out.round = 0.4F;
  out.lit_from = climate.sun_side;
  return out;
}

}  // namespace

void paint_tree(Canvas& canvas, const View& view, const Tree& tree, const Spotlight& spot,
                const Climate& climate) {
  const float s = view.scale(spot.z);
  const float sun = climate.night ? 0.4F : 2.0F * climate.sun;
  const auto at = [&](float dx, float up) { return view.at(spot.x + dx, up, spot.z); };
  const Surface bark = rounded({0.11F, 0.085F, 0.06F}, spot, climate.air + 1 + sun, climate);
  canvas.shadow(view.at(spot.x, 0, spot.z), {0.9F * s, 0.18F * s}, 0.4F);
  canvas.capsule(at(0, 0), 0.15F * s, at(0.05F, tree.height * 0.6F), 0.09F * s, bark);
  canvas.capsule(at(0, tree.height * 0.45F), 0.07F * s, at(0.6F, tree.height * 0.7F), 0.04F * s,
                 bark);
  canvas.capsule(at(0, tree.height * 0.42F), 0.07F * s, at(-0.6F, tree.height * 0.68F), 0.04F * s,
                 bark);
  for (int i = 0; i < 22; ++i) {
    const float u = cell_noise(i, 0, tree.seed) * 2 - 1, v = cell_noise(i, 1, tree.seed) * 2 - 1;
    const float r = tree.crown * (0.24F + 0.22F * cell_noise(i, 2, tree.seed));
    const float high = 0.5F + 0.5F * -v;
    Surface leaf =
        matt(tree.leaf * (0.55F + 0.75F * high), spot, climate.air - 0.8F + 0.5F * sun * high);
    leaf.texture = 0.45F;
    leaf.grain = 14 / std::max(s, 14.0F);
    leaf.seed = tree.seed + static_cast<std::uint32_t>(i);
    canvas.ellipse(at(u * tree.crown * 0.75F, tree.height * 0.78F - v * tree.crown * 0.6F),
                   {r * s, r * 0.85F * s}, leaf);
  }
}

void paint_lamp(Canvas& canvas, const View& view, const LampPost& lamp, const Spotlight& spot,
                const Climate& climate) {
  const float s = view.scale(spot.z);
  const auto at = [&](float dx, float up) { return view.at(spot.x + dx, up, spot.z); };
  const Surface steel = rounded(grey(0.2F), spot, climate.air + 0.5F, climate);
  canvas.capsule(at(0, 0), 0.075F * s, at(0, lamp.height), 0.05F * s, steel);
  canvas.capsule(at(0, lamp.height), 0.045F * s, at(lamp.arm, lamp.height + 0.25F), 0.035F * s,
                 steel);
  Surface head = steel;
  if (lamp.on) {
    head.light = {1.5F, 1.25F, 0.8F};
    head.celsius = climate.air + 18;
  }
  const Vec2 bulb = at(lamp.arm * 1.12F, lamp.height + 0.2F);
  canvas.ellipse(bulb, {0.26F * s, 0.085F * s}, head);
  if (lamp.on && climate.night) canvas.glow(bulb, 0.75F * s, {0.5F, 0.4F, 0.24F});
}

void paint_post(Canvas& canvas, const View& view, const Post& post, const Spotlight& spot,
                const Climate& climate) {
  const float s = view.scale(spot.z), r = post.width / 2;
  const auto at = [&](float up) { return view.at(spot.x, up, spot.z); };
  canvas.shadow(at(0), {post.width * s, 0.25F * post.width * s}, 0.45F);
  const Surface body = rounded(post.paint, spot, post.celsius, climate);
  if (!post.round_top) {
    const Vec2 low = at(0), high = at(post.height);
    canvas.rectangle({low.x - r * s, high.y, low.x + r * s, low.y}, body);
    Surface band = body;
    band.light = grey(0.5F) * spot.light;
    canvas.rectangle({low.x - r * s, high.y + 0.25F * s, low.x + r * s, high.y + 0.4F * s}, band);
    return;
  }
  // A patio heater: to the eye a bottle, a rod and a wide hood; to the thermal camera a warm column
  // with a hot top, because of the air around the rod.
  Surface warm = body, look = body;
  warm.visible = look.thermal = false;
  canvas.capsule(at(0.1F), 0.85F * r * s, at(post.height * 0.5F), r * s, warm);
  canvas.capsule(at(post.height * 0.5F), r * s, at(post.height * 0.8F), r * 0.7F * s, warm);
  warm.celsius = post.celsius + 4;
  canvas.ellipse(at(post.height * 0.92F), {0.11F * s, 0.12F * s}, warm);
  canvas.capsule(at(0.16F), 0.17F * s, at(0.62F), 0.17F * s, look);
  canvas.capsule(at(0.6F), 0.035F * s, at(post.height * 0.9F), 0.03F * s, look);
  look.light = grey(0.45F) * spot.light;
  canvas.ellipse(at(post.height * 0.9F), {0.12F * s, 0.09F * s}, look);
  canvas.ellipse(at(post.height * 0.97F), {0.42F * s, 0.06F * s}, look);
}

void paint_dog(Canvas& canvas, const View& view, const Dog& dog, const Spotlight& spot) {
  const float s = view.scale(spot.z), f = dog.facing;
  const auto at = [&](float dx, float up) { return view.at(spot.x + dx * f, up, spot.z); };
  Surface fur = matt(dog.fur, spot, dog.celsius);
  fur.round = 0.3F;
  canvas.shadow(at(0, 0), {0.45F * s, 0.1F * s}, 0.45F);
  for (const float leg : {-0.24F, -0.17F, 0.2F, 0.27F})
    canvas.capsule(at(leg, 0.02F), 0.03F * s, at(leg * 0.9F, 0.32F), 0.045F * s, fur);
  canvas.capsule(at(-0.28F, 0.42F), 0.095F * s, at(0.24F, 0.44F), 0.125F * s, fur);
  canvas.capsule(at(-0.32F, 0.45F), 0.025F * s, at(-0.48F, 0.62F), 0.015F * s, fur);
  canvas.capsule(at(0.26F, 0.5F), 0.075F * s, at(0.38F, 0.66F), 0.07F * s, fur);
  Surface head = fur;
  head.celsius = dog.celsius + 3;
  canvas.capsule(at(0.38F, 0.68F), 0.085F * s, at(0.54F, 0.63F), 0.045F * s, head);
}

void paint_panel(Canvas& canvas, const View& view, const Panel& panel, const Spotlight& spot,
                 const Climate& climate) {
  const float s = view.scale(spot.z), half = panel.width / 2 * s;
  const Vec2 low = view.at(spot.x, 0, spot.z);
  const float foot = low.y - 0.12F * s, top = low.y - (0.12F + panel.height) * s;
  const Surface frame = matt(grey(0.06F), spot, panel.celsius);
  canvas.shadow(low, {half * 1.1F, 0.12F * s}, 0.5F);
  for (const float side : {-0.8F, 0.8F})
    canvas.rectangle(
        {low.x + side * half - 0.04F * s, foot, low.x + side * half + 0.04F * s, low.y}, frame);
  canvas.rectangle(
      {low.x - half - 0.05F * s, top - 0.05F * s, low.x + half + 0.05F * s, foot + 0.05F * s},
      frame);
  Surface pane = matt(panel.paint, spot, panel.celsius);
  pane.light = pane.light + panel.glow;
  canvas.rectangle({low.x - half, top, low.x + half, foot}, pane);
  // What a pane mirrors: a slanted patch of sky.
  Surface shine = pane;
  shine.light = pane.light * 0.7F + climate.sky_low * 0.3F;
  shine.thermal = false;
  const std::array<Vec2, 4> patch = {Vec2{low.x - half * 0.9F, top}, Vec2{low.x - half * 0.2F, top},
                                     Vec2{low.x - half * 0.55F, foot}, Vec2{low.x - half, foot}};
  canvas.polygon(patch, shine);
}

}  // namespace ktrain::synth
