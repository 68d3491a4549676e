#!/usr/bin/env bash
# arm64.sh BUILD [MESON-OPTION...]: hoptap-probe for aarch64, cross-compiled into the folder BUILD. Nothing of arm64 is
# installed: Debian's packages of the libraries are unpacked beneath BUILD/root, by an apt with lists and a status of its own.
# Exit codes: 0 built, 77 the packages cannot be had, otherwise broken.
set -euo pipefail
source=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1"
build=$(cd "$1" && pwd)
shift
root=$build/root apt=$build/apt
packages=(libgrpc++-dev libprotobuf-dev libpcap-dev libzstd-dev zlib1g-dev libfmt-dev libyaml-cpp-dev libboost1.81-dev
  libboost-json1.81-dev libssl-dev libsqlite3-dev libseccomp-dev libcli11-dev libexpected-dev libxxhash-dev)

fetch() {
  mkdir -p "$apt"/{lists/partial,cache/archives/partial}
  : >"$apt/status"  # nothing is installed
  local options=(-qq -o Dir::State="$apt" -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache"
    -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Debug::NoLocking=1 -o APT::Sandbox::User=root)
  apt-get "${options[@]}" update >&2 || true  # a list that cannot be had may be one that is not needed
  apt-get "${options[@]}" -y -d --no-install-recommends install "${packages[@]}" >&2 || return 1
  local archive
  for archive in "$apt"/cache/archives/*-dev_*.deb; do
    case ${archive##*/} in
      libc6-dev_* | libcrypt-dev_* | linux-libc-dev_* | libstdc++-* | libgcc-*) ;;  # the cross compiler has its own
      *) dpkg -x "$archive" "$root.part" || return 1 ;;
    esac
  done
  mv "$root.part" "$root"
}

if ! command -v aarch64-linux-gnu-g++ >/dev/null; then
  echo "arm64: skipped, g++-aarch64-linux-gnu is not installed"
  exit 77
fi
rm -rf "$root.part"
if [[ ! -d $root ]] && ! fetch; then
  echo "arm64: skipped, Debian's arm64 packages cannot be had here: ${packages[*]}"
  exit 77
fi

cat >"$build/cross.ini" <<EOT
[constants]
root = '$root/usr'
libraries = root / 'lib/aarch64-linux-gnu'
[binaries]
cpp = [$(command -v ccache >/dev/null && echo "'ccache', ")'aarch64-linux-gnu-g++']
ar = 'aarch64-linux-gnu-gcc-ar'
strip = 'aarch64-linux-gnu-strip'
pkgconfig = 'pkg-config'
[built-in options]
# after all others: the C library's headers are the cross compiler's
cpp_args = ['-idirafter', root / 'include', '-idirafter', root / 'include/aarch64-linux-gnu']
cpp_link_args = ['-L' + libraries]
[properties]
needs_exe_wrapper = true
sys_root = '$root'
pkg_config_libdir = libraries / 'pkgconfig:' + root / 'share/pkgconfig'
boost_includedir = root / 'include'
boost_librarydir = libraries
static_library_folders = [libraries]
[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = 'aarch64'
endian = 'little'
EOT
[[ -f $build/build.ninja ]] || meson setup "$build" "$source" --cross-file "$build/cross.ini" -Dstatic_probe=enabled "$@" >"$build.log" 2>&1 ||
  { cat "$build.log" >&2; exit 1; }
ninja -C "$build" appliance/hoptap-probe >"$build.log" 2>&1 || { tail -50 "$build.log" >&2; exit 1; }
echo "arm64: $build/appliance/hoptap-probe, $(($(stat -c %s "$build/appliance/hoptap-probe") / 1000000)) MB"
