// Names the part of a model that ops work for, for the profile: PartScope.
#pragma once

#include "kernels/profile.h"
