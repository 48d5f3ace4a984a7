# forerun for Spack. NOT BUILT HERE: written from the build on Debian 12, never run through spack.
#
#   spack repo add jobs/spack
#   spack dev-build forerun@0.1.0      # in the checkout
from spack.package import *


class Forerun(CMakePackage, CudaPackage):
    """Predicts what a large-model training run costs from kernels and collectives that MPI ranks
    measure on the cluster at hand."""

    version("0.1.0")

    depends_on("c", type="build")
    depends_on("cxx", type="build")
    depends_on("cmake@3.25:", type="build")
    depends_on("ninja", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("openmpi@4.1:4")
    # 3 renamed parts of the interface.
    depends_on("onednn@2.6:2")
    depends_on("hwloc@2.9:")
    depends_on("boost@1.74:+program_options")
    depends_on("eigen@3.4:3")
    depends_on("nlohmann-json@3.11:")
    depends_on("tomlplusplus@3.3:")
    depends_on("fmt@9.1:")
    with when("+cuda"):
        depends_on("nccl")
        depends_on("cudnn@9:")

    conflicts("%gcc@:11", msg="needs C++20 as g++ 12 has it")

    def cmake_args(self):
        return [
            self.define("FORERUN_BUILD_TESTS", False),
            self.define("FORERUN_CUDA", "ON" if self.spec.satisfies("+cuda") else "OFF"),
        ]

    def install(self, spec, prefix):
        with working_dir(self.build_directory):
            install_tree("bin", prefix.bin)
