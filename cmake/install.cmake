# What `cmake --install` and the Debian package lay out: program, modules, manual pages, completion,
# catalogs (which the program finds from its own place), job scripts, an environment module.
set(share ${CMAKE_INSTALL_DATADIR}/forerun)
install(TARGETS forerun RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY jobs/catalog/ DESTINATION ${share}/models FILES_MATCHING PATTERN "*.json")
install(DIRECTORY topologies/catalog/ DESTINATION ${share}/clusters FILES_MATCHING PATTERN "*.toml")
install(DIRECTORY jobs/slurm DESTINATION ${share} USE_SOURCE_PERMISSIONS)
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY estimator/report/pictures DESTINATION ${CMAKE_INSTALL_DOCDIR}/estimator/report)
install(FILES jobs/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME models.md)
install(FILES topologies/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME clusters.md)

# Written by the program itself, from the table that --help prints.
set(pages ${CMAKE_BINARY_DIR}/generated)
set(written ${pages}/forerun.bash ${pages}/_forerun ${pages}/forerun.1)
set(commands
  COMMAND forerun completion bash > ${pages}/forerun.bash
  COMMAND forerun completion zsh > ${pages}/_forerun
  COMMAND forerun manual > ${pages}/forerun.1)
foreach(verb measure rehearse estimate plan capacity forecast validate report show import)
  list(APPEND commands COMMAND forerun manual ${verb} > ${pages}/forerun-${verb}.1)
  list(APPEND written ${pages}/forerun-${verb}.1)
endforeach()
file(MAKE_DIRECTORY ${pages})
add_custom_command(OUTPUT ${written} ${commands} DEPENDS forerun VERBATIM
  COMMENT "Writing manual pages and completion")
add_custom_target(forerun_manual ALL DEPENDS ${written})
install(FILES ${pages}/forerun.bash RENAME forerun
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${pages}/_forerun DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
install(DIRECTORY ${pages}/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 FILES_MATCHING PATTERN "*.1")

# `module load forerun/VERSION` finds the prefix from where the file lies.
configure_file(cmake/modulefile.in ${pages}/modulefile @ONLY)
install(FILES ${pages}/modulefile RENAME ${PROJECT_VERSION} DESTINATION ${share}/modulefiles/forerun)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME forerun)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_PACKAGE_CONTACT "forerun")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Predicts what a large-model training run costs")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS openmpi-bin)
set(CPACK_STRIP_FILES ON)
include(CPack)
