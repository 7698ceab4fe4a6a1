"""How a kernel reaches oneDNN, whose library Jittor has loaded: as text, and as flags of the compiler."""

import functools

from jgen.platform.runtime import onednn_headers

# One product of row-major matrices on one thread, where it is called in a parallel region.
SGEMM = """
extern "C" int dnnl_sgemm(char, char, long, long, long, float, const float*, long, const float*, long, float, float*,
                          long);
"""


@functools.cache
def compile_options():
    """For jt.flag_scope, so that a kernel finds oneDNN's headers."""
    return {f'FLAGS: -I"{onednn_headers()}" ': 1}
