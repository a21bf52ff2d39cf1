"""Devices that are not here, in four public figures each, with their sources.

`checked` is true where the source was read while this was written; a figure with a part from memory or assumed is not.
A launch overhead is nowhere published for our networks: each is an assumption, with its reasoning. Powers are of what
the source names, a chip or a whole board under load, also where one core of it is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

VALUE_BYTES = {"fp32": 4, "fp16": 2, "bf16": 2}


@dataclass(frozen=True)
class Quoted:
    """A figure, where it comes from, and whether all of it was looked up there."""

    value: float
    source: str
    checked: bool = True


@dataclass(frozen=True)
class PublicDevice:
    """What a roofline needs to know.

    part: which part of the device works. precision: of the numbers, one of VALUE_BYTES. peak_gflops: floating-point
    operations a nanosecond at that precision. bandwidth_gb_s: main memory, gigabytes a second. launch_us: what each
    operation costs besides, in microseconds. power_w: what the device draws at work.
    """

    words: str
    part: str
    precision: str
    peak_gflops: Quoted
    bandwidth_gb_s: Quoted
    launch_us: Quoted
    power_w: Quoted

    @property
    def figures(self) -> dict[str, Quoted]:
        """The four figures by name."""
        names = ("peak_gflops", "bandwidth_gb_s", "launch_us", "power_w")
        return {name: getattr(self, name) for name in names}


_DISPATCH = "assumed: what ONNX Runtime does besides for each node, about 1,000 processor cycles, at this clock"

ESTIMATED = {
    "v100": PublicDevice(
        "NVIDIA V100 (SXM2)", "the GPU, without tensor cores", "fp32",
        Quoted(15_700, "15.7 teraFLOPS single precision, NVIDIA V100 data sheet as copied in "
               "huggingface.co/RajBhope/gpu-runtime-predictor; NVIDIA's table of 2017 (xenon.com.au) says 15"),
        Quoted(900, "16 GB of HBM2 at 900 GB/s (tomshw.it, architettura Volta)"),
        Quoted(5, "assumed: kernels are queued, so less than the 20 us from call to start that NVIDIA shows for a V100 "
               "(developer.nvidia.com/blog, overhead and latency in Nsight Systems)", False),
        Quoted(300, "power limit that the driver reports for a Tesla V100-SXM2-32GB (pastebin.com/AaFUPNi5)"),
    ),
    "snapdragon-8-gen-2": PublicDevice(
        "Qualcomm Snapdragon 8 Gen 2", "the Cortex-X3 core at 3.2 GHz", "fp32",
        Quoted(3.2 * 4 * 4 * 2, "3.2 GHz (Qualcomm, as reported by wccftech.com, 2022-11-16) x 4 pipes of 4 values x 2 "
               "operations; the four pipes are from memory", False),
        Quoted(67.2, "LPDDR5X at 4,200 MHz (wccftech.com, 2022-11-16) x 2 x 64 bits; the width is from memory", False),
        Quoted(1000 / 3200, _DISPATCH, False),
        Quoted(4, "assumed: one large core and the memory of a phone under load", False),
    ),
    "iphone-15": PublicDevice(
        "Apple iPhone 15 (A16 Bionic)", "one performance core at 3.46 GHz", "fp32",
        Quoted(3.46 * 4 * 4 * 2, "3.46 GHz (techinsist.com, Apple A16) x 4 pipes of 4 values x 2 operations; Apple "
               "publishes no such figure, four pipes are AnandTech's finding on the A14; the matrix unit is left out",
               False),
        Quoted(51.2, "LPDDR5-6400 x 64 bits (nanoreview.net, Apple A16)"),
        Quoted(1000 / 3460, _DISPATCH, False),
        Quoted(4, "assumed: one large core and the memory of a phone under load", False),
    ),
    "raspberry-pi-4": PublicDevice(
        "Raspberry Pi 4", "one Cortex-A72 core at 1.5 GHz", "fp32",
        Quoted(1.5 * 4 * 2, "1.5 GHz (magpi.raspberrypi.com) x one pipe that multiplies 4 values (Cortex-A72: only FP0 "
               "multiplies vectors, thesis of T. Bastian on this core, 2024) x 2 operations"),
        Quoted(5.5, "STREAM copy measured on a Pi 4: 5,527 MB/s (sci-pi.org.uk/bench/stream.html); LPDDR4-3200 x 32 "
               "bits would be 12.8"),
        Quoted(1000 / 1500, _DISPATCH, False),
        Quoted(5, "5.0 W at the wall under load, idle 1.6 W (github.com/geerlingguy/sbc-reviews, issue 4)"),
    ),
    "jetson-nano": PublicDevice(
        "NVIDIA Jetson Nano", "the GPU, 128 Maxwell cores at 0.92 GHz", "fp32",
        Quoted(128 * 0.9216 * 2, "128 cores at 922 MHz (deviceQuery of a Nano, gist.github.com/bgulla) x 2 operations; "
               "NVIDIA's 472 GFLOPS are of fp16, twice that"),
        Quoted(25.6, "4 GB of 64-bit LPDDR4 at 1,600 MHz, 25.6 GB/s, as owners quote NVIDIA's specification "
               "(gist.github.com/Zerorigin)"),
        Quoted(20, "assumed: the upper end of 5 to 20 us a kernel (devbytes.co.in), since the Cortex-A57 that starts "
               "kernels is slow", False),
        Quoted(10, "10 W mode, as listed for the module (cpu-gpu.alldbin.com); it draws less in its 5 W mode"),
    ),
    "tpu-v4": PublicDevice(
        "Google Cloud TPU v4", "one chip", "bf16",
        Quoted(275_000, "cloud.google.com/tpu/docs/v4: 275 teraflops a chip, bf16 or int8"),
        Quoted(1200, "cloud.google.com/tpu/docs/v4: HBM2, 1,200 GBps"),
        Quoted(2, "assumed: one compiled program holds all operations, so none is started by the host; what is left "
               "is filling and draining the matrix units", False),
        Quoted(170, "cloud.google.com/tpu/docs/v4: measured power 90/170/192 W (min/mean/max), the mean is taken"),
    ),
}  # fmt: skip
