# The plans of configs/ as text in the program, so that `ktrain plan_a.cfg` works where there is nothing but the
# program, and `ktrain init` can write them.
file(GLOB_RECURSE plans RELATIVE ${PROJECT_SOURCE_DIR}/configs CONFIGURE_DEPENDS
     ${PROJECT_SOURCE_DIR}/configs/*.cfg)
set(text "// Generated from configs/.\n#include \"train/built_in_plans.h\"\n\nnamespace ktrain {\n
std::span<const BuiltInPlan> built_in_plans() {\n  static constexpr BuiltInPlan kPlans[] = {\n")
foreach(plan IN LISTS plans)
  file(READ ${PROJECT_SOURCE_DIR}/configs/${plan} content)
  string(APPEND text "      {\"${plan}\", R\"plan(${content})plan\"},\n")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/configs/${plan})
endforeach()
string(APPEND text "  };\n  return kPlans;\n}\n\n}  // namespace ktrain\n")
file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/generated/built_in_plans.cpp CONTENT "${text}")
target_sources(kt_train PRIVATE ${PROJECT_BINARY_DIR}/generated/built_in_plans.cpp)
