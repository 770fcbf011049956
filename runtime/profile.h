// Time by part of the model, for those above this layer: PartScope, Profile.
#pragma once

#include "kernels/profile.h"
