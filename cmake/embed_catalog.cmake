# forerun_embed_catalog(<target> <function> <file>...): compiles the files into <target> as
#   std::span<const forerun::CatalogFile> forerun::<function>();
# so that the program finds its catalog wherever it is installed.
function(forerun_embed_catalog target function)
  set(entries "")
  foreach(file IN LISTS ARGN)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${file})
    file(READ ${CMAKE_CURRENT_SOURCE_DIR}/${file} text)
    get_filename_component(name ${file} NAME_WLE)
    string(APPEND entries "    {\"${name}\", R\"forerun_file(${text})forerun_file\"},\n")
  endforeach()
  set(generated ${CMAKE_CURRENT_BINARY_DIR}/${function}.cpp)
  file(CONFIGURE OUTPUT ${generated} @ONLY CONTENT
"// Generated from the catalog files; edit those.
#include <array>

#include \"units/catalog_file.hpp\"

namespace forerun {
std::span<const CatalogFile> @function@();

std::span<const CatalogFile> @function@() {
  static constexpr auto files = std::to_array<CatalogFile>({
@entries@  });
  return files;
}
}  // namespace forerun
")
  target_sources(${target} PRIVATE ${generated})
  set_source_files_properties(${generated} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)  # nor linted
endfunction()
