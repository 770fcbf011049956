// One street scene as data: where everything is, how it is lit, how warm it is. Metres and degrees
// Celsius. x goes to the right of the camera's axis, z away from it, heights up from the ground.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "data/synth/synth.h"
#include "data/synth/vec.h"

namespace ktrain::synth {

enum class Place : std::uint8_t { kCampus, kRoad, kDowntown };

// Which scene: train and val never share one.
struct SceneId {
  bool val = false;
  std::int64_t number = 0;
  // The `sample` of every random draw of the scene.
  [[nodiscard]] std::uint32_t sample() const {
    return static_cast<std::uint32_t>(number) | (val ? 1U << 31 : 0U);
  }
};

struct Camera {
  float focal = 1.1F;    // image heights per unit of slope
  float horizon = 0.4F;  // image heights from the top
  float height = 2;      // metres
};

struct Climate {
  bool night = false;
  float sun = 0;       // 0 overcast .. 1
  float sun_side = 0;  // -1 from the left .. 1 from the right
  Rgb ambient;         // light from everywhere
  Rgb sky_low, sky_high;
  float air = 20, ground = 24, wall = 22, sky = -8;
};

struct Street {
  Place place = Place::kRoad;
  float road_centre = 0, road_half = 3.5F;
  float wall = 9;       // distance of the houses to either side
  float end = 50;       // distance of the house front at the end
  float houses = 0.8F;  // share of house plots that are built on
  float crossing = 0;   // z of a zebra crossing, 0 none
  std::uint32_t seed = 0;
};

// A person, or what looks like one.
struct Figure {
  float height = 1.7F, build = 1;
  float yaw = 0;                // of the body: 0 towards the camera, pi/2 to the right
  float phase = 0, stride = 1;  // of the gait, radians; 0 stands .. 1 walks
  bool coat = false, skirt = false, shorts = false, hood = false, backpack = false, bag = false;
  Rgb skin, hair, top, bottom, shoes;
  float face = 32, hands = 30, head = 27, chest = 25, legs = 24, feet = 20;
  bool visible = true, thermal = true;
  float raised = 0;  // feet above the ground
  std::uint32_t seed = 0;
};

struct Car {
  Rgb paint;
  bool towards = true;  // the camera sees its front
  bool running = true;  // lights on and engine warm
  bool van = false;
};
struct Tree {
  float height = 6, crown = 1.8F;
  Rgb leaf;
  std::uint32_t seed = 0;
};
struct LampPost {
  float height = 5;
  bool on = false;
  float arm = 1;  // to the right when positive
};
// Bollards, patio heaters and sun-warmed stones: about as tall as a person.
struct Post {
  float height = 1.6F, width = 0.35F;
  bool round_top = false;
  Rgb paint;
  float celsius = 20;
};
struct Dog {
  float facing = 1;
  Rgb fur;
  float celsius = 28;
};
// A pane that stands upright: an advertisement, a glass shelter.
struct Panel {
  float width = 1.3F, height = 2.2F;
  Rgb paint;
  Rgb glow;  // light of its own
  float celsius = 20;
};

struct Thing {
  std::variant<Figure, Car, Tree, LampPost, Post, Dog, Panel> what;
  float x = 0, z = 10;
  int person = 0;  // 1, 2, ...: a pedestrian; 0: nobody
  int crowd = 0;   // 1, 2, ...: a group that is annotated as a whole
};

struct Lamp {
  float x = 0, z = 0, reach = 5;
  Rgb light;
  bool beam = false;  // headlights: shines towards the camera, from z downwards
};

struct Scene {
  SceneId id;
  Camera camera;
  Climate climate;
  Street street;
  std::vector<Lamp> lamps;
  std::vector<Thing> things;
  int shift_x = 0, shift_y = 0;  // of what the visible camera sees, pixels
};

// Every choice that the scene needs. Depends on width and height through their ratio alone.
[[nodiscard]] Scene compose_scene(const SynthSpec& spec, SceneId id);
[[nodiscard]] bool is_night(const SynthSpec& spec, SceneId id);
[[nodiscard]] bool is_empty(const SynthSpec& spec, SceneId id);
[[nodiscard]] Place place_of(SceneId id);

// Light that falls on something upright at a place.
[[nodiscard]] Rgb light_at(const Scene& scene, float x, float z);

// From metres to pixels of one image.
struct View {
  float focal = 0, horizon = 0, middle = 0, eye = 0;

  View(const Camera& camera, int width, int height)
      : focal(camera.focal * static_cast<float>(height)),
        horizon(camera.horizon * static_cast<float>(height)),
        middle(static_cast<float>(width) / 2),
        eye(camera.height) {}
  [[nodiscard]] float scale(float z) const { return focal / z; }  // pixels per metre
  [[nodiscard]] Vec2 at(float x, float up, float z) const {
    return {middle + focal * x / z, horizon + focal * (eye - up) / z};
  }
};

}  // namespace ktrain::synth
