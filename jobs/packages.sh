# The Debian and Ubuntu packages that forerun needs, and their installation. Sourced, not run.
# shellcheck shell=bash

# To build and run the program.
# shellcheck disable=SC2034
build_packages=(
  build-essential cmake ninja-build pkg-config
  libopenmpi-dev openmpi-bin
  libdnnl-dev libhwloc-dev libboost-program-options-dev libeigen3-dev
  nlohmann-json3-dev libtomlplusplus-dev libyaml-cpp-dev libfmt-dev
)
# To build and run its tests, beside those above.
# shellcheck disable=SC2034
test_packages=(
  libgtest-dev libgmock-dev libbenchmark-dev
  chromium  # looks at the report page
  iproute2  # hosts out of network namespaces, in tests/cluster
  slurm-wlm munge procps  # a Slurm of its own, there too
  libfaketime  # a clock that steps back
  locales  # one whose decimal sign is a comma
  clang-format-14 clang-tidy-14 libomp-14-dev  # the last: omp.h, for clang-tidy
)
# The report page; a node from elsewhere brings an npm of its own, which Debian's would not join.
if ! command -v npm >/dev/null; then
  test_packages+=(nodejs npm)
fi

# missing_packages NAME...: those of them that are not installed, one a line.
missing_packages() {
  local installed name
  installed=$(dpkg-query --show --showformat '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true)
  for name in "$@"; do
    grep -qxF "$name installed" <<<"$installed" || printf '%s\n' "$name"
  done
}

# install_missing NAME...: installs what is not there yet; fails where it cannot.
install_missing() {
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    printf '%s\n' "This is not Debian or Ubuntu. Load or install what these packages hold, then" \
      "run again with --no-install:" "  $*" >&2
    return 1
  fi
  local missing
  mapfile -t missing < <(missing_packages "$@")
  if ((${#missing[@]} == 0)); then
    echo "All packages are installed."
    return 0
  fi
  local as_root=()
  if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
      echo "Packages are missing and there is no sudo; as root: apt-get install ${missing[*]}" >&2
      return 1
    fi
    as_root=(sudo)
  fi
  echo "Installing ${missing[*]}"
  "${as_root[@]}" apt-get update
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install --yes --no-install-recommends "${missing[@]}"
}
