"""Mesa and triton bring an LLVM each; whoever renders and compiles in one process must not crash."""

import importlib.util
import subprocess
import sys

import pytest
from fakes.meshes import made

RENDERS_THEN_COMPILES = """
from gazeworld.envs.objects.renderer import make_renderer
make_renderer("opengl", 16)
import triton.knobs
"""


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed")
def test_triton_can_be_loaded_after_a_renderer() -> None:
    made("opengl", 16).close()  # skips where there is no driver
    done = subprocess.run([sys.executable, "-c", RENDERS_THEN_COMPILES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
