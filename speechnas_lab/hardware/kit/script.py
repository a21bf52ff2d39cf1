"""Measure a kit's graphs on this machine: python run_kit.py

Needs Python 3.6 or newer with numpy and onnxruntime (1.6 or newer), and nothing else. Writes result.json beside
itself; stopped half-way, it goes on where it was when it is started again. Take result.json back to the machine that
made the kit: speechnas profile --from result.json --out NAME.json

The library measures with the functions of this same file, so that a device far away is timed as one at hand is.
"""

import argparse
import gc
import hashlib
import json
import os
import platform
import sys
import time

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    if __name__ == "__main__":
        os.environ[_name] = "1"

import numpy as np  # noqa: E402

FORMAT = 1
HERE = os.path.dirname(os.path.abspath(__file__))


# The clock -----------------------------------------------------------------------------------------------------------
def take_turns(calls, repeats, warmup, burst, watch=iter):
    """Milliseconds (turns, burst) of each of `calls`, name -> function: all take turns, warm, garbage not collected.

    Each turn starts with a call that is not timed: it brings the network's weights back into the cache.
    """
    now = getattr(time, "perf_counter_ns", None) or (lambda: int(time.perf_counter() * 1e9))
    for call in calls.values():
        for _ in range(warmup):
            call()
    taken = {name: np.empty((repeats, burst)) for name in calls}
    collecting = gc.isenabled()
    gc.disable()
    try:
        for turn in watch(range(repeats)):
            for name, call in calls.items():
                call()
                for number in range(burst):
                    start = now()
                    call()
                    taken[name][turn, number] = (now() - start) / 1e6
    finally:
        if collecting:
            gc.enable()
    return taken


def brief(calls_ms):
    """(median of the turns' best calls, 95th percentile of all, interquartile range of the best / their median)."""
    best = calls_ms.min(axis=1)
    low, median, high = np.percentile(best, [25, 50, 75])
    return float(median), float(np.percentile(calls_ms, 95)), float((high - low) / median)


# The machine ---------------------------------------------------------------------------------------------------------
def fixed_loop(turns=60):
    """Milliseconds (turns,) that one core takes for always the same arithmetic, in a cache, without any library."""
    x, taken = np.linspace(-1, 1, 8192, dtype=np.float32), []
    for _ in range(turns + 5):
        start = time.perf_counter()
        for _ in range(100):
            x = x * np.float32(0.999) + np.float32(0.001)
        taken.append(1000 * (time.perf_counter() - start))
    return np.array(taken[5:])


def load():
    """Programs that want to run, mean of the last minute; None where the system does not tell."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


def clock():
    """The processor's clock in MHz and who governs it; None for what the system does not tell."""
    folder = "/sys/devices/system/cpu/cpu0/cpufreq/"
    found = {}
    for key, name in (("now", "scaling_cur_freq"), ("min", "scaling_min_freq"), ("max", "scaling_max_freq")):
        text = _text(folder + name)
        found[f"clock_{key}_mhz"] = int(text) / 1000 if text.isdigit() else None
    if found["clock_now_mhz"] is None:
        for line in _text("/proc/cpuinfo").splitlines():
            if line.lower().startswith("cpu mhz"):
                found["clock_now_mhz"] = float(line.split(":")[1])
                break
    found["governor"] = _text(folder + "scaling_governor") or None
    return found


def cores():
    """The cores that this process may use, by number; None where the system does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def busy_seconds():
    """Seconds that these cores have been busy since the start, for this process and others; None where not told."""
    mine, ticks = cores(), 0
    for line in _text("/proc/stat").splitlines():
        parts = line.split()
        if mine and parts and parts[0][:3] == "cpu" and parts[0][3:].isdigit() and int(parts[0][3:]) in mine:
            ticks += sum(map(int, parts[1:4])) + sum(map(int, parts[6:9]))  # not idle, not waiting for a disk
    return ticks / os.sysconf("SC_CLK_TCK") if ticks else None


def state():
    """What to compare before and after."""
    loop = fixed_loop()
    low, median, high = np.percentile(loop, [25, 50, 75])
    return {"at_seconds": time.monotonic(), "load": load(), "busy_seconds": busy_seconds(),
            "own_seconds": time.process_time(), "loop_ms": float(median), "loop_spread": float((high - low) / median)}


def conditions(before, after):
    """The state before and after, and what lies between, in one."""
    others = None
    if before["busy_seconds"] is not None and after["busy_seconds"] is not None:
        busy = after["busy_seconds"] - before["busy_seconds"] - (after["own_seconds"] - before["own_seconds"])
        others = max(0.0, busy / max(after["at_seconds"] - before["at_seconds"], 1e-3))
    found = clock()
    found.update(cores=cores(), load_before=before["load"], load_after=after["load"], others_cores=others,
                 loop_before_ms=before["loop_ms"], loop_after_ms=after["loop_ms"],
                 loop_spread_relative=max(before["loop_spread"], after["loop_spread"]))
    return found


def processor():
    """The processor's model as the system names it, else its family."""
    board = _text("/proc/device-tree/model").strip("\0")
    for line in _text("/proc/cpuinfo").splitlines():
        if line.lower().startswith(("model name", "hardware")):
            return line.split(":", 1)[1].strip() + (f" ({board})" if board else "")
    if sys.platform == "darwin":
        return os.popen("sysctl -n machdep.cpu.brand_string").read().strip() or platform.machine()
    return board or platform.processor() or platform.machine()


def _text(path):
    try:
        with open(path, errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


# The kit -------------------------------------------------------------------------------------------------------------
def checksum(data):
    """SHA-256 of `data` without its own checksum, as compact JSON with sorted keys."""
    rest = {key: value for key, value in data.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def make_weights(path, count):
    """One file of `count` normal numbers of deviation 0.05, which all graphs read: none so small as to be slow."""
    if os.path.isfile(path) and os.path.getsize(path) == 4 * count:
        return
    values = (np.random.RandomState(0).standard_normal(count) * 0.05).astype(np.float32)
    values[np.abs(values) < 1e-4] = 1e-4
    values.tofile(path + ".part")
    os.replace(path + ".part", path)


def measure_group(names, kit, settings, random_sound):
    """[{"id", "median_ms", "p95_ms", "spread_relative"}] of some graphs, all open at once and taking turns."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = settings["threads"], 1
    options.log_severity_level = 3
    calls, files = {}, {graph["id"]: graph["file"] for graph in kit["graphs"]}
    for name in names:
        path = os.path.join(HERE, "graphs", files[name])
        opened = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        calls[name] = lambda opened=opened: opened.run(None, random_sound)
    taken = take_turns(calls, settings["repeats"], settings["warmup"], settings["burst"])
    said = {name: brief(calls_ms) for name, calls_ms in taken.items()}
    return [{"id": name, "median_ms": median, "p95_ms": p95, "spread_relative": spread}
            for name, (median, p95, spread) in said.items()]


def read_kit():
    """The kit's list of graphs, each file checked against its hash."""
    with open(os.path.join(HERE, "kit.json")) as file:
        kit = json.load(file)
    for graph in kit["graphs"]:
        with open(os.path.join(HERE, "graphs", graph["file"]), "rb") as file:
            if hashlib.sha256(file.read()).hexdigest() != graph["sha256"]:
                sys.exit(f"graphs/{graph['file']} is damaged: copy the whole kit again")
    return kit


def main():
    """Measure everything that is not measured yet."""
    parser = argparse.ArgumentParser(description="Measure this kit's graphs with ONNX Runtime; writes result.json.")
    parser.add_argument("--threads", type=int, default=1, help="threads of one inference (default 1)")
    parser.add_argument("--repeats", type=int, default=10, help="turns of each graph in each pass (default 10)")
    given = parser.parse_args()
    import onnxruntime as ort

    kit = read_kit()
    settings = dict(kit["settings"], threads=given.threads, repeats=given.repeats)
    machine = {"processor": processor(), "logical_cores": os.cpu_count(), "system": platform.platform(),
               "python": platform.python_version(), "numpy": np.__version__, "onnxruntime": ort.__version__}
    make_weights(os.path.join(HERE, "graphs", "weights.bin"), kit["weights"])
    random = np.random.RandomState(0)
    sound = {"features": random.standard_normal((1, kit["frames"], kit["input_dim"])).astype(np.float32),
             "lengths": np.array([kit["frames"]], np.int64)}
    whole = {"format": FORMAT, "kit": kit, "machine": machine, "settings": settings, "groups": []}
    part, target = os.path.join(HERE, "result.part.json"), os.path.join(HERE, "result.json")
    if os.path.isfile(part):
        with open(part) as file:
            known = json.load(file)
        if all(known[key] == whole[key] for key in ("format", "kit", "machine", "settings")):
            whole = known
    before = state()
    plan = [group for _ in range(settings["passes"]) for group in kit["groups"]]
    for number in range(len(whole["groups"]), len(plan)):
        print(f"group {number + 1} of {len(plan)} ...", flush=True)
        whole["groups"].append(measure_group(plan[number], kit, settings, sound))
        save(part, whole)
    whole["conditions"] = conditions(before, state())
    whole["checksum"] = checksum(whole)
    save(target, whole)
    if os.path.isfile(part):
        os.remove(part)
    print(f"{len(kit['graphs'])} graphs measured: take {target} back to where the kit was made")


def save(path, data):
    """Whole or not at all."""
    with open(path + ".new", "w") as file:
        json.dump(data, file, indent=1, sort_keys=True)
    os.replace(path + ".new", path)


if __name__ == "__main__":
    main()
