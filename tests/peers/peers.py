"""What the checks against outside implementations share: running the command line, and JAX's own client."""

import json
import os
import subprocess
import sys
import tempfile

import numpy as np

TANDEM = os.environ.get("TANDEM", "target/release/tandem")


def tandem(*arguments):
    """Runs the command line and returns what it printed."""
    done = subprocess.run([TANDEM, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"tandem {' '.join(map(str, arguments))} failed ({done.returncode}): {done.stderr.strip()}")
    return done.stdout


def run(algorithm, inputs, settings, dtype="f32", device="cpu"):
    """Runs an algorithm on numpy arrays; returns its outputs by name, and run.json."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["run", algorithm, "--dtype", dtype, "--device", device, "--out", f"{folder}/out", "--json"]
        for name, array in inputs.items():
            np.save(f"{folder}/{name}.npy", array)
            arguments += ["--input", f"{name}={folder}/{name}.npy"]
        for key, value in settings.items():
            arguments += ["--set", f"{key}={value}"]
        record = json.loads(tandem(*arguments))
        return {name: np.load(f"{folder}/out/{name}.npy") for name in record["outputs"]}, record


def export(algorithm, types, settings, dtype="f32"):
    """The text of the StableHLO module of an algorithm for inputs of these types."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/module.mlir"
        arguments = ["export", algorithm, "--dtype", dtype, "--out", path]
        for name, ty in types.items():
            arguments += ["--input", f"{name}={ty}"]
        for key, value in settings.items():
            arguments += ["--set", f"{key}={value}"]
        tandem(*arguments)
        with open(path) as file:
            return file.read()


def cpu_plugin():
    """The CPU plugin that `tandem` itself would use."""
    for line in tandem("plugins", "list").splitlines():
        if line.startswith("cpu "):
            return line.split()[-1]
    sys.exit("tandem plugins list shows no cpu plugin")


def choose_jax(platform):
    """Where JAX, not yet imported, will run: on `plugin`, the CPU plugin of `tandem`, or on `jaxlib`, its own newer XLA."""
    if platform == "plugin":
        os.environ["PJRT_NAMES_AND_LIBRARY_PATHS"] = f"xla_cpu:{cpu_plugin()}"
        os.environ["JAX_PLATFORMS"] = "xla_cpu"
    else:
        os.environ["JAX_PLATFORMS"] = "cpu"


def example(name):
    """The path of an example that cargo has built."""
    return os.path.join(os.path.dirname(TANDEM), "examples", name)


def load(text):
    """Compiles a StableHLO module with JAX's own client: a function from arrays to the list of results.

    Its `memory()` says how many bytes arguments, results and intermediate arrays take.
    """
    import jax
    from jax._src import compiler
    from jaxlib import _jax

    device = jax.devices()[0]
    options = compiler.get_compile_options(num_replicas=1, num_partitions=1)
    program = device.client.compile_and_load(text, _jax.DeviceList((device,)), options)

    def call(*arguments):
        # Placing what is in place takes as long as a small program.
        placed = [x if isinstance(x, jax.Array) else jax.device_put(x, device) for x in arguments]
        results = program.execute_sharded(placed).disassemble_into_single_device_arrays()
        return [result[0] for result in results]

    call.memory = program.get_compiled_memory_stats
    return call


def execute(text, arguments):
    """Compiles a StableHLO module with JAX's own client and runs it."""
    return [np.asarray(result) for result in load(text)(*arguments)]
