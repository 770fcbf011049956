#include "data/synth/render.h"

#include <fmt/format.h>

#include "data/synth/figure.h"
#include "data/synth/props.h"
#include "data/synth/sensor.h"
#include "data/synth/street.h"

namespace ktrain::synth {
namespace {

constexpr int kCrowdOwner = 1000;  // above every person's number

// The pixels of the picture that belong to one owner.
struct Silhouette {
  PixelBox box;
  std::int64_t pixels = 0;
};

Silhouette silhouette(const Canvas& canvas, int owner, const Extent& within) {
  const auto whole = [](float v, int limit) {
    return static_cast<int>(std::clamp(v, 0.0F, static_cast<float>(limit)));
  };
  Silhouette out;
  int left = canvas.width(), right = -1, top = canvas.height(), bottom = -1;
  for (int y = whole(within.top, canvas.height()); y < whole(within.bottom, canvas.height()); ++y)
    for (int x = whole(within.left, canvas.width()); x < whole(within.right, canvas.width()); ++x) {
      if (canvas.owner(x, y) != owner) continue;
      ++out.pixels;
      left = std::min(left, x), right = std::max(right, x);
      top = std::min(top, y), bottom = std::max(bottom, y);
    }
  if (right >= 0) out.box = {left, top, right - left + 1, bottom - top + 1};
  return out;
}

PixelBox joined(const PixelBox& a, const PixelBox& b) {
  if (a.empty()) return b;
  if (b.empty()) return a;
  const int left = std::min(a.left, b.left), top = std::min(a.top, b.top);
  return {left, top, std::max(a.left + a.width, b.left + b.width) - left,
          std::max(a.top + a.height, b.top + b.height) - top};
}

class ScenePainter {
 public:
  ScenePainter(Canvas& canvas, const Scene& scene)
      : canvas_(canvas), scene_(scene), view_(scene.camera, canvas.width(), canvas.height()) {}

  std::vector<Label> paint() {
    paint_street(canvas_, scene_, view_);
    for (const Thing& thing : scene_.things)
      std::visit([&](const auto& what) { put(thing, what); }, thing.what);
    return labels();
  }

 private:
  struct Subject {
    int owner = 0;
    Extent within;  // where to look for its pixels
    Silhouette whole;
  };

  [[nodiscard]] Spotlight spot(const Thing& thing) const {
    return {thing.x, thing.z, light_at(scene_, thing.x, thing.z)};
  }

  void put(const Thing& thing, const Figure& figure) {
    const Stand stand = {view_.at(thing.x, 0, thing.z), view_.scale(thing.z),
                         light_at(scene_, thing.x, thing.z), scene_.climate.sun_side};
    const float size = figure.height * stand.scale;
    const Climate& climate = scene_.climate;
    if (figure.visible && figure.raised == 0) {
      const float lean = climate.sun * climate.sun_side;
      canvas_.shadow({stand.feet.x - lean * 0.14F * size, stand.feet.y},
                     {(0.16F + 0.16F * std::abs(lean)) * size, 0.045F * size}, 0.55F);
    }
    const int owner = thing.person > 0  ? thing.person
                      : thing.crowd > 0 ? kCrowdOwner + thing.crowd
                                        : 0;
    canvas_.set_owner(owner);
    paint_figure(canvas_, figure, stand);
    canvas_.set_owner(0);
    if (owner == 0) return;
    const Extent within = {stand.feet.x - size, stand.feet.y - 1.2F * size, stand.feet.x + size,
                           stand.feet.y + 0.3F * size};
    Subject subject = {owner, within, silhouette(canvas_, owner, within)};
    if (owner > kCrowdOwner && !subjects_.empty() && subjects_.back().owner == owner) {
      // Members of a crowd hide each other: what is seen of all of them is what counts.
      Subject& crowd = subjects_.back();
      const Extent& a = crowd.within;
      crowd.within = {std::min(a.left, within.left), std::min(a.top, within.top),
                      std::max(a.right, within.right), std::max(a.bottom, within.bottom)};
      const PixelBox before = crowd.whole.box;
      crowd.whole = silhouette(canvas_, owner, crowd.within);
      crowd.whole.box = joined(crowd.whole.box, before);
      return;
    }
    subjects_.push_back(subject);
  }
  void put(const Thing& thing, const Car& car) {
    paint_car(canvas_, view_, car, spot(thing), scene_.climate);
  }
  void put(const Thing& thing, const Tree& tree) {
    paint_tree(canvas_, view_, tree, spot(thing), scene_.climate);
  }
  void put(const Thing& thing, const LampPost& lamp) {
    paint_lamp(canvas_, view_, lamp, spot(thing), scene_.climate);
  }
  void put(const Thing& thing, const Post& post) {
    paint_post(canvas_, view_, post, spot(thing), scene_.climate);
  }
  void put(const Thing& thing, const Dog& dog) { paint_dog(canvas_, view_, dog, spot(thing)); }
  void put(const Thing& thing, const Panel& panel) {
    paint_panel(canvas_, view_, panel, spot(thing), scene_.climate);
  }

  [[nodiscard]] std::vector<Label> labels() const {
    std::vector<Label> out;
    for (const Subject& subject : subjects_) {
      if (subject.whole.pixels == 0) continue;  // outside the picture
      const Silhouette seen = silhouette(canvas_, subject.owner, subject.within);
      const double share =
          static_cast<double>(seen.pixels) / static_cast<double>(subject.whole.pixels);
      if (share < 0.02) continue;  // nobody could know
      Label label = {"person", subject.whole.box, seen.box, 0, subject.owner};
      label.occlusion = share >= 0.92 ? 0 : share >= 0.5 ? 1 : 2;
      if (share < 0.12) label.name = "person?";
      if (subject.owner > kCrowdOwner) label.name = "people";
      out.push_back(label);
    }
    return out;
  }

  Canvas& canvas_;
  const Scene& scene_;
  View view_;
  std::vector<Subject> subjects_;
};

}  // namespace

std::vector<Label> paint_scene(Canvas& canvas, const Scene& scene) {
  return ScenePainter(canvas, scene).paint();
}

RenderedPair render_pair(const SynthSpec& spec, SceneId id) {
  const Scene scene = compose_scene(spec, id);
  Canvas canvas(spec.width, spec.height, static_cast<int>(std::ceil(spec.shift)));
  RenderedPair pair;
  pair.labels = paint_scene(canvas, scene);
  const VisibleCamera camera = {synth_photons(spec.quality), scene.climate.night, scene.shift_x,
                                scene.shift_y};
  pair.visible = expose_visible(canvas, camera, spec.seed, id.sample());
  pair.thermal = expose_thermal(canvas, spec.seed, id.sample());
  return pair;
}

std::string bbgt_text(const std::vector<Label>& labels) {
  std::string text = "% bbGt version=3\n";
  for (const Label& label : labels) {
    const PixelBox seen = label.occlusion == 0 ? PixelBox{} : label.seen;
    text += fmt::format("{} {} {} {} {} {} {} {} {} {} 0 0\n", label.name, label.box.left,
                        label.box.top, label.box.width, label.box.height, label.occlusion,
                        seen.left, seen.top, seen.width, seen.height);
  }
  return text;
}

}  // namespace ktrain::synth
