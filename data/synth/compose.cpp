#include <algorithm>
#include <cmath>

#include "data/synth/dice.h"
#include "data/synth/scene.h"
#include "data/synth/wardrobe.h"

namespace ktrain::synth {
namespace {

// Shares are kept almost exactly by a sequence that fills the unit square evenly (Roberts' R2: the
// powers of 1/1.3247..., the root of x^3 = x + 1).
constexpr double kFirst = 0.7548776662466927, kSecond = 0.5698402909980532;

double evenly(const SynthSpec& spec, SceneId id, double step) {
  Dice dice(spec.seed, 0xFFFFFFFFU - (id.val ? 1U : 0U));  // no scene has these numbers
  const double starts[2] = {dice.unit(), dice.unit()};
  const double start = starts[step == kFirst ? 0 : 1];
  const double value = start + static_cast<double>(id.number) * step;
  return value - std::floor(value);
}

class Composer {
 public:
  Composer(const SynthSpec& spec, SceneId id)
      : spec_(spec),
        dice_(spec.seed, id.sample()),
        aspect_(static_cast<float>(spec.width) / static_cast<float>(spec.height)) {
    scene_.id = id;
  }

  Scene compose() {
    set_camera();
    set_climate();
    set_street();
    add_lamps();
    add_cars();
    add_trees();
    if (!is_empty(spec_, scene_.id)) add_people();
    add_decoys();
    set_shift();
    std::stable_sort(scene_.things.begin(), scene_.things.end(),
                     [](const Thing& a, const Thing& b) { return a.z > b.z; });
    return std::move(scene_);
  }

 private:
  void set_camera() {
    Camera& camera = scene_.camera;
    camera.height = dice_.within(1.7F, 2.9F);
    camera.horizon = 0.45F - 0.075F * (camera.height - 1.7F) + dice_.within(-0.02F, 0.02F);
    camera.focal = dice_.within(1.02F, 1.22F);
    // From feet at the lower edge to people of a sixth of the image's height.
    near_ = std::max(3.3F, camera.focal * camera.height / (0.965F - camera.horizon));
    far_ = camera.focal * 1.7F / 0.165F;
  }

  void set_climate() {
    Climate& climate = scene_.climate;
    climate.night = is_night(spec_, scene_.id);
    if (climate.night) {
      climate.air = dice_.within(-1, 17);
      climate.ground = climate.air + dice_.within(0.5F, 4);
      climate.wall = climate.air + dice_.within(0.5F, 4);
      climate.ambient = Rgb{0.85F, 0.95F, 1.15F} * dice_.within(0.007F, 0.02F);
      climate.sky_high = Rgb{0.004F, 0.005F, 0.009F};
      climate.sky_low = Rgb{0.022F, 0.017F, 0.014F};
    } else {
      climate.sun = dice_.chance(0.3F) ? 0.0F : dice_.within(0.4F, 1);
      climate.sun_side = dice_.within(-1, 1);
      climate.air = dice_.within(18, 32);
      climate.ground = climate.air + 2 + climate.sun * dice_.within(2, 11);
      climate.wall = climate.air + climate.sun * dice_.within(0, 7);
      climate.ambient = Rgb{1.02F, 1, 0.96F} * (0.62F + 0.38F * climate.sun);
      const float blue = 0.4F + 0.6F * climate.sun;
      climate.sky_high = mix(grey(0.62F), Rgb{0.16F, 0.34F, 0.74F}, blue);
      climate.sky_low = mix(grey(0.72F), Rgb{0.66F, 0.76F, 0.88F}, blue);
    }
    climate.sky = climate.air - dice_.within(22, 36);
  }

  void set_street() {
    Street& street = scene_.street;
    street.place = place_of(scene_.id);
    street.seed = dice_.word();
    const bool town = street.place == Place::kDowntown;
    street.road_half =
        street.place == Place::kCampus ? dice_.within(1.8F, 2.6F) : dice_.within(2.8F, 4.2F);
    street.road_centre = dice_.within(-2.2F, 2.2F);
    street.wall = town ? dice_.within(6.5F, 9) : dice_.within(8.5F, 14);
    street.end = dice_.within(34, 70);
    street.houses = town ? 0.97F : street.place == Place::kRoad ? 0.75F : 0.45F;
    street.crossing = dice_.chance(0.3F) ? dice_.within(near_, 13) : 0;
  }

  void put(decltype(Thing::what) what, float x, float z) {
    scene_.things.push_back({std::move(what), x, z});
  }

  // On the pavement beside the road.
  float pavement(float side, float in) const {
    const Street& street = scene_.street;
    const float x = street.road_centre + side * (street.road_half + in);
    return std::clamp(x, -street.wall + 0.5F, street.wall - 0.5F);
  }

  void add_lamps() {
    const int count = 1 + dice_.below(3);
    const float side = dice_.chance(0.5F) ? 1.0F : -1.0F;
    float z = dice_.within(5.5F, 12);
    for (int i = 0; i < count; ++i, z += dice_.within(9, 14)) {
      LampPost post;
      post.height = dice_.within(4.2F, 6);
      post.on = scene_.climate.night && dice_.chance(0.8F);
      post.arm = -side * dice_.within(0.7F, 1.4F);
      const float x = pavement(side, 0.5F);
      put(post, x, z);
      const Rgb tone = dice_.chance(0.6F) ? Rgb{1.1F, 0.78F, 0.42F} : Rgb{0.85F, 0.95F, 1.05F};
      if (post.on)
        scene_.lamps.push_back(
            {x + post.arm, z, dice_.within(3, 5.5F), tone * dice_.within(0.10F, 0.32F), false});
    }
  }

  void add_cars() {
    const int count = scene_.street.place == Place::kCampus ? dice_.below(2) : dice_.below(4);
    for (int i = 0; i < count; ++i) {
      Car car;
      const bool parked = dice_.chance(0.5F);
      const float side = dice_.chance(0.5F) ? 1.0F : -1.0F;
      const float x = parked ? scene_.street.road_centre + side * (scene_.street.road_half - 1)
                             : scene_.street.road_centre + side * scene_.street.road_half * 0.45F;
      const float z = dice_.within(6.5F, 26);
      car.towards = side < 0;
      car.running = !parked || dice_.chance(0.25F);
      car.van = dice_.chance(0.2F);
      car.paint = dice_.chance(0.6F) ? grey(dice_.within(0.03F, 0.6F))
                                     : Rgb{dice_.within(0.03F, 0.4F), dice_.within(0.03F, 0.25F),
                                           dice_.within(0.03F, 0.4F)};
      if (blocked(x, z, 1.9F, 5.5F)) continue;
      put(car, x, z);
      if (scene_.climate.night && car.running && car.towards)
        scene_.lamps.push_back({x, z, 9, Rgb{0.30F, 0.30F, 0.27F}, true});
    }
  }

  void add_trees() {
    const int count = scene_.street.place == Place::kCampus ? 2 + dice_.below(4) : dice_.below(3);
    for (int i = 0; i < count; ++i) {
      Tree tree;
      tree.height = dice_.within(4.5F, 8);
      tree.crown = dice_.within(1.2F, 2.1F);
      tree.leaf = Rgb{0.08F, 0.17F, 0.045F} * dice_.within(0.7F, 1.3F);
      tree.seed = dice_.word();
      const float side = dice_.chance(0.5F) ? 1.0F : -1.0F;
      const float x = pavement(side, dice_.within(1.2F, 5)), z = dice_.within(8, 28);
      if (!blocked(x, z, 0.8F, 1)) put(tree, x, z);
    }
  }

  // Something stands within that distance.
  [[nodiscard]] bool blocked(float x, float z, float dx, float dz) const {
    return std::any_of(scene_.things.begin(), scene_.things.end(), [&](const Thing& thing) {
      const bool car = std::holds_alternative<Car>(thing.what);
      const float behind = thing.z + (car ? 5.0F : 0.0F);
      const float wide = dx + (car ? 0.95F : 0.0F);
      return std::abs(x - thing.x) < wide && z > thing.z - dz && z < behind + dz;
    });
  }

  struct Ground {
    float x = 0, z = 0;
  };

  // Something `half` metres to either side would stand between the camera and a person.
  [[nodiscard]] bool hides(Ground place, float half) const {
    return std::any_of(scene_.things.begin(), scene_.things.end(), [&](const Thing& thing) {
      const float apart = std::abs(thing.x / thing.z - place.x / place.z) * place.z;
      return thing.person > 0 && thing.z > place.z && apart < half;
    });
  }

  // A free place that the camera sees, `dx` from anything else; if something wide goes there, not
  // in front of anybody. The last try stands.
  Ground free_place(float nearest, float farthest, float dx, float covers = 0) {
    Ground place;
    for (int tries = 0; tries < 12; ++tries) {
      place.z = nearest * std::pow(farthest / nearest, dice_.unit());
      const float half = 0.46F * aspect_ * place.z / scene_.camera.focal;
      const float reach = std::min(half, scene_.street.wall - 0.6F);
      place.x = dice_.within(-reach, reach);
      if (!blocked(place.x, place.z, dx, 0.3F) && !hides(place, covers)) break;
    }
    return place;
  }

  void put_person(Ground place, int crowd) {
    Thing thing = {random_person(dice_, scene_.climate), place.x, place.z};
    if (crowd == 0)
      thing.person = ++people_;
    else
      thing.crowd = crowd;
    scene_.things.push_back(std::move(thing));
  }

  void add_people() {
    const auto crowding = static_cast<float>(spec_.crowding);
    const float u = dice_.unit();
    const int count = 1 + static_cast<int>(crowding * 4.6F * u * u);
    for (int i = 0; i < count; ++i) {
      const Ground place = free_place(near_, far_, 0.35F);
      put_person(place, 0);
      // Some walk two by two, so that one hides a part of the other.
      if (i + 1 < count && dice_.chance(0.35F)) {
        const float beside = dice_.chance(0.5F) ? 0.5F : -0.5F;
        put_person({place.x + beside * dice_.within(0.7F, 1.2F),
                    std::max(near_, place.z + dice_.within(-0.7F, 0.7F))},
                   0);
        ++i;
      }
    }
    if (dice_.chance(std::min(0.07F * crowding, 0.6F))) add_crowd(4 + dice_.below(4));
  }

  // People so far and so close together that nobody would draw them one by one.
  void add_crowd(int members) {
    const Ground middle = free_place(far_ * 1.05F, far_ * 1.5F, 1.5F);
    for (int i = 0; i < members; ++i)
      put_person({middle.x + 0.34F * (static_cast<float>(i) - static_cast<float>(members) / 2) +
                      dice_.within(-0.1F, 0.1F),
                  middle.z + dice_.within(-0.5F, 0.5F)},
                 1);
  }

  void add_decoys() {
    const float nearest = near_ * 1.1F, farthest = far_ * 0.95F;
    for (int i = 0; i < 2; ++i) {
      if (dice_.chance(0.22F)) {
        const Ground at = free_place(nearest, farthest, 0.6F);
        put(cold_figure(dice_, scene_.climate), at.x, at.z);
      }
      if (dice_.chance(0.17F)) add_glass(free_place(nearest, farthest, 1.0F, 0.7F), true);
      if (dice_.chance(0.17F)) add_warm_post(free_place(nearest, farthest, 0.6F));
    }
    if (dice_.chance(0.2F)) add_glass(free_place(nearest, farthest, 1.0F, 0.7F), false);
    if (dice_.chance(0.15F)) {
      Dog dog;
      dog.facing = dice_.chance(0.5F) ? 1.0F : -1.0F;
      dog.fur = mix(grey(0.03F), Rgb{0.4F, 0.28F, 0.16F}, dice_.unit());
      dog.celsius = mix(scene_.climate.air, 34, 0.55F);
      const Ground at = free_place(nearest, farthest, 0.6F);
      put(dog, at.x, at.z);
    }
  }

  // A pane with a warm mirror image that light does not show, or a poster that is cold.
  void add_glass(Ground at, bool mirror) {
    const Climate& climate = scene_.climate;
    Panel panel;
    panel.width = dice_.within(1.0F, 1.5F);
    panel.celsius = climate.wall - dice_.within(0, 2);
    panel.paint = mirror ? Rgb{0.16F, 0.19F, 0.21F} * dice_.within(0.6F, 1.4F)
                         : Rgb{dice_.within(0.15F, 0.6F), dice_.within(0.15F, 0.6F),
                               dice_.within(0.15F, 0.6F)};
    // At night advertisements and shelters are lit from inside.
    if (climate.night) panel.glow = panel.paint * dice_.within(0.1F, 0.25F);
    put(panel, at.x, at.z);
    Figure figure = mirror ? mirrored_figure(dice_, climate) : cold_figure(dice_, climate);
    figure.raised = 0.2F;
    if (!mirror) figure.thermal = false;
    put(figure, at.x + dice_.within(-0.2F, 0.2F), at.z - 0.01F);
    if (climate.night)  // what hangs in a lit case is lit, too
      scene_.lamps.push_back({at.x, at.z, 0.9F, grey(dice_.within(0.08F, 0.25F)), false});
  }

  void add_warm_post(Ground at) {
    const Climate& climate = scene_.climate;
    Post post;
    post.round_top = dice_.chance(0.65F);
    post.height = dice_.within(1.45F, 1.85F);
    post.width = post.round_top ? dice_.within(0.34F, 0.46F) : dice_.within(0.22F, 0.5F);
    post.paint = dice_.chance(0.5F) ? grey(dice_.within(0.1F, 0.5F))
                                    : Rgb{0.40F, 0.30F, 0.05F} * dice_.within(0.7F, 1.2F);
    post.celsius = mix(climate.air, 33.5F, dice_.within(0.4F, 0.75F));
    put(post, at.x, at.z);
  }

  void set_shift() {
    const auto draw = [&](double largest) {
      const float v = dice_.within(-1, 1) * static_cast<float>(largest);
      return static_cast<int>(std::lround(v));
    };
    scene_.shift_x = draw(spec_.shift);
    scene_.shift_y = draw(spec_.shift / 2);
  }

  const SynthSpec& spec_;
  Dice dice_;
  float aspect_;
  Scene scene_;
  float near_ = 4, far_ = 13;
  int people_ = 0;
};

}  // namespace

bool is_night(const SynthSpec& spec, SceneId id) { return evenly(spec, id, kFirst) < spec.night; }

bool is_empty(const SynthSpec& spec, SceneId id) { return evenly(spec, id, kSecond) < spec.empty; }

Place place_of(SceneId id) { return static_cast<Place>(id.number % 3); }

Scene compose_scene(const SynthSpec& spec, SceneId id) { return Composer(spec, id).compose(); }

}  // namespace ktrain::synth
