# cmake --install: the command, and a package for find_package(ktrain). ktrain::runtime (with
# ktrain::kernels) can be used without the rest.
include(CMakePackageConfigHelpers)

install(TARGETS ktrain RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS kt_kernels kt_runtime kt_models EXPORT ktrain_targets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
foreach(folder kernels runtime models)
  install(DIRECTORY ${folder} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/ktrain
          FILES_MATCHING PATTERN "*.h" PATTERN "emulation" EXCLUDE)
endforeach()
install(EXPORT ktrain_targets NAMESPACE ktrain:: FILE ktrain_targets.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/ktrain)

configure_package_config_file(cmake/ktrain-config.cmake.in ktrain-config.cmake
                              INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/ktrain)
write_basic_package_version_file(ktrain-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/ktrain-config.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/ktrain-config-version.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/ktrain)
