# cmake -DPROGRAMS=<a;b> -DSCRIPTS=<c;d> -DTO=<folder> -P: copies programs and their shared libraries,
# those of the C library apart, and scripts. Links become files, by the name that the program asks for.
file(REMOVE_RECURSE ${TO})
file(GET_RUNTIME_DEPENDENCIES EXECUTABLES ${PROGRAMS} RESOLVED_DEPENDENCIES_VAR libraries
     POST_EXCLUDE_REGEXES "/ld-linux" "/lib(c|m|dl|pthread|rt)\\.so")
foreach(file ${PROGRAMS} ${libraries} ${SCRIPTS})
  get_filename_component(name ${file} NAME)
  file(MAKE_DIRECTORY ${TO})
  execute_process(COMMAND ${CMAKE_COMMAND} -E copy ${file} ${TO}/${name} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
file(GLOB carried RELATIVE ${TO} ${TO}/*)
list(JOIN carried " " text)
message("${TO}: ${text}")
