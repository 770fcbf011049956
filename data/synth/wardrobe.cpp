#include "data/synth/wardrobe.h"

#include <array>
#include <numbers>

namespace ktrain::synth {
namespace {

constexpr std::array<Rgb, 5> kSkin = {Rgb{0.62F, 0.43F, 0.33F}, Rgb{0.52F, 0.34F, 0.25F},
                                      Rgb{0.38F, 0.23F, 0.15F}, Rgb{0.24F, 0.14F, 0.09F},
                                      Rgb{0.12F, 0.07F, 0.05F}};
constexpr std::array<Rgb, 5> kHair = {Rgb{0.02F, 0.016F, 0.014F}, Rgb{0.06F, 0.035F, 0.02F},
                                      Rgb{0.13F, 0.08F, 0.04F}, Rgb{0.36F, 0.26F, 0.13F},
                                      Rgb{0.38F, 0.37F, 0.36F}};
constexpr std::array<Rgb, 12> kTops = {
    Rgb{0.03F, 0.03F, 0.035F}, Rgb{0.05F, 0.06F, 0.09F}, Rgb{0.12F, 0.12F, 0.12F},
    Rgb{0.30F, 0.29F, 0.28F},  Rgb{0.65F, 0.64F, 0.61F}, Rgb{0.42F, 0.05F, 0.05F},
    Rgb{0.06F, 0.13F, 0.34F},  Rgb{0.08F, 0.20F, 0.12F}, Rgb{0.55F, 0.36F, 0.07F},
    Rgb{0.23F, 0.15F, 0.09F},  Rgb{0.38F, 0.33F, 0.24F}, Rgb{0.30F, 0.12F, 0.24F}};
constexpr std::array<Rgb, 6> kBottoms = {Rgb{0.025F, 0.025F, 0.03F}, Rgb{0.05F, 0.08F, 0.16F},
                                         Rgb{0.10F, 0.15F, 0.25F},   Rgb{0.20F, 0.19F, 0.18F},
                                         Rgb{0.28F, 0.22F, 0.14F},   Rgb{0.10F, 0.08F, 0.06F}};

void dress(Dice& dice, bool cold, Figure& figure) {
  figure.skin = dice.pick(kSkin);
  figure.hair = dice.pick(kHair);
  figure.top = dice.pick(kTops) * dice.within(0.75F, 1.2F);
  figure.bottom = dice.pick(kBottoms) * dice.within(0.75F, 1.2F);
  figure.shoes = dice.chance(0.25F) ? grey(0.4F) : grey(dice.within(0.02F, 0.08F));
  figure.coat = dice.chance(cold ? 0.5F : 0.08F);
  figure.skirt = dice.chance(0.14F);
  figure.shorts = !cold && dice.chance(0.3F);
  figure.hood = cold && dice.chance(0.3F);
  figure.backpack = dice.chance(0.2F);
  figure.bag = dice.chance(0.2F);
}

void warm(Dice& dice, const Climate& climate, Figure& figure) {
  // Clothes lie between the skin and the air; the sun warms what it falls on.
  const float sunny = climate.night ? 0.0F : climate.sun * dice.within(1.0F, 6.0F);
  const float through = figure.coat ? dice.within(0.26F, 0.42F) : dice.within(0.38F, 0.60F);
  const auto between = [&](float share) {
    return climate.air + (33.5F - climate.air) * share + sunny * (1 - share);
  };
  figure.face = between(dice.within(0.86F, 0.95F));
  figure.hands = between(dice.within(0.62F, 0.85F));
  figure.head = between(figure.hood ? 0.45F : dice.within(0.5F, 0.68F));
  figure.chest = between(through);
  figure.legs = between(through * dice.within(0.78F, 0.98F));
  figure.feet = between(through * 0.5F);
}

Figure posed(Dice& dice) {
  Figure figure;
  figure.seed = dice.word();
  figure.height = dice.chance(0.12F) ? dice.within(1.15F, 1.5F) : dice.within(1.55F, 1.9F);
  figure.build = dice.within(0.86F, 1.22F);
  // Most walk along the street, many across, some stand about.
  const float way = dice.unit();
  const float turn = dice.within(-0.35F, 0.35F);
  constexpr float kPi = std::numbers::pi_v<float>;
  figure.yaw = (way < 0.3F ? 0.0F : way < 0.55F ? kPi : way < 0.78F ? kPi / 2 : -kPi / 2) + turn;
  figure.phase = dice.within(0, 2 * kPi);
  figure.stride = dice.chance(0.25F) ? dice.within(0, 0.15F) : dice.within(0.6F, 1.0F);
  return figure;
}

void set_warmth(Figure& figure, float celsius) {
  figure.face = figure.hands = figure.head = figure.chest = figure.legs = figure.feet = celsius;
}

}  // namespace

Figure random_person(Dice& dice, const Climate& climate) {
  Figure figure = posed(dice);
  dress(dice, climate.air < 14, figure);
  warm(dice, climate, figure);
  return figure;
}

Figure cold_figure(Dice& dice, const Climate& climate) {
  Figure figure = posed(dice);
  figure.height = dice.within(1.6F, 1.85F);
  dress(dice, climate.air < 14, figure);
  figure.backpack = figure.bag = false;
  if (dice.chance(0.35F)) {  // stone or bronze
    const Rgb stone = dice.chance(0.5F) ? grey(dice.within(0.25F, 0.45F))
                                        : Rgb{0.10F, 0.085F, 0.05F} * dice.within(0.8F, 1.6F);
    figure.skin = figure.hair = figure.top = figure.bottom = figure.shoes = stone;
  }
  set_warmth(figure, climate.ground + dice.within(-2.5F, 0.5F));
  return figure;
}

Figure mirrored_figure(Dice& dice, const Climate& climate) {
  Figure figure = random_person(dice, climate);
  figure.visible = false;
  figure.height = dice.within(1.5F, 1.85F);
  const float loss = dice.within(0.05F, 0.25F), cool = climate.wall - 1;
  for (float* part :
       {&figure.face, &figure.hands, &figure.head, &figure.chest, &figure.legs, &figure.feet})
    *part = mix(*part, cool, loss);
  return figure;
}

}  // namespace ktrain::synth
