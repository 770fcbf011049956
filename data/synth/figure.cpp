#include "data/synth/figure.h"

#include <algorithm>
#include <array>
#include <numbers>

namespace ktrain::synth {
namespace {

// In the body's own frame: right, up, forward.
struct Joint {
  float right = 0, up = 0, forward = 0;
};

struct Projected {
  Vec2 at;
  float depth = 0;  // away from the camera
};

// Segment lengths are shares of the height, after the usual tables of anthropometry.
constexpr float kHip = 0.52F, kShoulder = 0.815F, kThigh = 0.245F, kShin = 0.235F;
constexpr float kUpperArm = 0.175F, kForearm = 0.155F;

struct Leg {
  Joint hip, knee, ankle, toe;
};
struct Arm {
  Joint shoulder, elbow, hand;
};

class Painter {
 public:
  Painter(Canvas& canvas, const Figure& figure, const Stand& stand)
      : canvas_(canvas),
        figure_(figure),
        stand_(stand),
        size_(figure.height * stand.scale),
        sine_(std::sin(figure.yaw)),
        cosine_(std::cos(figure.yaw)) {}

  void paint() {
    const float swing = 0.06F + 0.40F * figure_.stride;
    const float left = std::sin(figure_.phase), right = -left;
    bob_ = -(kThigh + kShin) * (1 - std::cos(swing * left));  // the front foot stays down
    const Leg legs[2] = {leg(-1, swing * left), leg(1, swing * right)};
    const Arm arms[2] = {arm(-1, 0.9F * swing * right), arm(1, 0.9F * swing * left)};
    const bool left_is_far = project(legs[0].hip).depth >= project(legs[1].hip).depth;
    const std::size_t far = left_is_far ? 0 : 1, near = 1 - far;
    const bool from_behind = cosine_ < 0;
    const bool side = std::abs(sine_) > 0.35F;
    if (figure_.backpack && !from_behind) paint_backpack();
    paint_arm(arms[far], side ? 0.72F : 0.92F);
    paint_leg(legs[far], side ? 0.72F : 0.9F);
    paint_leg(legs[near], 1);
    paint_torso();
    paint_head();
    if (figure_.backpack && from_behind) paint_backpack();
    paint_arm(arms[near], 1);
    if (figure_.bag) paint_bag(arms[near].hand);
  }

 private:
  [[nodiscard]] Projected project(const Joint& joint) const {
    const float x = joint.right * cosine_ + joint.forward * sine_;
    const float depth = joint.right * sine_ - joint.forward * cosine_;
    return {{stand_.feet.x + x * size_,
             stand_.feet.y - (joint.up + bob_) * size_ - figure_.raised * stand_.scale},
            depth};
  }

  [[nodiscard]] Surface surface(Rgb albedo, float celsius, float shade = 1) const {
    Surface out;
    out.light = albedo * stand_.light * shade;
    out.celsius = celsius;
    out.visible = figure_.visible;
    out.thermal = figure_.thermal;
    out.round = 0.34F;
    out.lit_from = stand_.lit_from;
    out.texture = 0.12F;
    out.grain = 22 / std::max(size_, 22.0F);
    out.seed = figure_.seed;
    return out;
  }

  // `angle` swings the thigh forward; a leg that is behind bends its knee.
  [[nodiscard]] Leg leg(float side, float angle) const {
    const float bend = figure_.stride * (angle < 0 ? 0.75F : 0.18F) * std::abs(std::sin(angle)) * 2;
    Leg out;
    out.hip = {side * 0.052F * figure_.build, kHip, 0};
    out.knee = {side * 0.050F, kHip - kThigh * std::cos(angle), kThigh * std::sin(angle)};
    const float low = angle - bend;
    out.ankle = {side * 0.048F, out.knee.up - kShin * std::cos(low),
                 out.knee.forward + kShin * std::sin(low)};
    out.toe = {side * 0.060F, out.ankle.up - 0.022F + 0.03F * std::min(angle, 0.0F),
               out.ankle.forward + 0.085F};
    return out;
  }

  [[nodiscard]] Arm arm(float side, float angle) const {
    Arm out;
    const float out_x = side * 0.118F * figure_.build;
    out.shoulder = {out_x, kShoulder - 0.012F, 0};
    out.elbow = {out_x + side * 0.022F, out.shoulder.up - kUpperArm * std::cos(angle),
                 kUpperArm * std::sin(angle)};
    const float low = angle + 0.25F + 0.35F * figure_.stride;
    out.hand = {out_x + side * 0.018F, out.elbow.up - kForearm * std::cos(low),
                out.elbow.forward + kForearm * std::sin(low)};
    return out;
  }

  void limb(const Joint& a, float ra, const Joint& b, float rb, const Surface& look) {
    canvas_.capsule(project(a).at, ra * size_, project(b).at, rb * size_, look);
  }

  void paint_leg(const Leg& leg, float shade) {
    const float thick = 0.5F + 0.5F * figure_.build;
    const Surface cloth = surface(figure_.bottom, figure_.legs, shade);
    const bool bare = figure_.shorts || figure_.skirt;
    const Surface low = bare ? surface(figure_.skin, figure_.hands, shade) : cloth;
    limb(leg.ankle, 0.022F, leg.toe, 0.018F, surface(figure_.shoes, figure_.feet, shade));
    limb(leg.knee, 0.036F * thick, leg.ankle, 0.025F * thick, low);
    limb(leg.hip, 0.056F * thick, leg.knee, 0.039F * thick, cloth);
  }

  void paint_arm(const Arm& arm, float shade) {
    const float thick = 0.5F + 0.5F * figure_.build;
    const Surface sleeve = surface(figure_.top, figure_.chest - 1, shade);
    const bool bare = figure_.shorts && !figure_.coat;
    const Surface low = bare ? surface(figure_.skin, figure_.hands, shade) : sleeve;
    const Joint wrist = arm.hand;
    limb(arm.elbow, 0.025F * thick, wrist, 0.020F * thick, low);
    limb(arm.shoulder, 0.034F * thick, arm.elbow, 0.027F * thick, sleeve);
    canvas_.ellipse(project(wrist).at, {0.021F * size_, 0.026F * size_},
                    surface(figure_.skin, figure_.hands, shade));
  }

  // Half width of the body as seen: broad from the front, flat from the side.
  [[nodiscard]] float half_width(float broad, float deep) const {
    return (std::abs(cosine_) * broad + std::abs(sine_) * deep) * figure_.build;
  }

  void paint_torso() {
    const Surface cloth = surface(figure_.top, figure_.chest);
    const float low = figure_.coat ? 0.36F : 0.49F;
    const Vec2 top = project({0, kShoulder + 0.01F, 0}).at, bottom = project({0, low, 0}).at;
    const Vec2 waist = project({0, 0.61F, 0}).at;
    const float shoulder = half_width(0.112F, 0.066F) * size_;
    const float belt = half_width(0.083F, 0.062F) * size_;
    const float hem =
        half_width(figure_.coat ? 0.112F : 0.088F, figure_.coat ? 0.085F : 0.066F) * size_;
    if (figure_.skirt) paint_skirt();
    const std::array<Vec2, 6> trunk = {Vec2{top.x - shoulder, top.y + 0.018F * size_},
                                       Vec2{top.x + shoulder, top.y + 0.018F * size_},
                                       Vec2{waist.x + belt, waist.y},
                                       Vec2{bottom.x + hem, bottom.y},
                                       Vec2{bottom.x - hem, bottom.y},
                                       Vec2{waist.x - belt, waist.y}};
    const std::array<Vec2, 4> upper = {trunk[0], trunk[1], trunk[2], trunk[5]};
    const std::array<Vec2, 4> lower = {trunk[5], trunk[2], trunk[3], trunk[4]};
    Surface part = cloth;
    part.celsius = figure_.chest - (figure_.coat ? 1.5F : 0.5F);
    canvas_.polygon(lower, part);
    canvas_.polygon(upper, cloth);
    canvas_.capsule({top.x - shoulder * 0.72F, top.y + 0.012F * size_}, 0.030F * size_,
                    {top.x + shoulder * 0.72F, top.y + 0.012F * size_}, 0.030F * size_, cloth);
  }

  void paint_skirt() {
    const Vec2 top = project({0, 0.58F, 0}).at, bottom = project({0, 0.30F, 0}).at;
    const float narrow = half_width(0.085F, 0.065F) * size_, wide = half_width(0.12F, 0.1F) * size_;
    const std::array<Vec2, 4> cloth = {Vec2{top.x - narrow, top.y}, Vec2{top.x + narrow, top.y},
                                       Vec2{bottom.x + wide, bottom.y},
                                       Vec2{bottom.x - wide, bottom.y}};
    canvas_.polygon(cloth, surface(figure_.bottom, figure_.legs));
  }

  void paint_head() {
    const Joint neck = {0, kShoulder + 0.01F, 0}, chin = {0, 0.875F, 0.008F};
    limb(neck, 0.034F, chin, 0.030F, surface(figure_.skin, figure_.face - 0.5F, 0.85F));
    const Vec2 centre = project({0, 0.932F, 0.012F}).at;
    const Vec2 skull = {0.051F * size_, 0.066F * size_};
    canvas_.ellipse(centre, skull, surface(figure_.hair, figure_.head));
    const float facing = cosine_;  // 1 towards the camera
    if (facing < -0.45F) return;   // only hair is seen from behind
    const float show = 0.45F + 0.55F * std::max(facing, 0.0F);
    const Vec2 face = {centre.x + sine_ * 0.022F * size_, centre.y + 0.014F * size_};
    canvas_.ellipse(face, {skull.x * (0.45F + 0.47F * show), skull.y * 0.74F},
                    surface(figure_.skin, figure_.face));
    if (!figure_.hood) return;
    canvas_.capsule({centre.x - skull.x * 0.8F, centre.y - skull.y * 0.62F}, 0.022F * size_,
                    {centre.x + skull.x * 0.8F, centre.y - skull.y * 0.62F}, 0.022F * size_,
                    surface(figure_.top, figure_.head - 2));
  }

  void paint_backpack() {
    const Joint top = {0, 0.78F, -0.075F}, low = {0, 0.62F, -0.08F};
    const float r = half_width(0.075F, 0.045F);
    limb(top, r, low, r * 1.1F, surface(figure_.shoes * 1.6F, figure_.chest - 5));
  }

  void paint_bag(const Joint& hand) {
    const Vec2 at = project({hand.right, hand.up - 0.09F, hand.forward}).at;
    const float half = half_width(0.03F, 0.06F) * size_;
    canvas_.rectangle({at.x - half, at.y - 0.06F * size_, at.x + half, at.y + 0.05F * size_},
                      surface(figure_.shoes * 1.3F, figure_.feet - 1));
  }

  Canvas& canvas_;
  const Figure& figure_;
  const Stand& stand_;
  float size_, sine_, cosine_;
  float bob_ = 0;
};

}  // namespace

void paint_figure(Canvas& canvas, const Figure& figure, const Stand& stand) {
  Painter(canvas, figure, stand).paint();
}

}  // namespace ktrain::synth
